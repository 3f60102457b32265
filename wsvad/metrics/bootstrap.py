"""Bootstrap confidence intervals over videos. Videos are resampled because frames of one video are not independent.

Every metric here is a function of ``weights_RV``: how often each of V videos is drawn in each of R resamples. Counts
per video are computed once, so a resample is a matrix product instead of another pass over millions of frames. For the
same reason areas are computed here, not with scikit-learn in each resample. Point values come from
``wsvad.metrics.ranking``, and the tests compare every resample with scikit-learn.

Axes: R resamples, V videos, B distinct scores (or bins of them).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wsvad.metrics.ranking import Floats

Statistic = Callable[[Floats], Floats]
"""Maps ``weights_RV`` to the metric's value in each resample; NaN if it is undefined in that resample."""

CHUNK = 100
MAX_BINS = 2048


@dataclass(frozen=True)
class Interval:
    """A percentile bootstrap interval (Efron & Tibshirani 1993, chapter 13)."""

    low: float
    high: float
    undefined: int
    """Number of resamples in which the metric is undefined; they are excluded."""


def draw(strata_V: npt.ArrayLike, resamples: int, seed: int) -> Floats:
    """Draw videos with replacement, stratified so that no class is missing from a resample.

    Args:
        strata_V: stratum of each video, e.g. its label.
        resamples: R, at least 1.
        seed: random seed.

    Returns:
        ``weights_RV``: how often each video occurs in each resample; each row sums to V.
    """
    strata = np.asarray(strata_V)
    rng = np.random.default_rng(seed)
    weights = np.zeros((resamples, strata.size))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        weights[:, members] = rng.multinomial(members.size, np.full(members.size, 1 / members.size), size=resamples)
    return weights


def resampled(statistic: Statistic, weights_RV: Floats) -> Floats:
    """Return the value of a statistic in each resample, ``[R]``, NaN if it is undefined."""
    chunks = [statistic(weights_RV[start : start + CHUNK]) for start in range(0, len(weights_RV), CHUNK)]
    return np.concatenate(chunks) if chunks else np.empty(0)


def interval(values: Floats, level: float = 0.95) -> Interval | None:
    """Return the central ``level`` interval of resampled values, or None if fewer than half of them are defined."""
    defined = values[np.isfinite(values)]
    if not defined.size or defined.size * 2 < values.size:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), int(values.size - defined.size))


@dataclass(frozen=True)
class ScoreCounts:
    """Number of anomalous and normal items of each video at each distinct score, from the highest to the lowest.

    With more than ``MAX_BINS`` distinct scores, scores are binned by quantile. Resampled values then differ from exact
    ones by less than the error of the interval. Point values are never computed from bins.
    """

    thresholds_B: Floats
    anomalous_VB: Floats
    normal_VB: Floats

    @classmethod
    def of(
        cls, truth: Sequence[npt.NDArray[np.bool_]], scores: Sequence[npt.NDArray[np.floating]], bins: int = MAX_BINS
    ) -> ScoreCounts:
        """Count the items of V videos, each given as a vector of ground truth and one of scores."""
        distinct = np.unique(np.concatenate([np.unique(s) for s in scores] or [np.empty(0)]))
        if distinct.size > bins:
            pooled = np.concatenate(scores)
            distinct = np.unique(np.quantile(pooled, np.linspace(0, 1, bins), method="lower"))
        anomalous = np.zeros((len(scores), distinct.size))
        normal = np.zeros_like(anomalous)
        for video, (t, s) in enumerate(zip(truth, scores, strict=True)):
            index = distinct.size - np.searchsorted(distinct, s, side="right")
            anomalous[video] = np.bincount(index[t], minlength=distinct.size)
            normal[video] = np.bincount(index[~t], minlength=distinct.size)
        return cls(distinct[::-1], anomalous, normal)

    def auc(self, weights_RV: Floats) -> Floats:
        """Return the area under the ROC curve in each resample."""
        anomalous_RB, normal_RB = weights_RV @ self.anomalous_VB, weights_RV @ self.normal_VB
        above_RB = np.cumsum(anomalous_RB, axis=1) - anomalous_RB / 2
        pairs_R = anomalous_RB.sum(axis=1) * normal_RB.sum(axis=1)
        return _divide((normal_RB * above_RB).sum(axis=1), pairs_R)

    def ap(self, weights_RV: Floats) -> Floats:
        """Return the average precision in each resample."""
        anomalous_RB, normal_RB = weights_RV @ self.anomalous_VB, weights_RV @ self.normal_VB
        hits_RB = np.cumsum(anomalous_RB, axis=1)
        flagged_RB = hits_RB + np.cumsum(normal_RB, axis=1)
        precision_RB = np.divide(hits_RB, flagged_RB, out=np.zeros_like(hits_RB), where=flagged_RB > 0)
        return _divide((anomalous_RB * precision_RB).sum(axis=1), hits_RB[:, -1])

    def threshold_at(self, weights_RV: Floats, rate: float) -> Floats:
        """Return the lowest distinct score with a false alarm rate of at most ``rate``, else one above all scores."""
        index_R, normal_R = self._lowest_threshold(weights_RV, rate)
        above = np.nextafter(self.thresholds_B[:1], np.inf)
        found_R = np.concatenate((above, self.thresholds_B))[index_R + 1]
        return np.where(normal_R > 0, found_R, np.nan)

    def _lowest_threshold(self, weights_RV: Floats, rate: float) -> tuple[npt.NDArray[np.int64], Floats]:
        """Return the index of the lowest threshold within the rate (-1: none) and the number of normal items."""
        alarms_RB = np.cumsum(weights_RV @ self.normal_VB, axis=1)
        within_RB = alarms_RB / np.maximum(alarms_RB[:, -1:], 1) <= rate
        return within_RB.sum(axis=1) - 1, alarms_RB[:, -1]

    def detection_at(self, weights_RV: Floats, rate: float) -> Floats:
        """Return the detection rate at that threshold."""
        index_R, _ = self._lowest_threshold(weights_RV, rate)
        hits_RB = np.cumsum(weights_RV @ self.anomalous_VB, axis=1)
        found_R = np.take_along_axis(hits_RB, np.maximum(index_R, 0)[:, None], axis=1)[:, 0] * (index_R >= 0)
        return _divide(found_R, hits_RB[:, -1])


@dataclass(frozen=True)
class Ratio:
    """A ratio of two sums over videos: a rate over frames, or a mean over videos or clips."""

    numerator_V: Floats
    denominator_V: Floats

    def value(self, weights_RV: Floats) -> Floats:
        """Return the ratio in each resample."""
        return _divide(weights_RV @ self.numerator_V, weights_RV @ self.denominator_V)


def _divide(numerator_R: Floats, denominator_R: Floats) -> Floats:
    return np.divide(numerator_R, denominator_R, out=np.full_like(numerator_R, np.nan), where=denominator_R > 0)
