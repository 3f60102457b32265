"""Figures of events over a falling threshold: what is found at a bearable number of false events.

The definitions of NIST's ActEV, protocol SDL V2 (``actev_sdl_v2`` of github.com/usnistgov/ActEV_Scorer at b8d82c09;
evaluation plan of the ActEV Sequestered Data Leaderboard, 30 July 2021), for one class, the anomaly:

* A predicted event detects a true one if it covers 1 s of it, or half of one that is shorter
  (:func:`wsvad.metrics.intervals.meets`). Each event detects at most one.
* ``p_miss``: share of the true events that are not detected.
* ``tfa``, time-based false alarm: the time in which more events are predicted than are true, over the time without a
  true event. It is not bounded by 1 where predicted events overlap.
* ``p_miss@x tfa``: ``p_miss`` where the falling threshold reaches a ``tfa`` of x, linear between two thresholds, level
  after the last one, and 1 if the first one is beyond.
* ``nAUDC@x tfa``: area under ``p_miss`` over ``tfa`` from 0 to x, divided by x: trapezoids from (0, 1) on, level after
  the last threshold.

What differs or is added. A *false event* shares no time with any true one; ActEV's rate of false alarms also counts a
second event on one true event, which for whoever looks at the events is no false one. True events that overlap or touch
are one, because nothing tells them apart. ActEV sweeps the confidence of a fixed list of events; here each threshold
may have events of its own, because with hysteresis the ends of an event depend on the threshold. For a fixed list
``p_miss`` and ``tfa`` are the same.

Axes: R resamples, V videos, L thresholds (descending), M true events, E predicted events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wsvad.metrics.bootstrap import Statistic
from wsvad.metrics.intervals import as_intervals, joined, meets, most_pairs, outside, surplus_s
from wsvad.metrics.ranking import Floats

SECONDS = 3600.0
MAX_LEVELS = 300

Form = Callable[[int, float], Floats]
"""From the position of a video and a threshold to the events ``[E, 2]`` there, in seconds."""


@dataclass(frozen=True)
class Footage:
    """One video whose true events are known."""

    truth_M2: Floats
    """True events in seconds: sorted, disjoint, within the footage."""
    seconds: float

    @classmethod
    def of(cls, truth: Sequence[tuple[float, float]] | npt.ArrayLike, seconds: float) -> Footage:
        """Cut true events to the footage, and join those that overlap or touch.

        Raises:
            UsageError: not intervals.
        """
        return cls(joined(np.clip(as_intervals(truth), 0.0, seconds)), float(seconds))

    @property
    def normal_s(self) -> float:
        """Seconds without a true event."""
        return float(self.seconds - np.sum(np.diff(self.truth_M2, axis=1)))

    def cut(self, events_E2: Floats) -> Floats:
        """Return events within the footage; those that lie outside of it vanish."""
        within = np.clip(events_E2, 0.0, self.seconds)
        return within[within[:, 0] < within[:, 1]]


@dataclass(frozen=True)
class EventCounts:
    """What each threshold finds in each video; counts of several videos add up."""

    thresholds_L: Floats
    hits_VL: Floats
    """True events that are detected, one event each."""
    false_VL: Floats
    """Predicted events that share no time with a true one."""
    surplus_s_VL: Floats
    """Seconds of false alarm."""
    truths_V: Floats
    hours_V: Floats
    """Of footage."""
    normal_s_V: Floats
    """Seconds without a true event."""

    @classmethod
    def of(cls, footage: Sequence[Footage], form: Form, thresholds_L: Floats) -> EventCounts:
        """Count the events that ``form`` gives for each video at each of the thresholds, which descend."""
        shape = (len(footage), len(thresholds_L))
        hits, false, surplus = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for video, known in enumerate(footage):
            before: Floats | None = None
            for level, threshold in enumerate(thresholds_L):
                events = known.cut(form(video, float(threshold)))
                if before is not None and np.array_equal(events, before):
                    hits[video, level], false[video, level] = hits[video, level - 1], false[video, level - 1]
                    surplus[video, level] = surplus[video, level - 1]
                    continue
                hits[video, level] = most_pairs(meets(known.truth_M2, events))
                false[video, level] = outside(known.truth_M2, events)
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
        """Return the last threshold ``[R]``, from the highest on, down to which false events stay within a rate.

        -1: the highest one has more. Where events merge at low thresholds, and false events become few again, that is
        no operating point: nobody reaches it by lowering a threshold step by step.
        """
        hours_R = weights_RV @ self.hours_V
        within_RL = weights_RV @ self.false_VL <= per_hour * hours_R[:, None] * (1 + 1e-12)
        found: npt.NDArray[np.int64] = np.cumprod(within_RL, axis=1).sum(axis=1) - 1
        return found

    def recall_at(self, per_hour: float) -> Statistic:
        """Share of the true events that are detected there; NaN without a true event."""

        def value(weights_RV: Floats) -> Floats:
            found_R = _picked(weights_RV @ self.hits_VL, self.level_at(weights_RV, per_hour))
            return _over(found_R, weights_RV @ self.truths_V)

        return value

    def miss_at(self, share: float) -> Statistic:
        """``p_miss@{share}tfa``; NaN without a true event, or without time that has none."""
        return lambda weights_RV: np.array([_interpolated(*curve, share) for curve in self._curves(weights_RV)])

    def missed_area(self, share: float) -> Statistic:
        """``nAUDC@{share}tfa``; NaN as above."""
        return lambda weights_RV: np.array([_area(*curve, share) / share for curve in self._curves(weights_RV)])

    def curve(self) -> tuple[Floats, Floats]:
        """``tfa`` and ``p_miss`` of all videos at each threshold."""
        return self._curves(np.ones((1, len(self.truths_V))))[0]

    def _curves(self, weights_RV: Floats) -> list[tuple[Floats, Floats]]:
        """``tfa [L]`` and ``p_miss [L]`` of each resample; ``tfa`` never falls, as scores ask for events in turn."""
        truths_R1, normal_R1 = (weights_RV @ self.truths_V)[:, None], (weights_RV @ self.normal_s_V)[:, None]
        share_RL = _over(weights_RV @ self.surplus_s_VL, np.broadcast_to(normal_R1, (len(weights_RV), self._levels)))
        missed_RL = 1 - _over(weights_RV @ self.hits_VL, np.broadcast_to(truths_R1, share_RL.shape))
        return list(zip(np.maximum.accumulate(share_RL, axis=1), missed_RL, strict=True))

    @property
    def _levels(self) -> int:
        return len(self.thresholds_L)


def levels(scores: Sequence[npt.NDArray[np.floating]], most: int = MAX_LEVELS) -> Floats:
    """Return the distinct scores, descending; of many, up to ``most``, close together among the highest.

    A bearable number of false events is reached among the highest scores, so that most thresholds must lie there.
    """
    every = np.concatenate([np.unique(s) for s in scores] or [np.empty(0)])
    distinct: Floats = np.asarray(np.unique(every)[::-1], dtype=np.float64)
    if distinct.size > most:
        return np.asarray(distinct[np.unique(np.geomspace(1, distinct.size, most).round().astype(int)) - 1])
    return distinct


def _picked(values_RL: Floats, level_R: npt.NDArray[np.int64]) -> Floats:
    """The value at a level, 0 where the level is -1."""
    padded = np.concatenate((np.zeros((len(values_RL), 1)), values_RL), axis=1)
    picked: Floats = np.take_along_axis(padded, level_R[:, None] + 1, axis=1)[:, 0]
    return picked


def _over(numerator: Floats, denominator: Floats) -> Floats:
    ratio: Floats = np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)
    return ratio


def _interpolated(share_L: Floats, missed_L: Floats, wanted: float) -> float:
    """Missed share at a false alarm share; the last of several thresholds that reach just that."""
    beyond = int(np.searchsorted(share_L, wanted + 1e-10, side="right"))
    if np.isnan(share_L).any() or np.isnan(missed_L).any():
        return float("nan")
    if beyond == 0:
        return 1.0
    x, y = share_L[beyond - 1], missed_L[beyond - 1]
    if beyond == len(share_L) or abs(x - wanted) < 1e-10:
        return float(y)
    return float(y + (missed_L[beyond] - y) * (wanted - x) / (share_L[beyond] - x))


def _area(share_L: Floats, missed_L: Floats, end: float) -> float:
    """Area under the missed share from 0 to ``end``."""
    if np.isnan(share_L).any() or np.isnan(missed_L).any():
        return float("nan")
    x, y = np.concatenate(([0.0], share_L)), np.concatenate(([1.0], missed_L))
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
