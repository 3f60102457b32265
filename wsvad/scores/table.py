"""The scores of a video, and their encoding as a Parquet file that is a pure function of the scores.

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
from wsvad.notebook import curve_html
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
    """float64 ``[T]``, presentation timestamp."""
    end_s: np.ndarray
    """float64 ``[T]``."""
    score_T: np.ndarray
    """float32 ``[T]``, probability of being anomalous in [0, 1]."""
    cuboid_scores_TK: np.ndarray | None
    """float32 ``[T, K]`` in [0, 1], or ``None`` for a model without cuboids."""
    num_frames: int
    """Number of frames of the video."""
    width: int | None
    """Width in pixels as displayed; ``None`` if unknown."""
    height: int | None
    """Height in pixels as displayed; ``None`` if unknown."""

    def frame_scores(self, num_frames: int | None = None) -> np.ndarray:
        """Return frame scores, float32 ``[num_frames]``, by default for all frames. See :func:`expand_scores`."""
        return expand_scores(self.score_T, self.start_frame, self.end_frame, num_frames or self.num_frames)

    def _repr_html_(self) -> str:
        """Return the curve of the clip scores; notebooks call this."""
        if not len(self.clip):
            return curve_html(f"{self.video_id}: no clips", ())
        peak = int(self.score_T.argmax())
        title = (
            f"{self.video_id}: {len(self.clip)} clips, {self.start_s[0]:.1f} to {self.end_s[-1]:.1f} s, highest score "
            f"{self.score_T[peak]:.3f} at {self.start_s[peak]:.1f} s"
        )
        return curve_html(title, self.score_T.tolist())


def encode_scores(
    scores: VideoScores, *, fingerprint: str, config: Mapping[str, Any], unit: Mapping[str, Any]
) -> bytes:
    """Encode a video's scores as Parquet bytes with the columns of ``scores_schema``, compressed by zstd.

    Equal input gives equal bytes: the file contains no time, host or attempt.

    Args:
        scores: scores of at least one clip.
        fingerprint: fingerprint of the data set's configuration; stored in the schema's metadata like the next two.
        config: configuration of the data set.
        unit: properties of the unit, with ``clips``.
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
    """A decoded unit."""

    fingerprint: str
    unit: dict[str, Any]
    values: dict[str, Any]
    """Fields of :class:`VideoScores` that are in the table."""


def decode_scores(data: bytes) -> StoredScores:
    """Decode the bytes of a unit and verify the checksum of every page.

    Raises:
        DamagedUnit: the bytes are not a unit of scores, or are damaged.
    """
    try:
        return _decode(data)
    except (pa.ArrowException, OSError, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedUnit(f"not an intact unit of scores: {error}") from error


def _decode(data: bytes) -> StoredScores:
    file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    schema = file.schema_arrow  # computed on every access
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
    """Decode a unit for ``wsvad verify``; every clip has one row, with crop 0. Raises as :func:`decode_scores`."""
    stored = decode_scores(data)
    values, cuboids = stored.values, stored.values["cuboid_scores_TK"]
    finite = bool(np.isfinite(values["score_T"]).all()) and (cuboids is None or bool(np.isfinite(cuboids).all()))
    keys = [(str(values["video_id"]), int(clip), 0) for clip in values["clip"]]
    return UnitSummary(stored.fingerprint, stored.unit, len(keys), keys, finite)
