"""Small scores data sets of cameras, written as the scoring job writes them."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

from tests.scoring.factories import CONFIG, write_scores
from wsvad.dataset.publish import publish
from wsvad.manifest.ids import content_id
from wsvad.scores.table import VideoScores
from wsvad.storage import open_store

CLIP_S = 0.64
"""Duration of a clip: 16 frames at 25 frames per second."""
CAMERAS = """
[[camera]]
pattern = "{camera}/{year}{month}{day}T{hour}{minute}{second}.mp4"
time_zone = "UTC"
"""


def video(count: int, *hot: tuple[int, int], score: float = 0.9, cells: tuple[int, ...] = (8, 9, 15)) -> Any:
    """Return scores and cuboids of a video whose clips in the ranges ``hot`` have a high score at the given cuboids."""
    cuboids = np.full((count, 49), 0.1, np.float32)
    for first, last in hot:
        cuboids[first:last, list(cells)] = score
    return cuboids.max(axis=1), cuboids


def site(folder: Any, **more: Any) -> tuple[str, str]:
    """Write two cameras that record over midnight and a video without a time; return ``(scores, cameras)``."""
    scores = write_scores(
        folder / "scores",
        {
            "gate/20260601T235000.mp4": video(938, (900, 938)),  # 600.32 s, on to the next file
            "gate/20260602T000000.mp4": video(938, (0, 20), (300, 330)),
            "gate/20260602T120000.mp4": video(938),
            "yard/20260602T120000.mp4": video(938, (10, 40)),
            "loose/x.mp4": video(100, (10, 40)),
        }
        | more,
    )
    (folder / "cameras.toml").write_text(CAMERAS)
    return scores, str(folder / "cameras.toml")


def add_unscored(scores: str, rows: dict[str, dict[str, Any]]) -> None:
    """Publish videos without scores, which extraction could not decode."""
    empty = dict.fromkeys(("num_frames", "fps", "duration_s", "width", "height", "expected_clips"))
    publish(
        open_store(scores),
        CONFIG.fingerprint,
        CONFIG.to_dict(),
        [],
        [
            {"video_id": i, "uri": f"file:///videos/{i}", "content_id": content_id(i, "0"), "clips": 0}
            | {"status": "quarantined", "kind": "no_video_stream", "message": "there is no picture in it"}
            | empty
            | row
            for i, row in rows.items()
        ],
        replaced_videos=frozenset(rows),
        run_id="test",
        created_utc="2026-01-01T00:00:00+00:00",
    )


class Footage(NamedTuple):
    """One video of a camera, in memory."""

    start_s: float
    scores: VideoScores


def video_scores(video_id: str, clip: Any, score_T: Any, step_s: float, cuboids: Any = None) -> VideoScores:
    """Return scores of clips of 16 frames that last ``step_s``; indices absent from ``clip`` are missing clips."""
    clip = np.asarray(clip, np.int32)
    start = clip.astype(np.int64) * 16
    frames = int(start[-1]) + 16 if len(clip) else 0
    times = clip * step_s
    return VideoScores(
        video_id,
        clip,
        start,
        start + 16,
        times,
        times + step_s,
        np.asarray(score_T, np.float32),
        cuboids,
        frames,
        70,
        70,
    )


def digest(text: str) -> str:
    """Return the SHA-256 of a text as an arbitrary digest."""
    return hashlib.sha256(text.encode()).hexdigest()
