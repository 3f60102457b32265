"""Decode a stored unit into arrays, checked against its snapshot. Columns read: all except ``uri``.

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
"""Input of a model for each clip: one vector, or one per cuboid."""


def missing_cuboids_error(where: str) -> UsageError:
    """Return the error for features without the cuboids that a model needs."""
    return UsageError(
        f"{where} has no cuboids, which this model needs; extract with --cuboids, or use a model of pooled features"
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
    """float16 ``[T, V, K, C]``, or ``None`` if not requested or not extracted."""

    def averaged(self, inputs: Inputs) -> np.ndarray:
        """Return the model input of each clip, the mean of its crops: ``[T, D]``, or ``[T, K, C]`` for cuboids.

        float16 as stored if there is one crop, else float32.

        Raises:
            UsageError: There are no cuboids.
        """
        values_TV = self.pooled_TVD if inputs == "pooled" else self.cuboids_TVKC
        if values_TV is None:
            raise missing_cuboids_error(self.video_id)
        mean_T: np.ndarray = values_TV[:, 0] if values_TV.shape[1] == 1 else values_TV.mean(axis=1, dtype=np.float32)
        return mean_T


def decode_features(
    data: bytes, described: SnapshotObject, *, uri: str, fingerprint: str, cuboids: bool = True
) -> UnitFeatures:
    """Decode a unit's object and check it against the snapshot.

    Args:
        data: Bytes of the object.
        described: Description of the object in the snapshot.
        uri: URI of the object, for messages.
        fingerprint: Fingerprint of the data set.
        cuboids: Also decode the cuboids, if any.

    Raises:
        ConflictError: The object has another configuration.
        DamagedError: The bytes differ from the snapshot's digest, clips or crops are missing, or values are NaN or
            infinite.
    """
    fault = _Fault(described.video_id, uri)
    with _open(data, described, fault, uri, fingerprint) as file:
        wanted = [columns.POOLED]
        if cuboids and columns.CUBOIDS in file.schema_arrow.names:
            wanted.append(columns.CUBOIDS)
        return _unit(file, wanted, described, fault)


def decode_shapes(
    data: bytes, described: SnapshotObject, *, uri: str, fingerprint: str
) -> tuple[int, tuple[int, int] | None]:
    """Return D and ``(K, C)`` of a unit's object; ``None`` instead of the latter if there are no cuboids.

    Arguments and errors are those of :func:`decode_features`; rows are not read.
    """
    fault = _Fault(described.video_id, uri)
    with _open(data, described, fault, uri, fingerprint) as file:
        schema = file.schema_arrow
        (pooled_dim,) = schema.field(columns.POOLED).type.shape
        if columns.CUBOIDS not in schema.names:
            return pooled_dim, None
        K, C = schema.field(columns.CUBOIDS).type.shape
        return pooled_dim, (K, C)


@contextmanager
def _open(
    data: bytes, described: SnapshotObject, fault: _Fault, uri: str, fingerprint: str
) -> Iterator[pq.ParquetFile]:
    """Open an object after checking its digest and configuration; translate errors of Arrow."""
    if hashlib.sha256(data).hexdigest() != described.sha256:
        raise fault(f"its {len(data)} bytes (expected {described.bytes}) do not match the snapshot's digest")
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        made_by = (file.schema_arrow.metadata or {}).get(columns.META_FINGERPRINT.encode(), b"").decode()
        if made_by != fingerprint:
            raise ConflictError(
                f"{uri} ({described.video_id}) has another configuration: its fingerprint is "
                f"{made_by[:12] or 'missing'}, the data set's is {fingerprint[:12]}. Extract into another --out."
            )
        yield file
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise fault(f"not a features table: {error}") from error


class _Fault:
    """Creates the errors about one object, with its video, URI and the remedy."""

    def __init__(self, video_id: str, uri: str) -> None:
        self.video_id = video_id
        self.uri = uri

    def __call__(self, what: str) -> DamagedError:
        return DamagedError(
            f"features of {self.video_id!r} in {self.uri} are damaged: {what.rstrip('.')}. "
            "`wsvad verify --repair` removes the object, then run the command that made it again."
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
    """Return a column of float16 tensors as one array ``[N, ...]``; reading by row groups avoids a copy of 200 MB."""
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
    """Check that every clip of the unit's range is present once, with all of its crops."""
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
