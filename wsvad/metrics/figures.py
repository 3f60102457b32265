"""Every figure of a report, with its interval, or the reason why it has no value."""

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
    """A figure. ``value`` is None where it is undefined, and ``reason`` says why."""

    value: float | None
    low: float | None = None
    """End of the interval; None: no interval, and ``reason`` says why where there is a value."""
    high: float | None = None
    reason: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    """What it was computed over."""
    chance: float | None = None
    """Value that scores without any information would reach, where that is known."""
    resampled_R: Floats | None = field(default=None, repr=False, compare=False)
    """Its value in each resample of the videos, NaN where it is undefined; None: not kept."""


@dataclass(frozen=True)
class Draws:
    """The resamples that all metrics of a report share."""

    weights_RV: Floats
    level: float
    keep: bool = False
    """Whether metrics keep their values in the resamples."""

    @classmethod
    def of(cls, results: Sequence[VideoResult], options: MetricOptions, *, keep: bool = False) -> Draws:
        """Draw the videos, those with and without an anomaly apart."""
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
        """Make a metric of some of the videos.

        Args:
            point: its exact value; may raise ``UndefinedMetric``.
            statistic: makes the function of the resampled weights ``[R, len(members)]``; called only where needed.
            members: positions of the videos.
            counts: see :class:`Metric`.
            chance: see :class:`Metric`.
        """
        try:
            value = point()
        except UndefinedMetric as error:
            return Metric(None, reason=str(error), counts=counts)
        if not len(self.weights_RV):
            return Metric(value, reason="no interval was asked for", counts=counts, chance=chance)
        if len(members) < 2:
            return Metric(value, reason="no interval: one video only", counts=counts, chance=chance)
        values_R = resampled(statistic(), self.weights_RV[:, list(members)])
        found, kept = interval(values_R, self.level), values_R if self.keep else None
        if found is None:
            few = "no interval: undefined in most resamples of so few videos"
            return Metric(value, reason=few, counts=counts, chance=chance, resampled_R=kept)
        reason = f"undefined in {found.undefined} resamples, which were left out" if found.undefined else None
        return Metric(value, found.low, found.high, reason, counts, chance, kept)


def undefined(reason: str, **counts: int) -> Metric:
    """A metric without a value."""
    return Metric(None, reason=reason, counts=counts)


def plain(metric: Metric) -> dict[str, Any]:
    """The metric as JSON values."""
    spread = None if metric.low is None else [metric.low, metric.high]
    return {
        "value": metric.value,
        "interval": spread,
        "chance": metric.chance,
        "reason": metric.reason,
        "counts": metric.counts,
    }
