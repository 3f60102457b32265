"""Conversion of videos and their ground truth from frames to seconds, with the presentation timestamps of clips."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from wsvad.events.config import EventSettings
from wsvad.events.sweep import Sweep
from wsvad.metrics.events import Footage
from wsvad.metrics.ranking import Floats
from wsvad.metrics.results import VideoResult
from wsvad.scores.table import VideoScores

Clock = Callable[[npt.ArrayLike], Floats]
"""Maps frames to seconds; frame 0 starts at 0, and ``num_frames`` is the end of the video."""


def clock_of(scores: VideoScores) -> Clock | None:
    """Return the clock of a video: linear between the ends of its clips, extrapolated at their mean frame rate.

    None if its clips have no duration, or their times are not finite.
    """
    bounds = np.concatenate((scores.start_frame, scores.end_frame))
    frames, index = np.unique(bounds, return_index=True)
    stamps = np.concatenate((scores.start_s, scores.end_s)).astype(np.float64)
    times = stamps[index]
    if not np.isfinite(stamps).all() or not times[-1] > times[0]:
        return None
    times = np.maximum.accumulate(times)
    frame_s = (times[-1] - times[0]) / (frames[-1] - frames[0])
    known = np.concatenate(([0], frames, [max(scores.num_frames, frames[-1])]))
    at = np.concatenate(
        ([times[0] - frame_s * frames[0]], times, [times[-1] + frame_s * max(scores.num_frames - frames[-1], 0)])
    )
    return lambda wanted: np.asarray(np.interp(np.asarray(wanted, np.float64), known, at) - at[0])


def footage_of(result: VideoResult) -> Footage | None:
    """Return the footage of a video; None if its true events or its times are unknown."""
    clock = clock_of(result.scores)
    if clock is None or (result.anomalous and not result.true_spans):
        return None
    spans = np.asarray(result.true_spans or (), dtype=np.float64).reshape(-1, 2)
    return Footage.of(clock(spans), float(clock(result.scores.num_frames)))


def seconds_of(scores: VideoScores) -> float | None:
    """Return the duration of a video; None if its times are unknown."""
    clock = clock_of(scores)
    return None if clock is None else float(clock(scores.num_frames))


def sweep_of(scores: VideoScores, settings: EventSettings) -> Sweep:
    """Return a video's clips for events at many thresholds. :func:`clock_of` must not be None."""
    clock = clock_of(scores)
    assert clock is not None, "a video without times has no events"
    begin = scores.start_s[0] - float(clock(scores.start_frame[0]))
    start_T = np.maximum.accumulate(np.asarray(scores.start_s, np.float64)) - begin
    end_T = np.maximum(np.asarray(scores.end_s, np.float64) - begin, start_T)
    return Sweep(np.stack((start_T, end_T), axis=1), scores.score_T, settings)
