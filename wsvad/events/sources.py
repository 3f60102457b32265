"""The videos that events are looked for in: what the scores know of them, placed in time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from wsvad.cameras.config import Camera, Cameras
from wsvad.cameras.placing import LONGEST_S, Recorded, cameras_of, place_all
from wsvad.scores.reading import ScoreSet

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Source:
    """One video of a camera, scored or not. All of it decides the rows, and so the name, of the units it is in."""

    video_id: str
    content_id: str
    uri: str
    sha256: str
    """Of the object with its scores; empty where it has none."""
    start_utc_us: int | None
    """Microseconds since 1970; ``None`` where no time is known."""
    duration_s: float | None
    num_frames: int | None
    width: int | None
    height: int | None
    status: str
    kind: str | None
    message: str | None
    notes: tuple[str, ...]
    """How it was placed."""

    @property
    def begin_s(self) -> float:
        """Seconds since 1970 at which it starts; 0 where no time is known."""
        return (self.start_utc_us or 0) / 1e6

    @property
    def end_s(self) -> float:
        """Seconds since 1970 at which it ends, as far as is known."""
        return self.begin_s + min(max(self.duration_s or 0.0, 0.0), LONGEST_S)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return vars(self) | {"notes": list(self.notes)}


def read_sources(scores: ScoreSet, cameras: Cameras) -> tuple[dict[str, list[Source]], dict[str, Camera]]:
    """Return the videos of each camera, in the order of their starts, and what holds for each camera.

    Videos without scores are among them: what was not scored is known to be missing.

    Raises:
        UsageError: patterns contradict each other, see ``cameras_of``.
        StorageError: scores of a video whose length no table says cannot be read.
    """
    recorded = [Recorded(i, str(row["uri"]), _duration_s(scores, row)) for i, row in scores.videos.items()]
    placed = place_all(recorded, cameras)
    by_camera: dict[str, list[Source]] = defaultdict(list)
    for video, row in zip(recorded, scores.videos.values(), strict=True):
        there = placed[video.video_id]
        scored = scores.units.get(video.video_id)
        by_camera[there.camera].append(
            Source(
                video.video_id,
                str(row["content_id"]),
                video.uri,
                scored.sha256 if scored else "",
                None if there.start_utc is None else (there.start_utc - _EPOCH) // timedelta(microseconds=1),
                video.duration_s,
                row["num_frames"],
                row["width"],
                row["height"],
                str(row["status"]),
                row["kind"],
                row["message"],
                there.notes,
            )
        )
    for sources in by_camera.values():
        sources.sort(key=lambda s: (s.begin_s, s.video_id))
    return dict(sorted(by_camera.items())), cameras_of(placed)


def _duration_s(scores: ScoreSet, row: Mapping[str, Any]) -> float | None:
    if row["duration_s"] is not None:
        return float(row["duration_s"])
    if row["num_frames"] and row["fps"]:
        return float(row["num_frames"] / row["fps"])
    return float(scores.load(row["video_id"]).end_s.max()) if row["video_id"] in scores.units else None
