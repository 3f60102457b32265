"""Event metrics with confidence intervals, or the reason why they are undefined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wsvad.events.config import EventSettings
from wsvad.events.sweep import Sweep
from wsvad.metrics.bootstrap import Statistic
from wsvad.metrics.event_definitions import AREA_TFA, MISS_TFA, RATES
from wsvad.metrics.events import EventCounts, Footage, score_levels
from wsvad.metrics.footage import footage_of, sweep_of
from wsvad.metrics.metric import Metric, Resamples, undefined
from wsvad.metrics.operating_point import IOUS, PointCounts
from wsvad.metrics.ranking import UndefinedMetric
from wsvad.metrics.results import VideoResult
from wsvad.rates import poisson_interval, rate_bound

NO_TRUTH = "no true events are known: no anomalous video has spans or boxes in the manifest"


@dataclass(frozen=True)
class RateBound:
    """Upper bound of the rate of false events at one threshold."""

    threshold: float | None
    """None if no threshold has so few false events."""
    false_events: int
    hours: float
    per_hour_below: float | None
    """Upper bound at 95 % confidence."""

    def proves(self, per_hour: float) -> bool:
        """Return whether the bound is at most ``per_hour``."""
        return self.per_hour_below is not None and self.per_hour_below <= per_hour


class EventMetrics:
    """Metrics of the events in the scores of videos with known true events."""

    def __init__(self, results: Sequence[VideoResult], settings: EventSettings, resamples: Resamples) -> None:
        """Select the videos and smooth their scores.

        Args:
            results: videos of a split.
            settings: event settings; ``high`` is used only for the ratio of ``low`` to it.
            resamples: resamples of all results.
        """
        found = [(n, r, footage_of(r)) for n, r in enumerate(results)]
        kept = [(n, r, known) for n, r, known in found if known is not None]
        self.members = [n for n, _, _ in kept]
        self.left_out = [r.record.video_id for _, r, known in found if known is None]
        """Ids of videos without known true events or times."""
        self.footage: list[Footage] = [known for _, _, known in kept]
        self.sweeps: list[Sweep] = [sweep_of(r.scores, settings) for _, r, _ in kept]
        self._resamples = resamples
        thresholds = score_levels([sweep.smooth_T for sweep in self.sweeps])
        self.counts = EventCounts.of(self.footage, lambda video, high: self.sweeps[video].at(high), thresholds)

    @property
    def hours(self) -> float:
        """Hours of footage."""
        return float(self.counts.hours_V.sum())

    @property
    def true_events(self) -> int:
        """Number of true events; those that overlap or touch count as one."""
        return int(self.counts.truths_V.sum())

    def over_thresholds(self) -> dict[str, Metric]:
        """Return the metrics that need no operating point."""
        found = {f"event_recall@{rate:g}/hour": self._metric(self.counts.recall_at(rate)) for rate in RATES}
        no_time = "no time without a true event"
        found[f"p_miss@{MISS_TFA}tfa"] = self._metric(self.counts.miss_at(MISS_TFA), no_time)
        found[f"nAUDC@{AREA_TFA}tfa"] = self._metric(self.counts.missed_area(AREA_TFA), no_time)
        return found

    def bounds(self) -> Mapping[str, RateBound]:
        """Return the upper bound of the false event rate for each metric of recall at a rate."""
        ones = np.ones((1, len(self.members)))
        found = {}
        for rate in RATES:
            level = int(self.counts.level_at(ones, rate)[0])
            false = int(self.counts.false_VL[:, level].sum()) if level >= 0 else 0
            threshold = float(self.counts.thresholds_L[level]) if level >= 0 else None
            bound = RateBound(threshold, false, self.hours, rate_bound(false, self.hours))
            found[f"event_recall@{rate:g}/hour"] = bound
        return found

    def at(self, high: float) -> dict[str, Metric]:
        """Return the metrics at one operating point."""
        counts = PointCounts.of(self.footage, [sweep.at(high) for sweep in self.sweeps])
        found = {"false_events_per_hour": self._rate(counts)}
        for index, iou in enumerate(IOUS):
            found[f"event_precision@{iou:g}iou"] = self._metric(counts.precision(index).value, "no event is predicted")
            found[f"event_recall@{iou:g}iou"] = self._metric(counts.recall(index).value)
            found[f"event_f1@{iou:g}iou"] = self._metric(counts.f1(index).value)
        found["delay_s"] = self._metric(counts.median_delay(), "no true event is detected")
        found["never_detected"] = self._metric(counts.missed.value)
        predicted = {"predicted_events": int(counts.events_V.sum()), "false_events": int(counts.false_V.sum())}
        return {name: _with_counts(metric, predicted) for name, metric in found.items()}

    def _rate(self, counts: PointCounts) -> Metric:
        """Return the false event rate with a Poisson interval, because the bootstrap is too narrow for few events."""
        if not self.hours > 0:
            return undefined("there is no footage", **self._sizes)
        false = int(counts.false_V.sum())
        low, high = poisson_interval(false, self._resamples.level)
        return Metric(false / self.hours, low / self.hours, high / self.hours, counts=self._sizes)

    @property
    def _sizes(self) -> dict[str, int]:
        return {"videos": len(self.members), "true_events": self.true_events}

    def _metric(self, statistic: Statistic, otherwise: str = NO_TRUTH) -> Metric:
        """Return the value over all videos with its bootstrap interval."""
        if not self.true_events:
            return undefined(NO_TRUTH, **self._sizes)

        def point() -> float:
            value = float(statistic(np.ones((1, len(self.members))))[0])
            if np.isnan(value):
                raise UndefinedMetric(otherwise)
            return value

        return self._resamples.metric(point, lambda: statistic, self.members, self._sizes)


def _with_counts(metric: Metric, more: dict[str, int]) -> Metric:
    return Metric(metric.value, metric.low, metric.high, metric.reason, metric.counts | more, metric.chance)
