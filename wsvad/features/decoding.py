"""The bytes of one stored unit as arrays, checked against what the snapshot says of it. Columns read: all but ``uri``.

Axes: T clips in time, V crops, D/C features, K cuboids.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wsvad import columns
from wsvad.dataset.snapshots import SnapshotObject
from wsvad.errors import ConflictError, StorageError

_FLOAT16_EXPONENT = 0x7C00
_ROW_COLUMNS = (
    columns.CLIP,
    columns.CROP,
    columns.START_FRAME,
    columns.END_FRAME,
    columns.START_S,
    columns.END_S,
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
        StorageError: the bytes are not those of the snapshot, clips or crops are missing, or values are NaN or
            infinite.
    """
    fault = _Fault(described.video_id, uri)
    if hashlib.sha256(data).hexdigest() != described.sha256:
        raise fault(f"{len(data)} bytes, not the {described.bytes} that the snapshot's digest stands for")
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        has_cuboids = columns.CUBOIDS in file.schema_arrow.names
        wanted = [columns.VIDEO_ID, *_ROW_COLUMNS, columns.POOLED]
        if cuboids and has_cuboids:
            wanted.append(columns.CUBOIDS)
        made_by = (file.schema_arrow.metadata or {}).get(columns.META_FINGERPRINT.encode(), b"").decode()
        if made_by != fingerprint:
            raise ConflictError(
                f"{uri} ({described.video_id}) was made by another configuration: its fingerprint is "
                f"{made_by[:12] or 'missing'}, the data set's is {fingerprint[:12]}. Extract into another --out."
            )
        table = file.read(columns=wanted, use_threads=False)
        return _unit(table, described, fault)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise fault(f"no features table: {error}") from error


class _Fault:
    """Makes the errors about one object: which video, which object, and what to do."""

    def __init__(self, video_id: str, uri: str) -> None:
        self.video_id = video_id
        self.uri = uri

    def __call__(self, what: str) -> StorageError:
        return StorageError(
            f"features of {self.video_id!r} in {self.uri} are damaged: {what.rstrip('.')}. "
            "`wsvad verify --repair` removes the object, `wsvad extract` then makes it again."
        )


def _unit(table: pa.Table, described: SnapshotObject, fault: _Fault) -> UnitFeatures:
    if table.num_rows != described.rows or described.clips < 1 or described.rows % described.clips:
        raise fault(f"expected {described.rows} rows of {described.clips} clips, got {table.num_rows}")
    ids = table[columns.VIDEO_ID].unique().to_pylist()
    if ids != [described.video_id]:
        raise fault(f"rows of other videos: {ids[:3]}")
    T, V = described.clips, described.rows // described.clips
    rows = {name: table[name].to_numpy() for name in _ROW_COLUMNS}
    tensors = {name: _tensors(table[name]) for name in (columns.POOLED, columns.CUBOIDS) if name in table.column_names}
    order = np.lexsort((rows[columns.CROP], rows[columns.CLIP]))
    if (np.diff(order) != 1).any():
        rows = {name: values[order] for name, values in rows.items()}
        tensors = {name: values[order] for name, values in tensors.items()}
    clip_TV = rows[columns.CLIP].reshape(T, V)
    _check_clips(clip_TV, rows[columns.CROP].reshape(T, V), described, fault)
    for name, values in tensors.items():
        _check_finite(name, values.reshape(T, -1), clip_TV[:, 0], fault)
    first = {name: values.reshape(T, V)[:, 0].copy() for name, values in rows.items()}
    pooled, cuboids = tensors[columns.POOLED], tensors.get(columns.CUBOIDS)
    return UnitFeatures(
        described.video_id,
        first[columns.CLIP],
        first[columns.START_FRAME],
        first[columns.END_FRAME],
        first[columns.START_S],
        first[columns.END_S],
        pooled.reshape(T, V, *pooled.shape[1:]),
        None if cuboids is None else cuboids.reshape(T, V, *cuboids.shape[1:]),
    )


def _tensors(column: pa.ChunkedArray) -> np.ndarray:
    """A column of float16 tensors as one array ``[rows, ...]``."""
    if column.null_count or column.type.value_type != pa.float16():
        raise ValueError(f"expected float16 tensors without nulls, got {column.type}")
    chunks = [chunk.to_numpy_ndarray() for chunk in column.chunks if len(chunk)]
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)


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


def _check_finite(name: str, values_TX: np.ndarray, clip_T: np.ndarray, fault: _Fault) -> None:
    # Half of np.isfinite's time for float16, which matters where cuboids are gigabytes.
    bad_T = ((values_TX.view(np.uint16) & _FLOAT16_EXPONENT) == _FLOAT16_EXPONENT).any(axis=1)
    if bad_T.any():
        raise fault(f"{int(bad_T.sum())} clips have NaN or infinite {name}, the first is {int(clip_T[bad_T.argmax()])}")
