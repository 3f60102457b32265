"""Builds the rows of a unit from the scores of its videos.

Axes: T clips of one camera in chronological order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from wsvad.errors import UsageError
from wsvad.events.boxes import Bools, Region, masked_cells, regions, unmasked_scores
from wsvad.events.config import CUT_S, EventsConfig
from wsvad.events.coverage import coverage_rows
from wsvad.events.smoothing import Floats, smooth
from wsvad.events.sources import Source
from wsvad.events.spans import Span, find_events
from wsvad.events.units import EventUnit
from wsvad.scores.grid import cells, view_of
from wsvad.scores.table import VideoScores

Load = Callable[[str], VideoScores]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def make_rows(unit: EventUnit, config: EventsConfig, load: Load) -> list[dict[str, Any]]:
    """Return the rows of ``EVENTS_SCHEMA`` of one unit: events, scored spans, and spans that were not scored.

    Args:
        unit: the camera and day.
        config: configuration of the data set.
        load: returns the scores of a video id.

    Raises:
        UsageError: masks cover a whole frame, scores are out of range, or a video is much longer than its recorded
            duration.
        StorageError, DamagedError: scores cannot be read.
    """
    scored = {s.video_id: load(s.video_id) for s in unit.sources if s.sha256}
    for source in unit.sources:
        _check_length(source, scored.get(source.video_id))
    series = series_of(unit, config, scored)
    found = find_events(series.times_T2, series.scores_T, unit.settings)
    smooth_T = smooth(series.times_T2[:, 0], series.scores_T, unit.settings.smooth_s)
    common = {
        "camera": unit.camera.name,
        "day": unit.day,
        "checkpoint": config.checkpoint,
    }
    rows = [
        common | _event(unit, config, series, span, smooth_T)
        for span in found
        if unit.begin_s <= span.start_s < unit.end_s
    ]
    return rows + [common | row for row in coverage_rows(unit, config, scored)]


def _check_length(source: Source, scores: VideoScores | None) -> None:
    """Check the duration that planning relied on: one that is wrong by hours would lose events of other days."""
    if scores is None or source.start_utc_us is None:
        return
    end_s = float(scores.end_s.max())
    if end_s > source.end_s - source.begin_s + CUT_S / 2:
        raise UsageError(
            f"{source.video_id!r:.120} has scores up to {end_s:.0f} s, but its recorded duration is "
            f"{source.duration_s} s; extract and score it again"
        )


@dataclass(frozen=True)
class ScoredVideo:
    """One scored video of a unit."""

    source: Source
    scores: VideoScores
    cells_K4: Floats | None
    """Position of its cuboids, in pixels; ``None`` if it has no cuboids or their position is unknown."""
    masked_K: Bools | None

    @property
    def score_T(self) -> npt.NDArray[np.float32]:
        """Scores of its clips, without masked cuboids."""
        cuboids = self.scores.cuboid_scores_TK
        return (
            self.scores.score_T if cuboids is None or self.masked_K is None else unmasked_scores(cuboids, self.masked_K)
        )


@dataclass(frozen=True)
class Series:
    """All clips of a unit's videos, in chronological order."""

    videos: list[ScoredVideo]
    video_T: npt.NDArray[np.int64]
    """Index of each clip's video in ``videos``."""
    clip_T: npt.NDArray[np.int64]
    """Index of each clip in its video's scores."""
    times_T2: Floats
    """Start and end of each clip: seconds since 1970, or offsets from the video's start."""
    scores_T: Floats


def series_of(unit: EventUnit, config: EventsConfig, scored: Mapping[str, VideoScores]) -> Series:
    """Merge the clips of all videos of a unit in chronological order, without masked cuboids.

    Args:
        unit: the camera and day; clips of neighbouring days near midnight are included.
        config: configuration of the data set.
        scored: scores of the unit's videos, by id.

    Raises:
        UsageError: masks cover a whole frame, or the frame size of a masked video is unknown.
    """
    videos = [_video(s, scored[s.video_id], unit, config) for s in unit.sources if s.video_id in scored]
    if not videos:
        none = np.zeros(0, np.int64)
        return Series([], none, none, np.zeros((0, 2)), np.zeros(0))
    starts = [v.source.begin_s + v.scores.start_s for v in videos]
    ends = [v.source.begin_s + np.maximum(v.scores.end_s, v.scores.start_s) for v in videos]
    values = [v.score_T for v in videos]
    start_T = np.concatenate(starts)
    order_T = np.argsort(start_T, kind="stable")
    video_T = np.repeat(np.arange(len(videos)), [len(v) for v in values])
    clip_T = np.concatenate([np.arange(len(v)) for v in values])
    times_T2 = np.stack((start_T, np.concatenate(ends)), axis=1)
    scores_T = np.concatenate(values).astype(np.float64)
    return Series(videos, video_T[order_T], clip_T[order_T], times_T2[order_T], scores_T[order_T])


def _video(source: Source, scores: VideoScores, unit: EventUnit, config: EventsConfig) -> ScoredVideo:
    cuboids = scores.cuboid_scores_TK
    width, height = scores.width, scores.height
    view = view_of(config.features, width, height) if width and height and cuboids is not None else None
    if view is None or cuboids is None or not width or not height:
        if unit.camera.masks and cuboids is not None and view_of(config.features, 1, 1) is not None:
            raise UsageError(f"{source.video_id!r:.120} has an unknown frame size, so it cannot be masked")
        return ScoredVideo(source, scores, None, None)
    cells_K4 = cells(view, cuboids.shape[1])
    masked_K = masked_cells(unit.camera.masks, cells_K4, width, height) if unit.camera.masks else None
    if masked_K is not None and masked_K.all():
        raise UsageError(f"the masks of camera {unit.camera.name!r:.80} cover all of {source.video_id!r:.120}")
    return ScoredVideo(source, scores, cells_K4, masked_K)


def _event(unit: EventUnit, config: EventsConfig, series: Series, span: Span, smooth_T: Floats) -> dict[str, Any]:
    inside = slice(span.first, span.last)
    parts = list(_parts(series, span))
    video = series.videos[series.video_T[span.peak]]
    peak = int(series.clip_T[span.peak])
    (part,) = (p for p in parts if p["video_id"] == video.source.video_id)
    scores, cuboids = video.scores, video.scores.cuboid_scores_TK
    peak_s = (float(scores.start_s[peak]) + float(scores.end_s[peak])) / 2
    boxes: list[Region] = []
    if cuboids is not None and video.cells_K4 is not None:
        boxes = regions(cuboids[peak], video.cells_K4, unit.settings.low_level, video.masked_K)
    return {
        "kind": "event",
        "event_id": _event_id(unit, parts[0]),
        "start_utc": _utc(unit, span.start_s),
        "end_utc": _utc(unit, span.end_s),
        "peak_utc": _utc(unit, video.source.begin_s + peak_s),
        **part,
        "peak_s": peak_s,
        "peak_frame": (int(scores.start_frame[peak]) + int(scores.end_frame[peak]) - 1) // 2,
        "clips": span.last - span.first,
        "score": span.score,
        "high": unit.settings.high,
        "low": unit.settings.low_level,
        "continues": span.continues,
        **(dict(zip(("x1", "y1", "x2", "y2"), boxes[0], strict=False)) if boxes else {}),
        "width": scores.width,
        "height": scores.height,
        "boxes": [box._asdict() for box in boxes] if boxes else None,
        "cuboid_scores": None if cuboids is None else cuboids[peak].tolist(),
        "parts": parts,
        "curve_s": (series.times_T2[inside, 0] - span.start_s).tolist(),
        "curve": series.scores_T[inside].tolist(),
        "curve_smooth": smooth_T[inside].tolist(),
        "notes": list(video.source.notes) or None,
    }


def _parts(series: Series, span: Span) -> Iterator[dict[str, Any]]:
    """Yield the part of an event in each of its videos, in chronological order."""
    inside = np.arange(span.first, span.last)
    videos, firsts = np.unique(series.video_T[inside], return_index=True)
    for number in videos[np.argsort(firsts)]:
        video = series.videos[number]
        clips = series.clip_T[inside[series.video_T[inside] == number]]
        scores, begin_s = video.scores, video.source.begin_s
        start_s = float(scores.start_s[clips].min())
        yield {
            "video_id": video.source.video_id,
            "content_id": video.source.content_id,
            "uri": video.source.uri,
            "start_s": start_s,
            "end_s": max(start_s, min(float(scores.end_s[clips].max()), span.end_s - begin_s)),
            "start_frame": int(scores.start_frame[clips].min()),
            "end_frame": int(scores.end_frame[clips].max()),
        }


def _event_id(unit: EventUnit, part: Mapping[str, Any]) -> str:
    """Return 16 hex digits: a digest of the camera, and of the content and frame at which the event starts."""
    text = f"{unit.camera.name}\0{part['content_id']}\0{part['start_frame']}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _utc(unit: EventUnit, seconds: float) -> datetime | None:
    return _EPOCH + timedelta(microseconds=round(seconds * 1e6)) if unit.day else None
