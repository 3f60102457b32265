"""The bytes of one stored unit as arrays, checked against what the snapshot says of it. Columns read: all but ``uri``.

Axes: T clips in time, V crops, D/C features, K cuboids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wsvad import columns
from wsvad.dataset.snapshots import SnapshotObject
from wsvad.errors import ConflictError, DamagedError, UsageError

_ROW_COLUMNS = (
    columns.CLIP,
    columns.CROP,
    columns.START_FRAME,
    columns.END_FRAME,
    columns.START_S,
    columns.END_S,
)


Inputs = Literal["pooled", "cuboids"]
"""What a model sees of a clip: one vector, or one for each cuboid."""


def without_cuboids(where: str) -> UsageError:
    """Return the error for features that a model of cuboids cannot use."""
    return UsageError(
        f"{where} has no cuboids, which this model looks at; extract with --cuboids, or take a model of pooled ones"
    )


@dataclass(frozen=True)
class UnitFeatures:
    """The clips of one stored unit, in order."""

    video_id: str
    clip: np.ndarray
    """int32 ``[T]``, ascending."""
    start_frame: np.ndarray
    """int64 ``[T]``."""
    end_frame: np.ndarray
    """int64 ``[T]``, exclusive."""
    start_s: np.ndarray
    """float64 ``[T]``, presentation time."""
    end_s: np.ndarray
    """float64 ``[T]``."""
    pooled_TVD: np.ndarray
    """float16 ``[T, V, D]``."""
    cuboids_TVKC: np.ndarray | None
    """float16 ``[T, V, K, C]``, or ``None`` where not asked for or not there."""

    def averaged(self, inputs: Inputs) -> np.ndarray:
        """Return what a model sees of each clip, the mean of its crops: ``[T, D]``, or ``[T, K, C]`` of cuboids.

        float16 as stored where there is one crop, else float32.

        Raises:
            UsageError: there are no cuboids.
        """
        values_TV = self.pooled_TVD if inputs == "pooled" else self.cuboids_TVKC
        if values_TV is None:
            raise without_cuboids(self.video_id)
        mean_T: np.ndarray = values_TV[:, 0] if values_TV.shape[1] == 1 else values_TV.mean(axis=1, dtype=np.float32)
        return mean_T


def decode_features(
    data: bytes, described: SnapshotObject, *, uri: str, fingerprint: str, cuboids: bool = True
) -> UnitFeatures:
    """Decode a unit's object and hold it against the snapshot.

    Args:
        data: the object's bytes.
        described: what the snapshot says of it.
        uri: of the object, for messages.
        fingerprint: of the data set.
        cuboids: decode that column, too, where it is there.

    Raises:
        ConflictError: the object was made by another configuration.
        DamagedError: the bytes are not those of the snapshot, clips or crops are missing, or values are NaN or
            infinite.
    """
    fault = _Fault(described.video_id, uri)
    with _opened(data, described, fault, uri, fingerprint) as file:
        wanted = [columns.POOLED]
        if cuboids and columns.CUBOIDS in file.schema_arrow.names:
            wanted.append(columns.CUBOIDS)
        return _unit(file, wanted, described, fault)


def decode_shapes(
    data: bytes, described: SnapshotObject, *, uri: str, fingerprint: str
) -> tuple[int, tuple[int, int] | None]:
    """Return D and ``(K, C)`` of a unit's object, or ``None`` for the latter where there are no cuboids.

    Arguments and errors are those of :func:`decode_features`; rows are not looked at.
    """
    fault = _Fault(described.video_id, uri)
    with _opened(data, described, fault, uri, fingerprint) as file:
        schema = file.schema_arrow
        (pooled_dim,) = schema.field(columns.POOLED).type.shape
        if columns.CUBOIDS not in schema.names:
            return pooled_dim, None
        K, C = schema.field(columns.CUBOIDS).type.shape
        return pooled_dim, (K, C)


@contextmanager
def _opened(
    data: bytes, described: SnapshotObject, fault: _Fault, uri: str, fingerprint: str
) -> Iterator[pq.ParquetFile]:
    """Open an object that is the snapshot's, and the configuration's; what Arrow says of it is translated."""
    if hashlib.sha256(data).hexdigest() != described.sha256:
        raise fault(f"{len(data)} of {described.bytes} bytes, and not those that the snapshot's digest stands for")
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        made_by = (file.schema_arrow.metadata or {}).get(columns.META_FINGERPRINT.encode(), b"").decode()
        if made_by != fingerprint:
            raise ConflictError(
                f"{uri} ({described.video_id}) was made by another configuration: its fingerprint is "
                f"{made_by[:12] or 'missing'}, the data set's is {fingerprint[:12]}. Extract into another --out."
            )
        yield file
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise fault(f"no features table: {error}") from error


class _Fault:
    """Makes the errors about one object: which video, which object, and what to do."""

    def __init__(self, video_id: str, uri: str) -> None:
        self.video_id = video_id
        self.uri = uri

    def __call__(self, what: str) -> DamagedError:
        return DamagedError(
            f"features of {self.video_id!r} in {self.uri} are damaged: {what.rstrip('.')}. "
            "`wsvad verify --repair` removes the object, the command that made it then makes it again."
        )


def _unit(file: pq.ParquetFile, tensors: Sequence[str], described: SnapshotObject, fault: _Fault) -> UnitFeatures:
    N = file.metadata.num_rows
    if described.rows != N or described.clips < 1 or described.rows % described.clips:
        raise fault(f"expected {described.rows} rows of {described.clips} clips, got {N}")
    table = file.read(columns=[columns.VIDEO_ID, *_ROW_COLUMNS], use_threads=False)
    ids = table[columns.VIDEO_ID].unique().to_pylist()
    if ids != [described.video_id]:
        raise fault(f"rows of other videos: {ids[:3]}")
    T, V = described.clips, described.rows // described.clips
    values = {name: table[name].to_numpy() for name in _ROW_COLUMNS}
    values |= {name: _tensors(file, name, values[columns.CLIP], fault) for name in tensors}
    order = np.lexsort((values[columns.CROP], values[columns.CLIP]))
    if (np.diff(order) != 1).any():
        values = {name: rows[order] for name, rows in values.items()}
    values = {name: rows.reshape(T, V, *rows.shape[1:]) for name, rows in values.items()}
    _check_clips(values[columns.CLIP], values[columns.CROP], described, fault)
    return UnitFeatures(
        described.video_id,
        values[columns.CLIP][:, 0].copy(),
        values[columns.START_FRAME][:, 0].copy(),
        values[columns.END_FRAME][:, 0].copy(),
        values[columns.START_S][:, 0].copy(),
        values[columns.END_S][:, 0].copy(),
        values[columns.POOLED],
        values.get(columns.CUBOIDS),
    )


def _tensors(file: pq.ParquetFile, name: str, clip_N: np.ndarray, fault: _Fault) -> np.ndarray:
    """A column of float16 tensors as one array ``[N, ...]``, read by row groups: two copies of it would be 200 MB."""
    kind = file.schema_arrow.field(name).type
    if kind.value_type != pa.float16():
        raise ValueError(f"expected float16 tensors as {name}, got {kind}")
    values_NX = np.empty((len(clip_N), *kind.shape), np.float16)
    at = 0
    for group in range(file.num_row_groups):
        for chunk in file.read_row_group(group, columns=[name], use_threads=False)[name].chunks:
            part = chunk.to_numpy_ndarray()
            _check_finite(name, part, clip_N[at:], fault)
            values_NX[at : at + len(part)] = part
            at += len(part)
    return values_NX


def _check_clips(clip_TV: np.ndarray, crop_TV: np.ndarray, described: SnapshotObject, fault: _Fault) -> None:
    """Every clip once, with all of its crops, inside the unit's range."""
    T, V = clip_TV.shape
    wrong = (clip_TV != clip_TV[:, :1]).any(axis=1) | (crop_TV != np.arange(V)).any(axis=1)
    wrong[1:] |= clip_TV[1:, 0] <= clip_TV[:-1, 0]
    if wrong.any():
        clip = int(clip_TV[wrong.argmax(), 0])
        raise fault(f"around clip {clip}, expected {T} clips with crops 0 to {V - 1} each, once")
    if clip_TV[0, 0] < described.first_clip or clip_TV[-1, 0] >= described.last_clip:
        raise fault(
            f"clips {clip_TV[0, 0]} to {clip_TV[-1, 0]}, expected [{described.first_clip}, {described.last_clip})"
        )


def _check_finite(name: str, values_NX: np.ndarray, clip_N: np.ndarray, fault: _Fault) -> None:
    finite_NX = np.isfinite(values_NX)
    if not finite_NX.all():
        row = int(finite_NX.reshape(len(finite_NX), -1).all(axis=1).argmin())
        raise fault(f"NaN or infinite {name}, first in clip {int(clip_N[row])}")
