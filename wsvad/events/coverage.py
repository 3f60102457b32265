"""Coverage of a camera's footage: which parts were scored, so that unscored footage is not mistaken for uneventful."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from wsvad.clips import ClipSpec
from wsvad.events.config import EventsConfig
from wsvad.events.sources import Source
from wsvad.events.units import EventUnit
from wsvad.scores.table import VideoScores

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
GAP_REASON = "not_decoded"
"""``reason`` of a gap within a video that has scores."""


def coverage_rows(unit: EventUnit, config: EventsConfig, scored: Mapping[str, VideoScores]) -> list[dict[str, Any]]:
    """Return the ``scored`` rows of a unit and then its ``not_scored`` rows, each sorted by time.

    A clip belongs to the day in which it starts, as an event does; a gap is split at midnight.
    """
    scored_rows, missing_rows = [], []
    for source in unit.sources:
        scores = scored.get(source.video_id)
        if scores is None:
            missing_rows += list(_unscored_video(unit, source))
            continue
        scored_rows += list(_runs(unit, source, scores))
        for start_s, end_s, frames in _gaps(scores, source, config):
            missing_rows += list(_not_scored(unit, source, start_s, end_s, frames, GAP_REASON))
    return sorted(scored_rows, key=_by_time) + sorted(missing_rows, key=_by_time)


def _by_time(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (row["start_utc"] or _EPOCH, row["video_id"], row["start_s"])


def _runs(unit: EventUnit, source: Source, scores: VideoScores) -> Iterator[dict[str, Any]]:
    """Yield one row for each run of adjacent clips that start within the day."""
    start_T = source.begin_s + scores.start_s
    inside = np.flatnonzero((start_T >= unit.begin_s) & (start_T < unit.end_s))
    if not len(inside):
        return
    breaks = np.flatnonzero((np.diff(inside) > 1) | (np.diff(scores.clip[inside]) > 1)) + 1
    for run in np.split(inside, breaks):
        start_s, end_s = float(scores.start_s[run].min()), float(scores.end_s[run].max())
        frames = int(scores.start_frame[run[0]]), int(scores.end_frame[run[-1]])
        yield _row(unit, source, "scored", start_s, max(start_s, end_s), frames) | {"clips": len(run)}


def _gaps(scores: VideoScores, source: Source, config: EventsConfig) -> Iterator[tuple[float, float, tuple[int, int]]]:
    """Yield ``(start_s, end_s, frames)`` of each part of a video without clips."""
    if scores.clip[0] > 0:
        yield 0.0, float(scores.start_s[0]), (0, int(scores.start_frame[0]))
    for before in np.flatnonzero(np.diff(scores.clip) > 1):
        start_s, end_s = float(scores.end_s[before]), float(scores.start_s[before + 1])
        yield start_s, end_s, (int(scores.end_frame[before]), int(scores.start_frame[before + 1]))
    spec = config.features.get("clips")
    clips = 0
    if isinstance(spec, dict) and "length" in spec:  # segment features have no clips
        clips = ClipSpec(**spec).count(scores.num_frames)
    end_s, end_frame = float(scores.end_s[-1]), int(scores.end_frame[-1])
    if clips > scores.clip[-1] + 1 and end_frame < scores.num_frames:
        yield end_s, max(end_s, source.duration_s or end_s), (end_frame, scores.num_frames)


def _unscored_video(unit: EventUnit, source: Source) -> Iterator[dict[str, Any]]:
    """Yield the row of a video without any scores."""
    frames = None if source.num_frames is None else (0, source.num_frames)
    yield from _not_scored(unit, source, 0.0, source.duration_s, frames, source.kind or source.status)


def _not_scored(
    unit: EventUnit,
    source: Source,
    start_s: float,
    end_s: float | None,
    frames: tuple[int, int] | None,
    reason: str,
) -> Iterator[dict[str, Any]]:
    """Yield the part of a span that lies within the day; frames are given only if the whole span does."""
    first, last = unit.begin_s - source.begin_s, unit.end_s - source.begin_s
    if end_s is None or end_s <= start_s:  # of unknown length: assigned to the day in which it starts
        cut = (start_s, end_s) if first <= start_s < last else None
    else:
        inside = (max(start_s, first), min(end_s, last))
        cut = inside if inside[0] < inside[1] else None
    if cut:
        row = _row(unit, source, "not_scored", *cut, frames if cut == (start_s, end_s) else None)
        yield row | {"clips": 0, "reason": reason, "message": source.message}


def _row(
    unit: EventUnit, source: Source, kind: str, start_s: float, end_s: float | None, frames: tuple[int, int] | None
) -> dict[str, Any]:
    return {
        "kind": kind,
        "start_utc": _utc(unit, source, start_s),
        "end_utc": None if end_s is None else _utc(unit, source, end_s),
        "video_id": source.video_id,
        "content_id": source.content_id,
        "uri": source.uri,
        "start_s": start_s,
        "end_s": end_s,
        "start_frame": frames[0] if frames else None,
        "end_frame": frames[1] if frames else None,
        "width": source.width,
        "height": source.height,
        "notes": list(source.notes) or None,
    }


def _utc(unit: EventUnit, source: Source, offset_s: float) -> datetime | None:
    return _EPOCH + timedelta(microseconds=round((source.begin_s + offset_s) * 1e6)) if unit.day else None
