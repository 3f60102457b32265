"""Values of metrics with confidence intervals, or the reason why they are undefined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wsvad.metrics.bootstrap import Statistic, draw, interval, resampled
from wsvad.metrics.options import MetricOptions
from wsvad.metrics.ranking import Floats, UndefinedMetric
from wsvad.metrics.results import VideoResult


@dataclass(frozen=True)
class Metric:
    """The value of a metric. ``value`` is None if it is undefined, and ``reason`` states why."""

    value: float | None
    low: float | None = None
    """Lower end of the interval; None if there is no interval, with ``reason`` if there is a value."""
    high: float | None = None
    reason: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    """Numbers of videos, frames etc. that it was computed over."""
    chance: float | None = None
    """Expected value for scores without information, if known."""
    resampled_R: Floats | None = field(default=None, repr=False, compare=False)
    """Values in the resamples of videos, NaN if undefined; None if not kept."""


@dataclass(frozen=True)
class Resamples:
    """The resamples of videos that all metrics of a report share."""

    weights_RV: Floats
    level: float
    keep: bool = False
    """Keep the values of metrics in the resamples."""

    @classmethod
    def of(cls, results: Sequence[VideoResult], options: MetricOptions, *, keep: bool = False) -> Resamples:
        """Draw resamples of videos, stratified by whether they have an anomaly."""
        strata = np.array([int(bool(r.anomalous)) for r in results])
        return cls(draw(strata, options.resamples, options.seed), options.level, keep)

    def metric(
        self,
        point: Callable[[], float],
        statistic: Callable[[], Statistic],
        members: Sequence[int],
        counts: dict[str, int],
        chance: float | None = None,
    ) -> Metric:
        """Compute a metric over some of the videos.

        Args:
            point: returns the exact value; may raise ``UndefinedMetric``.
            statistic: returns the function of the resampled weights ``[R, len(members)]``; called only if needed.
            members: indices of the videos.
            counts: see :class:`Metric`.
            chance: see :class:`Metric`.
        """
        try:
            value = point()
        except UndefinedMetric as error:
            return Metric(None, reason=str(error), counts=counts)
        if not len(self.weights_RV):
            return Metric(value, reason="no interval was requested", counts=counts, chance=chance)
        if len(members) < 2:
            return Metric(value, reason="no interval: only one video", counts=counts, chance=chance)
        values_R = resampled(statistic(), self.weights_RV[:, list(members)])
        found, kept = interval(values_R, self.level), values_R if self.keep else None
        if found is None:
            few = "no interval: undefined in most resamples of so few videos"
            return Metric(value, reason=few, counts=counts, chance=chance, resampled_R=kept)
        reason = f"undefined in {found.undefined} resamples, which were excluded" if found.undefined else None
        return Metric(value, found.low, found.high, reason, counts, chance, kept)


def undefined(reason: str, **counts: int) -> Metric:
    """Return a metric without a value."""
    return Metric(None, reason=reason, counts=counts)


def metric_to_dict(metric: Metric) -> dict[str, Any]:
    """Return the metric as JSON values."""
    spread = None if metric.low is None else [metric.low, metric.high]
    return {
        "value": metric.value,
        "interval": spread,
        "chance": metric.chance,
        "reason": metric.reason,
        "counts": metric.counts,
    }
