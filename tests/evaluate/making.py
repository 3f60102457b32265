"""Small videos with scores and truth, made in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wsvad.evaluate.gather import Gathered, gather
from wsvad.manifest.records import Box, VideoRecord


@dataclass(frozen=True)
class MadeScores:
    """The scores of one video, as the evaluation wants them."""

    start_frame: np.ndarray
    end_frame: np.ndarray
    score_T: np.ndarray
    cuboid_scores_TK: np.ndarray | None
    num_frames: int
    width: int = 70
    height: int = 70


def scores(values: Any, cuboids: Any = None, num_frames: int | None = None, **more: int) -> MadeScores:
    """Clips of 16 frames, the last one as short as ``num_frames`` makes it."""
    values = np.asarray(values, dtype=np.float32)
    frames = 16 * len(values) if num_frames is None else num_frames
    start = 16 * np.arange(len(values))
    grid = None if cuboids is None else np.asarray(cuboids, dtype=np.float32)
    return MadeScores(start, np.minimum(start + 16, frames), values, grid, frames, **more)


def repeat(made: MadeScores) -> np.ndarray:
    """A score for each frame: that of its clip."""
    return np.repeat(made.score_T, made.end_frame - made.start_frame)


def record(video_id: str, spans: Any = None, boxes: list[Box] | None = None, **more: Any) -> VideoRecord:
    """A record of the test split, 70x70 pixels so that a cell of the grid has 10x10; label 0 makes it normal."""
    fields = {"uri": f"{video_id}.mp4", "split": "test", "width": 70, "height": 70} | more
    return VideoRecord(
        video_id,
        spans=None if spans is None else tuple(spans),
        boxes=None if boxes is None else tuple(boxes),
        **fields,
    )


def gathered(videos: dict[VideoRecord, MadeScores] | list[tuple[VideoRecord, MadeScores]], **more: Any) -> Gathered:
    """Gather records with their scores."""
    pairs = list(videos.items()) if isinstance(videos, dict) else videos
    by_id = {r.video_id: s for r, s in pairs}
    return gather([r for r, _ in pairs], list(by_id), by_id.__getitem__, repeat, {"geometry": "squash"}, **more)


def planted(
    strength: float, videos: int = 12, clips: int = 12, seed: int = 0, shuffled: bool = False
) -> list[tuple[VideoRecord, MadeScores]]:
    """Half the videos hold an anomaly in time and place; its scores exceed the noise by ``strength``."""
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
