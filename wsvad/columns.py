"""Every column name and Arrow schema of the tables at rest, in one place.

Frames are numbered from 0; spans are half-open; times are presentation times in seconds.
"""

from __future__ import annotations

import pyarrow as pa

VIDEO_ID = "video_id"
URI = "uri"
LABEL = "label"
SPLIT = "split"
CATEGORY = "category"
NUM_FRAMES = "num_frames"
FRAME_RATE = "frame_rate"
STREAM = "stream"
WIDTH = "width"
HEIGHT = "height"
SPANS = "spans"
BOXES = "boxes"
TRACK = "track"

CLIP = "clip"
START_FRAME = "start_frame"
END_FRAME = "end_frame"
START_S = "start_s"
END_S = "end_s"
CROP = "crop"
POOLED = "pooled"
CUBOIDS = "cuboids"
SCORE = "score"
CUBOID_SCORES = "cuboid_scores"

CONTENT_ID = "content_id"
INDEX = "index"
KIND = "kind"
MESSAGE = "message"
NOTES = "notes"

# Keys in the Parquet schema's own metadata (bytes there, text here).
META_FINGERPRINT = "wsvad.fingerprint"
META_FEATURES = "wsvad.features"
META_SCORES = "wsvad.scores"
META_EVENTS = "wsvad.events"
META_UNIT = "wsvad.unit"


MANIFEST_SCHEMA = pa.schema(
    [
        pa.field(VIDEO_ID, pa.string(), nullable=False),
        pa.field(URI, pa.string(), nullable=False),
        pa.field(LABEL, pa.int8()),  # 0 normal, 1 anomalous, null not known
        pa.field(SPLIT, pa.string()),  # train | val | test
        pa.field(CATEGORY, pa.string()),
        pa.field(NUM_FRAMES, pa.int64()),
        pa.field(WIDTH, pa.int32()),  # the pixels that the boxes refer to
        pa.field(HEIGHT, pa.int32()),
        pa.field(SPANS, pa.list_(pa.struct([(START_FRAME, pa.int64()), (END_FRAME, pa.int64())]))),  # null: not known
        pa.field(
            BOXES,
            pa.list_(
                pa.struct(
                    [(START_FRAME, pa.int64()), (END_FRAME, pa.int64())]
                    + [(corner, pa.float64()) for corner in ("x1", "y1", "x2", "y2")]
                    + [(TRACK, pa.int32())]
                )
            ),
        ),
    ]
)
"""One row a video of a data set: where it is, and what is known of it. CSV manifests have the same columns as text."""


def features_schema(pooled_dim: int, cuboid_shape: tuple[int, int] | None) -> pa.Schema:
    """Schema of the features table: one row a clip and crop.

    Args:
        pooled_dim: D, the width of ``pooled``.
        cuboid_shape: ``(K, C)`` of ``cuboids``, e.g. ``(49, 528)``, or ``None`` to leave the column out.

    Returns:
        Columns ``video_id, clip, start_frame, end_frame, start_s, end_s, crop, pooled[, cuboids]``; tensors are
        float16 ``FixedShapeTensor``.
    """
    fields = [
        pa.field(VIDEO_ID, pa.string(), nullable=False),
        pa.field(CLIP, pa.int32(), nullable=False),
        pa.field(START_FRAME, pa.int64(), nullable=False),
        pa.field(END_FRAME, pa.int64(), nullable=False),
        pa.field(START_S, pa.float64(), nullable=False),
        pa.field(END_S, pa.float64(), nullable=False),
        pa.field(CROP, pa.int8(), nullable=False),
        pa.field(POOLED, pa.fixed_shape_tensor(pa.float16(), (pooled_dim,)), nullable=False),
    ]
    if cuboid_shape is not None:
        fields.append(pa.field(CUBOIDS, pa.fixed_shape_tensor(pa.float16(), cuboid_shape), nullable=False))
    return pa.schema(fields)


def scores_schema(cuboids: int | None) -> pa.Schema:
    """Schema of the scores table: one row a clip.

    Args:
        cuboids: K of ``cuboid_scores``, e.g. 49, or ``None`` to leave the column out.

    Returns:
        Columns ``video_id, clip, start_frame, end_frame, start_s, end_s, score[, cuboid_scores]``; scores are float32
        in [0, 1], those of cuboids a ``FixedShapeTensor`` ``[K]``.
    """
    fields = [
        pa.field(VIDEO_ID, pa.string(), nullable=False),
        pa.field(CLIP, pa.int32(), nullable=False),
        pa.field(START_FRAME, pa.int64(), nullable=False),
        pa.field(END_FRAME, pa.int64(), nullable=False),
        pa.field(START_S, pa.float64(), nullable=False),
        pa.field(END_S, pa.float64(), nullable=False),
        pa.field(SCORE, pa.float32(), nullable=False),
    ]
    if cuboids is not None:
        fields.append(pa.field(CUBOID_SCORES, pa.fixed_shape_tensor(pa.float32(), (cuboids,)), nullable=False))
    return pa.schema(fields)


_BOX = [(corner, pa.float64()) for corner in ("x1", "y1", "x2", "y2")]
_TIME = pa.timestamp("us", tz="UTC")

EVENTS_SCHEMA = pa.schema(
    [
        pa.field(KIND, pa.string(), nullable=False),  # event | scored | not_scored
        pa.field("camera", pa.string(), nullable=False),
        pa.field("day", pa.date32()),  # in UTC; null where no time is known
        pa.field("event_id", pa.string()),  # null of rows that are no event, as are all from score to curve_smooth
        pa.field("start_utc", _TIME),
        pa.field("end_utc", _TIME),
        pa.field("peak_utc", _TIME),
        pa.field(VIDEO_ID, pa.string(), nullable=False),  # of an event: the video of its peak
        pa.field(CONTENT_ID, pa.string(), nullable=False),
        pa.field(URI, pa.string(), nullable=False),
        pa.field(START_S, pa.float64()),  # in that video, as the next five
        pa.field(END_S, pa.float64()),  # null where nobody knows how long a video is that has no scores
        pa.field("peak_s", pa.float64()),
        pa.field(START_FRAME, pa.int64()),
        pa.field(END_FRAME, pa.int64()),
        pa.field("peak_frame", pa.int64()),
        pa.field("clips", pa.int64(), nullable=False),
        pa.field(SCORE, pa.float64()),  # smoothed, at the peak; what high and low are compared with
        pa.field("high", pa.float64()),
        pa.field("low", pa.float64()),
        pa.field("continues", pa.bool_()),  # the rest of a longer event that was cut at a full hour
        *(pa.field(corner, pa.float64()) for corner in ("x1", "y1", "x2", "y2")),  # strongest region at the peak
        pa.field(WIDTH, pa.int32()),  # the pixels that the boxes refer to
        pa.field(HEIGHT, pa.int32()),
        pa.field(BOXES, pa.list_(pa.struct([*_BOX, (SCORE, pa.float64())]))),  # all regions, strongest first
        pa.field(CUBOID_SCORES, pa.list_(pa.float32())),  # of the clip at the peak
        pa.field(
            "parts",  # of every video that the event runs through
            pa.list_(
                pa.struct(
                    [
                        *((name, pa.string()) for name in (VIDEO_ID, CONTENT_ID, URI)),
                        *((name, pa.float64()) for name in (START_S, END_S)),
                        *((name, pa.int64()) for name in (START_FRAME, END_FRAME)),
                    ]
                )
            ),
        ),
        pa.field("curve_s", pa.list_(pa.float64())),  # start of each clip, from the start of the event
        pa.field("curve", pa.list_(pa.float32())),  # its score
        pa.field("curve_smooth", pa.list_(pa.float64())),
        pa.field("checkpoint", pa.string(), nullable=False),
        pa.field("reason", pa.string()),  # why it is not scored
        pa.field(MESSAGE, pa.string()),
        pa.field(NOTES, pa.list_(pa.string())),  # "code: message" of how the video was placed in time
    ]
)
"""One row an event, a span of footage that was scored, or one that was not, of one camera and day."""

INDEX_SCHEMA = pa.schema(
    [
        pa.field(CONTENT_ID, pa.string(), nullable=False),
        pa.field(VIDEO_ID, pa.string(), nullable=False),
        pa.field(INDEX, pa.string()),  # VideoIndex as JSON; null where the video could not be indexed
        pa.field(KIND, pa.string()),  # class of the evidence against the video; null where it could
        pa.field(MESSAGE, pa.string()),
    ]
)
"""Cached results of indexing, one row a video content; a pure function of the content, so duplicates are harmless."""

VIDEOS_SCHEMA = pa.schema(
    [
        pa.field(VIDEO_ID, pa.string(), nullable=False),
        pa.field(URI, pa.string(), nullable=False),
        pa.field(CONTENT_ID, pa.string(), nullable=False),
        pa.field(NUM_FRAMES, pa.int64()),
        pa.field("fps", pa.float64()),
        pa.field("duration_s", pa.float64()),
        pa.field(WIDTH, pa.int32()),
        pa.field(HEIGHT, pa.int32()),
        pa.field("rotation", pa.int16()),
        pa.field("variable_rate", pa.bool_()),
        pa.field("container", pa.string()),
        pa.field("codec", pa.string()),
        pa.field("expected_clips", pa.int64()),  # clips that num_frames implies
        pa.field("clips", pa.int64(), nullable=False),  # clips that are there
        pa.field("status", pa.string(), nullable=False),  # complete | partial | quarantined
        pa.field(KIND, pa.string()),
        pa.field(MESSAGE, pa.string()),
        pa.field(NOTES, pa.list_(pa.string())),  # "code: message": guessed times, streams left out, clocks that jump
    ]
)
"""One row a video of a snapshot: what it is, and how much of it was extracted."""
