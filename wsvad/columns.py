"""Column names and Arrow schemas of all stored tables.

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

# Metadata keys of the Parquet schema (as text; Arrow stores bytes).
META_FINGERPRINT = "wsvad.fingerprint"
META_FEATURES = "wsvad.features"
META_SCORES = "wsvad.scores"
META_EVENTS = "wsvad.events"
META_UNIT = "wsvad.unit"


MANIFEST_SCHEMA = pa.schema(
    [
        pa.field(VIDEO_ID, pa.string(), nullable=False),
        pa.field(URI, pa.string(), nullable=False),
        pa.field(LABEL, pa.int8()),  # 0 normal, 1 anomalous, null unknown
        pa.field(SPLIT, pa.string()),  # train | val | test
        pa.field(CATEGORY, pa.string()),
        pa.field(NUM_FRAMES, pa.int64()),
        pa.field(WIDTH, pa.int32()),  # the pixels that the boxes refer to
        pa.field(HEIGHT, pa.int32()),
        pa.field(SPANS, pa.list_(pa.struct([(START_FRAME, pa.int64()), (END_FRAME, pa.int64())]))),  # null: unknown
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
"""One row per video of a data set: its URI and annotations. CSV manifests have the same columns as text."""


def features_schema(pooled_dim: int, cuboid_shape: tuple[int, int] | None) -> pa.Schema:
    """Return the schema of the features table, which has one row per clip and crop.

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
    """Return the schema of the scores table, which has one row per clip.

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
        pa.field("day", pa.date32()),  # in UTC; null if the time is unknown
        pa.field("event_id", pa.string()),  # null in rows that are not events, like score to curve_smooth
        pa.field("start_utc", _TIME),
        pa.field("end_utc", _TIME),
        pa.field("peak_utc", _TIME),
        pa.field(VIDEO_ID, pa.string(), nullable=False),  # in events: the video with the peak
        pa.field(CONTENT_ID, pa.string(), nullable=False),
        pa.field(URI, pa.string(), nullable=False),
        pa.field(START_S, pa.float64()),  # relative to that video, like the next five columns
        pa.field(END_S, pa.float64()),  # null if the duration of a video without scores is unknown
        pa.field("peak_s", pa.float64()),
        pa.field(START_FRAME, pa.int64()),
        pa.field(END_FRAME, pa.int64()),
        pa.field("peak_frame", pa.int64()),
        pa.field("clips", pa.int64(), nullable=False),
        pa.field(SCORE, pa.float64()),  # smoothed score at the peak, compared with high and low
        pa.field("high", pa.float64()),
        pa.field("low", pa.float64()),
        pa.field("continues", pa.bool_()),  # continuation of a longer event that was split at a full hour
        *(pa.field(corner, pa.float64()) for corner in ("x1", "y1", "x2", "y2")),  # strongest region at the peak
        pa.field(WIDTH, pa.int32()),  # the pixels that the boxes refer to
        pa.field(HEIGHT, pa.int32()),
        pa.field(BOXES, pa.list_(pa.struct([*_BOX, (SCORE, pa.float64())]))),  # all regions, strongest first
        pa.field(CUBOID_SCORES, pa.list_(pa.float32())),  # of the clip at the peak
        pa.field(
            "parts",  # one for each video that the event extends over
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
        pa.field("curve", pa.list_(pa.float32())),  # score of each clip
        pa.field("curve_smooth", pa.list_(pa.float64())),
        pa.field("checkpoint", pa.string(), nullable=False),
        pa.field("reason", pa.string()),  # why the footage is not scored
        pa.field(MESSAGE, pa.string()),
        pa.field(NOTES, pa.list_(pa.string())),  # "code: message" on how the video's time was determined
    ]
)
"""One row per event, scored span of footage or unscored span of footage, for one camera and day."""

INDEX_SCHEMA = pa.schema(
    [
        pa.field(CONTENT_ID, pa.string(), nullable=False),
        pa.field(VIDEO_ID, pa.string(), nullable=False),
        pa.field(INDEX, pa.string()),  # VideoIndex as JSON; null where the video could not be indexed
        pa.field(KIND, pa.string()),  # class of the failure; null if the video could be indexed
        pa.field(MESSAGE, pa.string()),
    ]
)
"""Cached video indexes, one row per video content; a pure function of the content, so duplicates are harmless."""

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
        pa.field("expected_clips", pa.int64()),  # number of clips according to num_frames
        pa.field("clips", pa.int64(), nullable=False),  # number of stored clips
        pa.field("status", pa.string(), nullable=False),  # complete | partial | quarantined
        pa.field(KIND, pa.string()),
        pa.field(MESSAGE, pa.string()),
        pa.field(NOTES, pa.list_(pa.string())),  # "code: message": estimated times, ignored streams, timestamp jumps
    ]
)
"""One row per video of a snapshot: its properties, and how much of it was extracted."""

OBJECTS = "objects"

LISTS_SCHEMA = VIDEOS_SCHEMA.append(
    pa.field(
        OBJECTS,
        pa.list_(
            pa.struct(
                [
                    pa.field("key", pa.string(), nullable=False),
                    pa.field(CONTENT_ID, pa.string(), nullable=False),  # content of the video when the object was made
                    pa.field("first_clip", pa.int64(), nullable=False),
                    pa.field("last_clip", pa.int64(), nullable=False),  # end of the range, exclusive
                    pa.field("clips", pa.int64(), nullable=False),  # fewer than the range if frames were missing
                    pa.field("rows", pa.int64(), nullable=False),
                    pa.field("bytes", pa.int64(), nullable=False),
                    pa.field("sha256", pa.string(), nullable=False),
                ]
            )
        ),
        nullable=False,
    )
)
"""A list of a snapshot: one row per video, ordered by id, with the objects that hold its clips, ordered by clip."""
