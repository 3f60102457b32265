"""Figures of events at one operating point: precision, recall and F1 at a temporal IoU, false events, delay.

Axes: R resamples, V videos, I values of the temporal IoU, M true events, E predicted events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wsvad.metrics.bootstrap import Ratio, Statistic
from wsvad.metrics.events import SECONDS, Footage
from wsvad.metrics.intervals import agrees, meets, most_pairs, outside
from wsvad.metrics.ranking import Floats

IOUS = (0.1, 0.3, 0.5)
"""Least intersection over union in time from which on a predicted and a true event may be paired."""


@dataclass(frozen=True)
class PointCounts:
    """What one operating point finds in each video; counts of several videos add up."""

    paired_VI: Floats
    """Pairs of a true and a predicted event at each of ``IOUS``: a largest one-to-one matching."""
    events_V: Floats
    truths_V: Floats
    met_V: Floats
    """True events that any event detects (:func:`wsvad.metrics.intervals.meets`); one event may detect several."""
    false_V: Floats
    """Predicted events that share no time with a true one."""
    hours_V: Floats
    delays: tuple[Floats, ...]
    """Of each video: seconds from the onset of each detected true event to the start of the first event that does."""

    @classmethod
    def of(cls, footage: Sequence[Footage], events: Sequence[Floats]) -> PointCounts:
        """Count the events ``[E, 2]`` of each video."""
        paired = np.zeros((len(footage), len(IOUS)))
        counts, met, false = (np.zeros(len(footage)) for _ in range(3))
        delays = []
        for video, (known, given) in enumerate(zip(footage, events, strict=True)):
            found = known.cut(given)
            allowed_ME = meets(known.truth_M2, found)
            paired[video] = [most_pairs(agrees(known.truth_M2, found, iou)) for iou in IOUS]
            counts[video], met[video] = len(found), allowed_ME.any(axis=1).sum()
            false[video] = outside(known.truth_M2, found)
            start_ME = np.where(allowed_ME, found[None, :, 0], np.inf)
            first_M = np.min(start_ME, axis=1, initial=np.inf) - known.truth_M2[:, 0]
            delays.append(np.maximum(first_M[np.isfinite(first_M)], 0.0))
        truths = np.array([len(known.truth_M2) for known in footage], dtype=np.float64)
        hours = np.array([known.seconds / SECONDS for known in footage], dtype=np.float64)
        return cls(paired, counts, truths, met, false, hours, tuple(delays))

    def precision(self, place: int) -> Ratio:
        """Share of the predicted events that are paired at ``IOUS[place]``."""
        return Ratio(self.paired_VI[:, place], self.events_V)

    def recall(self, place: int) -> Ratio:
        """Share of the true events that are paired."""
        return Ratio(self.paired_VI[:, place], self.truths_V)

    def f1(self, place: int) -> Ratio:
        """Harmonic mean of the two; 0 where nothing is paired, without a value where nothing is true or predicted."""
        return Ratio(2 * self.paired_VI[:, place], self.events_V + self.truths_V)

    @property
    def missed(self) -> Ratio:
        """Share of the true events that no event detects."""
        return Ratio(self.truths_V - self.met_V, self.truths_V)

    def median_delay(self) -> Statistic:
        """Median delay in seconds over the true events that are detected; NaN where none is."""
        every = np.concatenate([*self.delays, np.empty(0)])
        order = np.argsort(every, kind="stable")
        video_D = np.repeat(np.arange(len(self.delays)), [len(d) for d in self.delays])[order]
        sorted_D = every[order]

        def value(weights_RV: Floats) -> Floats:
            if not sorted_D.size:
                return np.full(len(weights_RV), np.nan)
            reached_RD = np.cumsum(weights_RV[:, video_D], axis=1)
            total_R1 = reached_RD[:, -1:]
            low_R = np.argmax(2 * reached_RD >= total_R1, axis=1)
            high_R = np.argmax(2 * reached_RD > total_R1, axis=1)
            return np.where(total_R1[:, 0] > 0, (sorted_D[low_R] + sorted_D[high_R]) / 2, np.nan)

        return value
