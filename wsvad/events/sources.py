"""The videos of each camera, placed in time, as known from a scores data set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from wsvad.cameras.config import Camera, Cameras
from wsvad.cameras.placing import MAX_DURATION_S, RecordedVideo, cameras_of, place_all
from wsvad.scores.reading import ScoreSet

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Source:
    """One video of a camera, scored or not. Every field enters the digest of the units that contain the video."""

    video_id: str
    content_id: str
    uri: str
    sha256: str
    """SHA-256 of the object with its scores; empty if it has none."""
    start_utc_us: int | None
    """Microseconds since 1970; ``None`` if the recording time is unknown."""
    duration_s: float | None
    num_frames: int | None
    width: int | None
    height: int | None
    status: str
    kind: str | None
    message: str | None
    notes: tuple[str, ...]
    """Notes of the rules that assigned its camera and time."""

    @property
    def begin_s(self) -> float:
        """Start in seconds since 1970; 0 if the recording time is unknown."""
        return (self.start_utc_us or 0) / 1e6

    @property
    def end_s(self) -> float:
        """End in seconds since 1970; equal to the start if the duration is unknown."""
        return self.begin_s + min(max(self.duration_s or 0.0, 0.0), MAX_DURATION_S)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return vars(self) | {"notes": list(self.notes)}


def read_sources(scores: ScoreSet, cameras: Cameras) -> tuple[dict[str, list[Source]], dict[str, Camera]]:
    """Return the videos of each camera, sorted by start, and the settings of each camera.

    Videos without scores are included, so that coverage can report them as not scored.

    Raises:
        UsageError: patterns contradict each other, see ``cameras_of``.
        StorageError: the duration is not in the tables, and the scores of the video cannot be read.
    """
    recorded = [RecordedVideo(i, str(row["uri"]), _duration_s(scores, row)) for i, row in scores.videos.items()]
    placed = place_all(recorded, cameras)
    by_camera: dict[str, list[Source]] = defaultdict(list)
    for video, row in zip(recorded, scores.videos.values(), strict=True):
        placement = placed[video.video_id]
        scored = scores.units.get(video.video_id)
        by_camera[placement.camera].append(
            Source(
                video.video_id,
                str(row["content_id"]),
                video.uri,
                scored.sha256 if scored else "",
                None if placement.start_utc is None else (placement.start_utc - _EPOCH) // timedelta(microseconds=1),
                video.duration_s,
                row["num_frames"],
                row["width"],
                row["height"],
                str(row["status"]),
                row["kind"],
                row["message"],
                placement.notes,
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
