"""Score drift: distance between the scores of a period and a reference for the same hours of the day.

Axes: N scores, H hours of the day (24, or 1 if times are unknown), B bins of the reference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wsvad.errors import UsageError
from wsvad.metrics.ranking import Floats

Ints = npt.NDArray[np.int64]

MODERATE = 0.10
"""Population stability index of a moderate change.

This and ``LARGE`` are conventions of credit scoring, not levels of a test (Lewis 1994, An Introduction to Credit
Scoring; Siddiqi 2006, Credit Risk Scorecards).
"""
LARGE = 0.25
"""Population stability index of a large change."""
FLOOR = 1e-4
"""Minimum fraction of a bin, because the index of empty bins would be infinite."""
DECIMALS = 4
"""Decimals of scores; smaller differences are rounding errors and do not change events."""
QUANTILES = 100
"""Number of bins of a reference; the index uses deciles."""
HOUR_CLIPS = 200
"""Minimum number of clips of an hour in the reference; hours with fewer are not compared."""


@dataclass(frozen=True)
class Reference:
    """The distribution of scores by hour of the day, as a histogram over its own percentiles.

    Bin b contains the scores in ``(edges[b - 1], edges[b]]``; the first and the last bin are unbounded.
    """

    edges: Floats
    """``[B - 1]``, ascending; fewer than ``QUANTILES + 1`` if scores are equal."""
    means: Floats
    """``[B]``: mean of the scores of a bin, or the nearest edge of an empty bin."""
    counts_HB: Ints
    """Number of scores by hour of the day and bin."""

    def __post_init__(self) -> None:
        bins = self.counts_HB.shape[-1]
        shaped = self.counts_HB.ndim == 2 and self.edges.shape == (bins - 1,) and self.means.shape == (bins,)
        if not shaped or not bins > 1 or (self.counts_HB < 0).any() or not self.counts_HB.any():
            raise UsageError("invalid reference of scores: shapes of bins, edges and counts do not match")
        if not np.isfinite(self.means).all() or not np.isfinite(self.edges).all() or (np.diff(self.edges) <= 0).any():
            raise UsageError("invalid reference of scores: edges do not ascend")

    @property
    def clips(self) -> int:
        """Number of scores in the reference."""
        return int(self.counts_HB.sum())

    def deciles(self) -> Ints:
        """Return the decile of each bin, ``[B]``, from 0; there are fewer than 10 if scores are equal."""
        reached = np.cumsum(self.counts_HB.sum(axis=0))[:-1]
        last = np.unique([np.searchsorted(10 * reached, tenth * self.clips) for tenth in range(1, 10)])
        return np.searchsorted(last, np.arange(self.counts_HB.shape[1])).astype(np.int64)


@dataclass(frozen=True)
class Comparison:
    """Result of a comparison with a reference."""

    clips: int
    compared: int
    """Number of those clips in hours that the reference covers."""
    hours: int
    """Number of distinct hours of the day of the compared clips."""
    psi: float | None
    """Population stability index; None if nothing was compared."""
    wasserstein: float | None
    """Wasserstein distance in units of the score: the mean shift of scores, in either direction."""


def make_reference(scores_N: npt.ArrayLike, hours_N: npt.ArrayLike, hours: int) -> Reference:
    """Return the reference distribution of scores.

    Args:
        scores_N: at least one finite score.
        hours_N: hour of the day of each score, from 0.
        hours: hours in a day: 24, or 1 if times are unknown.

    Raises:
        UsageError: there are no scores, or not all are finite.
    """
    values_N, at_N = _rounded(scores_N), np.asarray(hours_N, dtype=np.int64)
    if not len(values_N):
        raise UsageError("a reference needs at least one score")
    edges = np.unique(np.quantile(values_N, np.linspace(0, 1, QUANTILES + 1), method="inverted_cdf"))
    bins_N, bins = np.searchsorted(edges, values_N), len(edges) + 1
    counts_HB = np.bincount(at_N * bins + bins_N, minlength=hours * bins).reshape(hours, bins).astype(np.int64)
    sums_B, counts_B = np.bincount(bins_N, values_N, bins), counts_HB.sum(axis=0)
    nearest_B = np.append(edges, edges[-1])
    means_B = np.divide(sums_B, counts_B, out=nearest_B, where=counts_B > 0)
    return Reference(edges, np.round(means_B, DECIMALS + 2), counts_HB)


def compare(reference: Reference, scores_N: npt.ArrayLike, hours_N: npt.ArrayLike) -> Comparison:
    """Compare scores with a reference in which each hour of the day has the same weight as in the scores.

    So two hours at night are compared with the same hours of the reference. Clips in hours for which the reference has
    fewer than ``HOUR_CLIPS`` clips are excluded and counted.

    Raises:
        UsageError: scores are not finite.
    """
    values_N, at_N = _rounded(scores_N), np.asarray(hours_N, dtype=np.int64)
    hours_H = reference.counts_HB.sum(axis=1)
    known_N = hours_H[at_N] >= HOUR_CLIPS
    values, clips = values_N[known_N], int(np.count_nonzero(known_N))
    if not clips:
        return Comparison(len(values_N), 0, 0, None, None)
    weights_H = np.bincount(at_N[known_N], minlength=len(hours_H)) / clips
    expected_B = (weights_H / np.maximum(hours_H, 1)) @ reference.counts_HB
    observed_B = np.bincount(np.searchsorted(reference.edges, values), minlength=len(expected_B)) / clips
    deciles_B = reference.deciles()
    expected_D, observed_D = (np.bincount(deciles_B, b).astype(np.float64) for b in (expected_B, observed_B))
    index = psi(expected_D, observed_D)
    distance = wasserstein(values, reference.means, expected_B)
    return Comparison(len(values_N), clips, int(np.count_nonzero(weights_H)), index, distance)


def psi(expected_D: Floats, observed_D: Floats) -> float:
    """Return the population stability index of two distributions over the same bins; 0 if they are equal.

    It is the sum of ``(observed - expected) * ln(observed / expected)``, the symmetric Kullback-Leibler divergence.
    Fractions below ``FLOOR`` are raised to it. For n and m independent scores of one distribution over D bins it is
    about ``(1 / n + 1 / m)`` times a chi-square variable with D - 1 degrees of freedom (Yurdakul 2018, Statistical
    Properties of Population Stability Index).
    """
    expected, observed = np.maximum(expected_D, FLOOR), np.maximum(observed_D, FLOOR)
    return float(np.sum((observed - expected) * np.log(observed / expected)))


def wasserstein(values_N: Floats, points_B: Floats, weights_B: Floats) -> float:
    """Return the first Wasserstein distance between values and weighted points; weights sum to 1."""
    order = np.argsort(points_B, kind="stable")
    reached = np.concatenate(([0.0], np.cumsum(weights_B[order])))
    positions = np.sort(np.concatenate((values_N, points_B)))
    cdf_values = np.searchsorted(np.sort(values_N), positions[:-1], side="right") / len(values_N)
    cdf_points = reached[np.searchsorted(points_B[order], positions[:-1], side="right")]
    return float(np.sum(np.abs(cdf_values - cdf_points) * np.diff(positions)))


def _rounded(scores_N: npt.ArrayLike) -> Floats:
    values = np.asarray(scores_N, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise UsageError(f"expected a vector of finite scores, got an array of shape {values.shape}")
    rounded: Floats = np.round(values, DECIMALS)
    return rounded
