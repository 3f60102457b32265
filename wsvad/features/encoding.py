"""Encode a unit as a Parquet file that is a pure function of its features and provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wsvad.columns import CUBOIDS, META_FEATURES, META_FINGERPRINT, META_UNIT, POOLED, features_schema
from wsvad.documents import parse_object
from wsvad.work.stored import DamagedUnit

ROWS_PER_GROUP = 256


class ClipRows(NamedTuple):
    """The rows of one clip: ``views`` crops with the same span."""

    clip: int
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float
    pooled_VD: np.ndarray
    """float16 ``[views, D]``."""
    cuboids_VKC: np.ndarray | None
    """float16 ``[views, K, C]``, or ``None`` if cuboids are not written."""


def encode_unit(
    video_id: str,
    clips: Sequence[ClipRows],
    *,
    fingerprint: str,
    features: Mapping[str, Any],
    unit: Mapping[str, Any],
) -> bytes:
    """Encode a unit's clips as Parquet: columns of ``features_schema``, zstd, at most 256 rows per group.

    The same input gives the same bytes: no time, host or attempt is included.

    Args:
        video_id: Id of the video, the same in every row.
        clips: At least one clip, in order.
        fingerprint: Fingerprint of the data set's configuration; stored in the schema metadata, like the next two.
        features: Resolved feature configuration.
        unit: Range, content id and decode record.
    """
    views = clips[0].pooled_VD.shape[0]
    pooled = np.concatenate([c.pooled_VD for c in clips])
    cuboids = (
        None if clips[0].cuboids_VKC is None else np.stack([c.cuboids_VKC for c in clips if c.cuboids_VKC is not None])
    )
    schema = features_schema(pooled.shape[1], None if cuboids is None else (cuboids.shape[2], cuboids.shape[3]))

    def repeat(values: Sequence[float], kind: Any) -> pa.Array:
        return pa.array(np.repeat(np.asarray(values), views), type=kind)

    columns: list[pa.Array] = [
        pa.array([video_id] * (len(clips) * views), pa.string()),
        repeat([c.clip for c in clips], pa.int32()),
        repeat([c.start_frame for c in clips], pa.int64()),
        repeat([c.end_frame for c in clips], pa.int64()),
        repeat([c.start_s for c in clips], pa.float64()),
        repeat([c.end_s for c in clips], pa.float64()),
        pa.array(np.tile(np.arange(views), len(clips)), pa.int8()),
        tensor_array(pooled),
    ]
    if cuboids is not None:
        columns.append(tensor_array(cuboids.reshape(-1, *cuboids.shape[2:])))
    schema = schema.with_metadata(
        {
            META_FINGERPRINT: fingerprint,
            META_FEATURES: json.dumps(features, sort_keys=True),
            META_UNIT: json.dumps(unit, sort_keys=True),
        }
    )
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink, schema, compression="zstd", compression_level=1, use_dictionary=["video_id"], write_page_checksum=True
    ) as writer:
        writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=ROWS_PER_GROUP)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def tensor_array(values_NX: np.ndarray) -> pa.FixedShapeTensorArray:
    """Wrap a float16 array ``[N, ...]`` as N tensors, without a copy if it is contiguous."""
    return pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(values_NX))


class UnitSummary(NamedTuple):
    """Content of a unit's object, read back from its bytes."""

    fingerprint: str
    unit: dict[str, Any]
    rows: int
    keys: list[tuple[str, int, int]]
    """``(video_id, clip, crop)`` of every row, in order."""
    finite: bool
    """True if no pooled value or cuboid is NaN or infinite."""


def decode_unit(data: bytes) -> UnitSummary:
    """Read a unit's bytes back for verification; the checksum of every page is verified.

    Raises:
        DamagedUnit: The bytes are not a unit, or were altered.
    """
    try:
        return _decode_unit(data)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedUnit(f"not a complete unit: {error}") from error


def check_columns(found: pa.Schema, wanted: pa.Schema) -> None:
    """Raise ``ValueError`` if a table lacks a column or has it with another type: a footer has no checksum."""
    if found.equals(wanted):
        return
    wrong = [
        field.name for field in wanted if field.name not in found.names or not found.field(field.name).equals(field)
    ]
    if wrong or len(found) != len(wanted):
        raise ValueError(f"its columns are {', '.join(map(repr, found.names))}; wrong or missing: {wrong}")


def _widths(schema: pa.Schema) -> tuple[int, tuple[int, int] | None]:
    (pooled,) = schema.field(POOLED).type.shape
    if CUBOIDS not in schema.names:
        return pooled, None
    places, width = schema.field(CUBOIDS).type.shape
    return pooled, (places, width)


def _decode_unit(data: bytes) -> UnitSummary:
    file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    schema = file.schema_arrow  # the property creates a new object on each access
    metadata = {k.decode(): v.decode() for k, v in (schema.metadata or {}).items()}
    check_columns(schema, features_schema(*_widths(schema)))
    table = file.read(use_threads=False)  # callers already use threads; threads per column would cost a third more
    keys = list(zip(*(table[c].to_pylist() for c in ("video_id", "clip", "crop")), strict=True))
    finite = all(
        bool(np.isfinite(chunk.storage.flatten().to_numpy(zero_copy_only=False)).all())
        for name in (POOLED, CUBOIDS)
        if name in table.column_names
        for chunk in table[name].chunks
    )
    unit = parse_object(metadata[META_UNIT])
    if unit["clips"] != len({clip for _, clip, _ in keys}):  # the footer has no checksum of its own
        raise ValueError(f"its footer says {unit['clips']!r} clips")
    return UnitSummary(metadata[META_FINGERPRINT], unit, table.num_rows, keys, finite)
