"""Scores of a video as values and as the bytes of a unit: a Parquet file that is a pure function of both.

Axes: T clips in time, K cuboids (49, row by row from the top left).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wsvad import columns
from wsvad.documents import parse_object
from wsvad.features.encoding import UnitSummary, check_columns, tensor_array
from wsvad.scores.expand import expand_scores
from wsvad.work.stored import DamagedUnit

ROWS_PER_GROUP = 16384


@dataclass(frozen=True)
class VideoScores:
    """Scores of all clips of one video, in order. ``clip`` has gaps where footage could not be decoded."""

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
    score_T: np.ndarray
    """float32 ``[T]``, probability of being anomalous in [0, 1]."""
    cuboid_scores_TK: np.ndarray | None
    """float32 ``[T, K]`` in [0, 1], or ``None`` for a model without cuboids."""
    num_frames: int
    """Frames of the video, its true length."""
    width: int | None
    """Pixels across as displayed; ``None`` where the features do not say."""
    height: int | None
    """Pixels down as displayed."""

    def frame_scores(self, num_frames: int | None = None) -> np.ndarray:
        """Scores of frames, float32 ``[num_frames]``; by default at true length. See :func:`expand_scores`."""
        return expand_scores(self.score_T, self.start_frame, self.end_frame, num_frames or self.num_frames)


def encode_scores(
    scores: VideoScores, *, fingerprint: str, config: Mapping[str, Any], unit: Mapping[str, Any]
) -> bytes:
    """Encode a video's scores as Parquet bytes: columns of ``scores_schema``, zstd.

    The same input gives the same bytes: no time, host or attempt is in them.

    Args:
        scores: at least one clip.
        fingerprint: of the data set's configuration; in the schema's metadata, as are the next two.
        config: the data set's configuration.
        unit: what the unit is made of, ``clips`` among it.
    """
    cuboids = scores.cuboid_scores_TK
    arrays: list[pa.Array] = [
        pa.array([scores.video_id] * len(scores.clip), pa.string()),
        pa.array(scores.clip, pa.int32()),
        pa.array(scores.start_frame, pa.int64()),
        pa.array(scores.end_frame, pa.int64()),
        pa.array(scores.start_s, pa.float64()),
        pa.array(scores.end_s, pa.float64()),
        pa.array(scores.score_T, pa.float32()),
    ]
    if cuboids is not None:
        arrays.append(tensor_array(cuboids.astype(np.float32, copy=False)))
    schema = columns.scores_schema(None if cuboids is None else cuboids.shape[1]).with_metadata(
        {
            columns.META_FINGERPRINT: fingerprint,
            columns.META_SCORES: json.dumps(config, sort_keys=True),
            columns.META_UNIT: json.dumps(unit, sort_keys=True),
        }
    )
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink, schema, compression="zstd", use_dictionary=[columns.VIDEO_ID], write_page_checksum=True
    ) as writer:
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=ROWS_PER_GROUP)
    data: bytes = sink.getvalue().to_pybytes()
    return data


class StoredScores(NamedTuple):
    """A unit as it is read back."""

    fingerprint: str
    unit: dict[str, Any]
    values: dict[str, Any]
    """The fields of :class:`VideoScores` that the table holds."""


def decode_scores(data: bytes) -> StoredScores:
    """Undo :func:`encode_scores`; every page is held against its checksum.

    Raises:
        DamagedUnit: the bytes are no unit of scores, or not what was written.
    """
    try:
        return _decode(data)
    except (pa.ArrowException, OSError, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedUnit(f"no whole unit of scores: {error}") from error


def _decode(data: bytes) -> StoredScores:
    file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    schema = file.schema_arrow  # made anew each time that it is asked for
    metadata = {k.decode(): v.decode() for k, v in (schema.metadata or {}).items()}
    cuboids = columns.CUBOID_SCORES in schema.names
    places = schema.field(columns.CUBOID_SCORES).type.shape[0] if cuboids else None
    check_columns(schema, columns.scores_schema(places))
    table = file.read(use_threads=False).combine_chunks()
    names = (columns.CLIP, columns.START_FRAME, columns.END_FRAME, columns.START_S, columns.END_S)
    values: dict[str, Any] = {name: table[name].to_numpy() for name in names}
    values["video_id"] = table[columns.VIDEO_ID][0].as_py()
    values["score_T"] = table[columns.SCORE].to_numpy()
    values["cuboid_scores_TK"] = None
    if columns.CUBOID_SCORES in table.column_names:
        values["cuboid_scores_TK"] = table[columns.CUBOID_SCORES].chunk(0).to_numpy_ndarray()
    return StoredScores(metadata[columns.META_FINGERPRINT], parse_object(metadata[columns.META_UNIT]), values)


def summarize_scores(data: bytes) -> UnitSummary:
    """Read a unit back for ``wsvad verify``: every clip is a row, of crop 0. Raises as :func:`decode_scores`."""
    stored = decode_scores(data)
    values, cuboids = stored.values, stored.values["cuboid_scores_TK"]
    finite = bool(np.isfinite(values["score_T"]).all()) and (cuboids is None or bool(np.isfinite(cuboids).all()))
    keys = [(str(values["video_id"]), int(clip), 0) for clip in values["clip"]]
    return UnitSummary(stored.fingerprint, stored.unit, len(keys), keys, finite)
