"""Event metrics at one operating point: precision, recall and F1 at a temporal IoU, false events, delay.

Axes: R resamples, V videos, I values of the temporal IoU, M true events, E predicted events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wsvad.metrics.bootstrap import Ratio, Statistic
from wsvad.metrics.events import SECONDS, Footage
from wsvad.metrics.intervals import count_false, detects, iou_at_least, max_matching
from wsvad.metrics.ranking import Floats

IOUS = (0.1, 0.3, 0.5)
"""Minimum temporal IoU of a predicted and a true event that may be matched."""


@dataclass(frozen=True)
class PointCounts:
    """Counts of each video at one operating point; counts of several videos are additive."""

    paired_VI: Floats
    """Size of a maximum matching of true and predicted events at each of ``IOUS``."""
    events_V: Floats
    truths_V: Floats
    met_V: Floats
    """True events that any event detects (:func:`wsvad.metrics.intervals.detects`); one event may detect several."""
    false_V: Floats
    """Predicted events that do not overlap any true event."""
    hours_V: Floats
    delays: tuple[Floats, ...]
    """For each video, seconds from the onset of each detected true event to the start of the first detecting event."""

    @classmethod
    def of(cls, footage: Sequence[Footage], events: Sequence[Floats]) -> PointCounts:
        """Count the events ``[E, 2]`` of each video."""
        paired = np.zeros((len(footage), len(IOUS)))
        counts, met, false = (np.zeros(len(footage)) for _ in range(3))
        delays = []
        for video, (known, given) in enumerate(zip(footage, events, strict=True)):
            found = known.clip(given)
            allowed_ME = detects(known.truth_M2, found)
            paired[video] = [max_matching(iou_at_least(known.truth_M2, found, iou)) for iou in IOUS]
            counts[video], met[video] = len(found), allowed_ME.any(axis=1).sum()
            false[video] = count_false(known.truth_M2, found)
            start_ME = np.where(allowed_ME, found[None, :, 0], np.inf)
            first_M = np.min(start_ME, axis=1, initial=np.inf) - known.truth_M2[:, 0]
            delays.append(np.maximum(first_M[np.isfinite(first_M)], 0.0))
        truths = np.array([len(known.truth_M2) for known in footage], dtype=np.float64)
        hours = np.array([known.seconds / SECONDS for known in footage], dtype=np.float64)
        return cls(paired, counts, truths, met, false, hours, tuple(delays))

    def precision(self, index: int) -> Ratio:
        """Return the fraction of predicted events that are matched at ``IOUS[index]``."""
        return Ratio(self.paired_VI[:, index], self.events_V)

    def recall(self, index: int) -> Ratio:
        """Return the fraction of true events that are matched at ``IOUS[index]``."""
        return Ratio(self.paired_VI[:, index], self.truths_V)

    def f1(self, index: int) -> Ratio:
        """Return the harmonic mean of the two; 0 without matches, undefined without true and predicted events."""
        return Ratio(2 * self.paired_VI[:, index], self.events_V + self.truths_V)

    @property
    def missed(self) -> Ratio:
        """Fraction of true events that no event detects."""
        return Ratio(self.truths_V - self.met_V, self.truths_V)

    def median_delay(self) -> Statistic:
        """Return the statistic of the median delay in seconds over detected true events; NaN if there are none."""
        pooled = np.concatenate([*self.delays, np.empty(0)])
        order = np.argsort(pooled, kind="stable")
        video_D = np.repeat(np.arange(len(self.delays)), [len(d) for d in self.delays])[order]
        sorted_D = pooled[order]

        def value(weights_RV: Floats) -> Floats:
            if not sorted_D.size:
                return np.full(len(weights_RV), np.nan)
            reached_RD = np.cumsum(weights_RV[:, video_D], axis=1)
            total_R1 = reached_RD[:, -1:]
            low_R = np.argmax(2 * reached_RD >= total_R1, axis=1)
            high_R = np.argmax(2 * reached_RD > total_R1, axis=1)
            return np.where(total_R1[:, 0] > 0, (sorted_D[low_R] + sorted_D[high_R]) / 2, np.nan)

        return value
