"""Small videos with scores and ground truth, in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.scoring.factories import make_scores
from wsvad.evaluation.gather import Gathered, gather
from wsvad.manifest.records import Box, VideoRecord
from wsvad.scores.table import VideoScores


def scores(values: Any, cuboids: Any = None, num_frames: int | None = None, **more: Any) -> VideoScores:
    """Return scores of clips of 16 frames of a 70x70 video; the last clip ends at ``num_frames``."""
    grid = None if cuboids is None else np.asarray(cuboids)
    return make_scores("v", values, grid, num_frames=num_frames, **{"width": 70, "height": 70} | more)


def record(video_id: str, spans: Any = None, boxes: list[Box] | None = None, **more: Any) -> VideoRecord:
    """Return a record of the test split with 70x70 pixels, so that a cell of the grid has 10x10."""
    fields = {"uri": f"{video_id}.mp4", "split": "test", "width": 70, "height": 70} | more
    return VideoRecord(
        video_id,
        spans=None if spans is None else tuple(spans),
        boxes=None if boxes is None else tuple(boxes),
        **fields,
    )


def gathered(videos: dict[VideoRecord, VideoScores] | list[tuple[VideoRecord, VideoScores]], **more: Any) -> Gathered:
    """Gather records with their scores."""
    pairs = list(videos.items()) if isinstance(videos, dict) else videos
    by_id = {r.video_id: s for r, s in pairs}
    return gather([r for r, _ in pairs], list(by_id), by_id.__getitem__, {"geometry": "squash"}, **more)


def planted(
    strength: float, videos: int = 12, clips: int = 12, seed: int = 0, shuffled: bool = False
) -> list[tuple[VideoRecord, VideoScores]]:
    """Return videos, half of which have an anomaly in time and space with scores above the noise by ``strength``."""
    rng = np.random.default_rng(seed)
    made = []
    for n in range(videos):
        cuboids = rng.random((clips, 49)) * 0.5
        first, cell = rng.integers(0, clips - 3), rng.integers(0, 49)
        anomalous = n % 2 == 1
        if anomalous:
            place = rng.integers(0, 49) if shuffled else cell
            when = rng.integers(0, clips - 3) if shuffled else first
            cuboids[when : when + 3, place] += strength * 0.5
        y, x = divmod(int(cell), 7)
        start, end = 16 * int(first), 16 * int(first) + 48
        box = Box(start, end, 10 * x + 1, 10 * y + 1, 10 * x + 9, 10 * y + 9, 1)
        truth = record(f"v{n:02d}", [(start, end)], [box], label=1, category="AB"[n // 2 % 2]) if anomalous else None
        made.append((truth or record(f"v{n:02d}", label=0), scores(cuboids.max(axis=1), cuboids)))
    return made
