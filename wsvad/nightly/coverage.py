"""Coverage of the archive per camera: distinguishes footage without scores from footage without events."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from wsvad.manifest.listing import Listing

COUNTS = ("listed", "scored", "short", "failed", "waiting", "gone", "purged")
"""Fields of ``CameraCoverage`` that count videos."""
PROBLEMS = 20
"""Maximum number of videos that a summary lists individually."""


@dataclass(frozen=True)
class CameraCoverage:
    """Coverage of one camera's footage."""

    camera: str
    listed: int
    """Videos in the archive."""
    scored: int
    """Videos with a score for every clip that could be decoded."""
    short: int
    """Scored videos with missing clips; a subset of ``scored``."""
    failed: int
    """Videos without scores because of the video itself: damaged, no video stream, or the decoder hangs."""
    waiting: int
    """Videos without scores because a store, a node or this machine failed; the next run retries them."""
    gone: int
    """Videos with scores that are no longer in the archive."""
    purged: int
    """Videos in the archive that were purged and are skipped."""
    footage_s: float
    """Duration of the videos with scores, including videos that are no longer in the archive."""
    missing_s: float
    """Duration of the missing clips, and of failed videos if it is known."""
    unknown_length: int = 0
    """Videos without scores whose duration is unknown, so that ``missing_s`` does not include them; 0 in reports of
    earlier versions."""


@dataclass(frozen=True)
class Unscored:
    """A video of the archive that is not completely scored."""

    video_id: str
    camera: str
    state: str
    """``short``, ``failed`` or ``waiting``."""
    kind: str
    message: str


@dataclass(frozen=True)
class Coverage:
    """Coverage of the whole archive."""

    cameras: tuple[CameraCoverage, ...]
    unscored: tuple[Unscored, ...]
    """Every video that is not completely scored."""

    def total(self, name: str) -> float:
        """Return the sum of a field over all cameras."""
        return float(sum(getattr(camera, name) for camera in self.cameras))

    def to_dict(self) -> dict[str, Any]:
        """Return the coverage as JSON values."""
        return {"cameras": [asdict(c) for c in self.cameras], "unscored": [asdict(u) for u in self.unscored]}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Coverage:
        """Return the coverage from the values of :meth:`to_dict`."""
        cameras = tuple(CameraCoverage(**values) for values in plain["cameras"])
        return cls(cameras, tuple(Unscored(**values) for values in plain["unscored"]))


def compute_coverage(
    listing: Listing,
    videos: Mapping[str, Mapping[str, Any]],
    scores: Mapping[str, Mapping[str, Any]],
    camera_of: Callable[[str], str],
    purged: Iterable[str] = (),
) -> Coverage:
    """Compare the listed videos with the scored videos.

    Args:
        listing: the archive as currently listed.
        videos: rows of the videos table of the features, by video id.
        scores: rows of the videos table of the scores, by video id.
        camera_of: maps a video id to its camera.
        purged: ids of listed videos that are skipped because they were purged.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    lengths: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    unscored: list[Unscored] = []
    unreachable = {lost.video_id: lost.message for lost in listing.unreachable}
    listed = {video.video_id: video.content_id for video in listing.videos}
    scored = {video_id for video_id, row in scores.items() if row["clips"]}
    for video_id in sorted({*listed, *unreachable, *scored}):
        camera, row = camera_of(video_id), videos.get(video_id, {})
        seconds = float(row.get("duration_s") or 0.0)
        current = listed.get(video_id)
        if current is None and video_id not in unreachable:
            counts[camera]["gone"] += 1
            lengths[camera]["footage_s"] += seconds
            continue
        counts[camera]["listed"] += 1
        state, kind, message = _state(current, row, scores.get(video_id, {}), unreachable.get(video_id))
        if video_id in scored:
            counts[camera]["scored"] += state in ("whole", "short")
            lengths[camera]["footage_s"] += seconds
        if state == "whole":
            continue
        counts[camera][state] += 1
        unscored.append(Unscored(video_id, camera, state, kind, message))
        share = _missing(row) / max(1, int(row.get("expected_clips") or 0)) if state == "short" else 1.0
        lengths[camera]["missing_s"] += seconds * share
        counts[camera]["unknown_length"] += not seconds
    for video_id in purged:
        counts[camera_of(video_id)]["purged"] += 1
    cameras = tuple(
        CameraCoverage(
            camera,
            **{name: counts[camera][name] for name in COUNTS},
            footage_s=round(lengths[camera]["footage_s"], 3),
            missing_s=round(lengths[camera]["missing_s"], 3),
            unknown_length=counts[camera]["unknown_length"],
        )
        for camera in sorted(counts)
    )
    return Coverage(cameras, tuple(unscored))


def _state(
    content_id: str | None, features: Mapping[str, Any], scores: Mapping[str, Any], unreachable: str | None
) -> tuple[str, str, str]:
    """Return the state of a listed video, with the kind and message of its problem."""
    if unreachable is not None:
        return "waiting", "StorageError", unreachable
    for row, verb in ((features, "extracted"), (scores, "scored")):
        kind, message = str(row.get("kind") or ""), str(row.get("message") or "")
        if row and row["status"] == "quarantined":
            return "failed", kind, message
        if not row or row["content_id"] != content_id or row["status"] == "incomplete":
            return "waiting", kind or "new", message or f"not {verb} yet"
        if not row["clips"]:
            return "failed", kind or "no_clips", message or "no clip could be decoded"
    missing = _missing(features)
    if missing:
        return "short", str(features["kind"] or "missing_clips"), f"{missing} of {features['expected_clips']} clips"
    return "whole", "", ""


def _missing(row: Mapping[str, Any]) -> int:
    return max(0, int(row["expected_clips"] or 0) - int(row["clips"]))
