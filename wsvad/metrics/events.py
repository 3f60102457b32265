"""Event metrics over a falling threshold: recall at an acceptable number of false events.

Definitions follow NIST's ActEV, protocol SDL V2 (``actev_sdl_v2`` of github.com/usnistgov/ActEV_Scorer at b8d82c09;
evaluation plan of the ActEV Sequestered Data Leaderboard, 30 July 2021), for a single class, the anomaly:

* A predicted event detects a true one if it covers 1 s of it, or half of a shorter one
  (:func:`wsvad.metrics.intervals.detects`). Each event detects at most one.
* ``p_miss``: fraction of the true events that are not detected.
* ``tfa``, time-based false alarm: the time in which more events are predicted than are true, over the time without a
  true event. It may exceed 1 if predicted events overlap.
* ``p_miss@x tfa``: ``p_miss`` where the falling threshold reaches a ``tfa`` of x, linear between two thresholds,
  constant after the last one, and 1 if the first one is beyond.
* ``nAUDC@x tfa``: area under ``p_miss`` over ``tfa`` from 0 to x, divided by x: trapezoids from (0, 1), constant after
  the last threshold.

Differences and additions. A *false event* does not overlap any true event. ActEV's false alarm rate also counts a
second event on one true event, which a reviewer does not consider false. True events that overlap or touch are merged,
because they cannot be distinguished. ActEV varies the confidence of a fixed list of events; here events may differ
between thresholds, because with hysteresis the ends of an event depend on the threshold. For a fixed list ``p_miss``
and ``tfa`` are the same.

Axes: R resamples, V videos, L thresholds (descending), M true events, E predicted events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wsvad.metrics.bootstrap import Statistic
from wsvad.metrics.intervals import as_intervals, count_false, detects, max_matching, merge_intervals, surplus_s
from wsvad.metrics.ranking import Floats

SECONDS = 3600.0
MAX_LEVELS = 300

EventsAt = Callable[[int, float], Floats]
"""Maps the index of a video and a threshold to the events at that threshold, ``[E, 2]`` in seconds."""


@dataclass(frozen=True)
class Footage:
    """The duration and the true events of one video."""

    truth_M2: Floats
    """True events in seconds: sorted, disjoint, within the footage."""
    seconds: float

    @classmethod
    def of(cls, truth: Sequence[tuple[float, float]] | npt.ArrayLike, seconds: float) -> Footage:
        """Clip true events to the footage, and merge those that overlap or touch.

        Raises:
            UsageError: the events are not valid intervals.
        """
        return cls(merge_intervals(np.clip(as_intervals(truth), 0.0, seconds)), float(seconds))

    @property
    def normal_s(self) -> float:
        """Seconds without a true event."""
        return float(self.seconds - np.sum(np.diff(self.truth_M2, axis=1)))

    def clip(self, events_E2: Floats) -> Floats:
        """Clip events to the footage, and drop those outside of it."""
        clipped = np.clip(events_E2, 0.0, self.seconds)
        return clipped[clipped[:, 0] < clipped[:, 1]]


@dataclass(frozen=True)
class EventCounts:
    """Counts of each video at each threshold; counts of several videos are additive."""

    thresholds_L: Floats
    hits_VL: Floats
    """Detected true events, at most one per predicted event."""
    false_VL: Floats
    """Predicted events that do not overlap any true event."""
    surplus_s_VL: Floats
    """Seconds of false alarm."""
    truths_V: Floats
    hours_V: Floats
    """Hours of footage."""
    normal_s_V: Floats
    """Seconds without a true event."""

    @classmethod
    def of(cls, footage: Sequence[Footage], events_at: EventsAt, thresholds_L: Floats) -> EventCounts:
        """Count the events that ``events_at`` returns for each video at each threshold; thresholds descend."""
        shape = (len(footage), len(thresholds_L))
        hits, false, surplus = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for video, known in enumerate(footage):
            before: Floats | None = None
            for level, threshold in enumerate(thresholds_L):
                events = known.clip(events_at(video, float(threshold)))
                if before is not None and np.array_equal(events, before):
                    hits[video, level], false[video, level] = hits[video, level - 1], false[video, level - 1]
                    surplus[video, level] = surplus[video, level - 1]
                    continue
                hits[video, level] = max_matching(detects(known.truth_M2, events))
                false[video, level] = count_false(known.truth_M2, events)
                surplus[video, level] = surplus_s(known.truth_M2, events)
                before = events
        return cls(
            np.asarray(thresholds_L, dtype=np.float64),
            hits,
            false,
            surplus,
            np.array([len(known.truth_M2) for known in footage], dtype=np.float64),
            np.array([known.seconds / SECONDS for known in footage], dtype=np.float64),
            np.array([known.normal_s for known in footage], dtype=np.float64),
        )

    def level_at(self, weights_RV: Floats, per_hour: float) -> npt.NDArray[np.int64]:
        """Return the index ``[R]`` of the last threshold down to which the rate of false events stays within a limit.

        -1 if the highest threshold exceeds it. At low thresholds events merge and there may be few false events again,
        but that is not an operating point, because it is not reached by lowering the threshold step by step.
        """
        hours_R = weights_RV @ self.hours_V
        within_RL = weights_RV @ self.false_VL <= per_hour * hours_R[:, None] * (1 + 1e-12)
        found: npt.NDArray[np.int64] = np.cumprod(within_RL, axis=1).sum(axis=1) - 1
        return found

    def recall_at(self, per_hour: float) -> Statistic:
        """Return the statistic of recall at that threshold; NaN without a true event."""

        def value(weights_RV: Floats) -> Floats:
            found_R = _picked(weights_RV @ self.hits_VL, self.level_at(weights_RV, per_hour))
            return _over(found_R, weights_RV @ self.truths_V)

        return value

    def miss_at(self, tfa: float) -> Statistic:
        """Return the statistic ``p_miss@{tfa}tfa``; NaN without a true event, or without time that has none."""
        return lambda weights_RV: np.array([_interpolated(*curve, tfa) for curve in self._curves(weights_RV)])

    def missed_area(self, tfa: float) -> Statistic:
        """Return the statistic ``nAUDC@{tfa}tfa``; NaN as for :meth:`miss_at`."""
        return lambda weights_RV: np.array([_area(*curve, tfa) / tfa for curve in self._curves(weights_RV)])

    def curve(self) -> tuple[Floats, Floats]:
        """Return ``tfa`` and ``p_miss`` of all videos at each threshold."""
        return self._curves(np.ones((1, len(self.truths_V))))[0]

    def _curves(self, weights_RV: Floats) -> list[tuple[Floats, Floats]]:
        """Return ``tfa [L]`` and ``p_miss [L]`` of each resample; ``tfa`` is made monotonic, as ActEV's is."""
        truths_R1, normal_R1 = (weights_RV @ self.truths_V)[:, None], (weights_RV @ self.normal_s_V)[:, None]
        tfa_RL = _over(weights_RV @ self.surplus_s_VL, np.broadcast_to(normal_R1, (len(weights_RV), self._levels)))
        missed_RL = 1 - _over(weights_RV @ self.hits_VL, np.broadcast_to(truths_R1, tfa_RL.shape))
        return list(zip(np.maximum.accumulate(tfa_RL, axis=1), missed_RL, strict=True))

    @property
    def _levels(self) -> int:
        return len(self.thresholds_L)


def score_levels(scores: Sequence[npt.NDArray[np.floating]], most: int = MAX_LEVELS) -> Floats:
    """Return the distinct scores, descending; at most ``most``, more densely among the highest scores.

    An acceptable number of false events is reached among the highest scores, so most thresholds must be there.
    """
    pooled = np.concatenate([np.unique(s) for s in scores] or [np.empty(0)])
    distinct: Floats = np.asarray(np.unique(pooled)[::-1], dtype=np.float64)
    if distinct.size > most:
        return np.asarray(distinct[np.unique(np.geomspace(1, distinct.size, most).round().astype(int)) - 1])
    return distinct


def _picked(values_RL: Floats, level_R: npt.NDArray[np.int64]) -> Floats:
    """Return the value at a level, 0 if the level is -1."""
    padded = np.concatenate((np.zeros((len(values_RL), 1)), values_RL), axis=1)
    picked: Floats = np.take_along_axis(padded, level_R[:, None] + 1, axis=1)[:, 0]
    return picked


def _over(numerator: Floats, denominator: Floats) -> Floats:
    ratio: Floats = np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)
    return ratio


def _interpolated(tfa_L: Floats, missed_L: Floats, wanted: float) -> float:
    """Return the missed fraction at a time-based false alarm; the last of several thresholds that reach it."""
    beyond = int(np.searchsorted(tfa_L, wanted + 1e-10, side="right"))
    if np.isnan(tfa_L).any() or np.isnan(missed_L).any():
        return float("nan")
    if beyond == 0:
        return 1.0
    x, y = tfa_L[beyond - 1], missed_L[beyond - 1]
    if beyond == len(tfa_L) or abs(x - wanted) < 1e-10:
        return float(y)
    return float(y + (missed_L[beyond] - y) * (wanted - x) / (tfa_L[beyond] - x))


def _area(tfa_L: Floats, missed_L: Floats, end: float) -> float:
    """Return the area under the missed fraction from 0 to ``end``."""
    if np.isnan(tfa_L).any() or np.isnan(missed_L).any():
        return float("nan")
    x, y = np.concatenate(([0.0], tfa_L)), np.concatenate(([1.0], missed_L))
    inside = x <= end
    x_in, y_in = x[inside], y[inside]
    if inside.all():
        last = y[-1]
    else:
        after = int(np.argmin(inside))
        slope = (y[after] - y_in[-1]) / (x[after] - x_in[-1])
        last = y_in[-1] + slope * (end - x_in[-1])
    x_all, y_all = np.append(x_in, end), np.append(y_in, last)
    return float(np.sum(np.diff(x_all) * (y_all[1:] + y_all[:-1]) / 2))
