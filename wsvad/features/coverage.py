"""Find videos of a data set with many missing clips or with doubtful times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from wsvad.columns import NOTES
from wsvad.errors import UsageError
from wsvad.manifest.listing import VIDEO_EXTENSIONS, Skipped
from wsvad.video import DOUBTS


def check_min_coverage(percent: float) -> None:
    """Raise UsageError if the value is not a percentage."""
    if not 0 <= percent <= 100:
        raise UsageError(f"--min-coverage must be from 0 to 100 percent, got {percent:g}")


def shortcomings(videos: Iterable[Mapping[str, Any]], min_coverage: float) -> list[dict[str, str]]:
    """Return the problems of extracted videos, as rows ``video_id, uri, outcome, kind, message``.

    Args:
        videos: Rows of the lists.
        min_coverage: Minimum percentage of a video's clips. Videos without any clip are quarantined, and those with
            unfinished units are incomplete: both are counted separately, not here.
    """
    found = []
    for video in videos:
        if video["status"] not in ("complete", "partial"):
            continue
        clips, expected = video["clips"], video["expected_clips"] or 0
        if 100 * clips < min_coverage * expected:
            message = f"{clips} of {expected} clips were extracted, less than {min_coverage:g} %"
            found.append(_row(video, "short", "coverage", message))
        for note in video.get(NOTES) or ():
            code, _, message = note.partition(": ")
            if code in DOUBTS:
                found.append(_row(video, "doubtful", code, message))
    return found


def _row(video: Mapping[str, Any], outcome: str, kind: str, message: str) -> dict[str, str]:
    return {
        "video_id": video["video_id"],
        "uri": video["uri"],
        "outcome": outcome,
        "kind": kind,
        "message": message,
    }


def skipped_videos(skipped: Iterable[Skipped]) -> list[dict[str, str]]:
    """Return files with a video's file name that are not videos, as rows like those of ``shortcomings``.

    Files named ``._name`` are ignored: macOS writes them to foreign disks, and they hold no footage.
    """
    return [
        {"video_id": "", "uri": s.uri, "outcome": "skipped", "kind": "skipped", "message": s.reason}
        for s in skipped
        if PurePosixPath(s.uri).suffix.lower() in VIDEO_EXTENSIONS and not PurePosixPath(s.uri).name.startswith("._")
    ]
