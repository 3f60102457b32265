"""Drift of scores: how far the scores of a stretch of footage are from a reference of the same hours of the day.

Axes: N scores, H hours of the day (24, or 1 where no times are known), B bins of the reference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wsvad.errors import UsageError
from wsvad.metrics.ranking import Floats

Ints = npt.NDArray[np.int64]

MODERATE = 0.10
"""Population stability index from which a population has changed a little.

This and ``LARGE`` are conventions of credit scoring, not levels of a test (Lewis 1994, An Introduction to Credit
Scoring; Siddiqi 2006, Credit Risk Scorecards).
"""
LARGE = 0.25
"""Index from which it has changed much."""
FLOOR = 1e-4
"""Share that an empty bin is given: an index of empty bins would be infinite."""
DECIMALS = 4
"""Of scores: smaller differences are of rounding, and open no event."""
QUANTILES = 100
"""Bins of a reference; the index is of every tenth."""
HOUR_CLIPS = 200
"""Clips of an hour below which the reference says nothing of it."""


@dataclass(frozen=True)
class Reference:
    """The distribution of scores by hour of the day, as a histogram on its own percentiles.

    Bin b holds the scores in ``(edges[b - 1], edges[b]]``; the first and the last are open to their sides.
    """

    edges: Floats
    """``[B - 1]``, ascending; fewer than ``QUANTILES + 1`` where scores are equal."""
    means: Floats
    """``[B]``: mean of the scores of a bin, the nearest edge where it has none."""
    counts_HB: Ints
    """Scores by hour of the day and bin."""

    def __post_init__(self) -> None:
        bins = self.counts_HB.shape[-1]
        shaped = self.counts_HB.ndim == 2 and self.edges.shape == (bins - 1,) and self.means.shape == (bins,)
        if not shaped or not bins > 1 or (self.counts_HB < 0).any() or not self.counts_HB.any():
            raise UsageError("no reference of scores: bins, edges and counts do not belong together")
        if not np.isfinite(self.means).all() or not np.isfinite(self.edges).all() or (np.diff(self.edges) <= 0).any():
            raise UsageError("no reference of scores: its edges do not ascend")

    @property
    def clips(self) -> int:
        """Scores that it was made of."""
        return int(self.counts_HB.sum())

    def deciles(self) -> Ints:
        """Return the decile ``[B]`` of each bin, from 0; there are fewer than 10 where scores are equal."""
        reached = np.cumsum(self.counts_HB.sum(axis=0))[:-1]
        last = np.unique([np.searchsorted(10 * reached, tenth * self.clips) for tenth in range(1, 10)])
        return np.searchsorted(last, np.arange(self.counts_HB.shape[1])).astype(np.int64)


@dataclass(frozen=True)
class Comparison:
    """Scores held against a reference."""

    clips: int
    compared: int
    """Of those: clips of hours that the reference knows."""
    hours: int
    """How many hours of the day those are of."""
    psi: float | None
    """Population stability index; None: nothing was compared."""
    wasserstein: float | None
    """Distance in units of the score: how far scores moved in the mean, in either direction."""


def freeze(scores_N: npt.ArrayLike, hours_N: npt.ArrayLike, hours: int) -> Reference:
    """Make a reference of scores.

    Args:
        scores_N: at least one, finite.
        hours_N: hour of the day of each, from 0.
        hours: in a day: 24, or 1 where no times are known.

    Raises:
        UsageError: no scores, or not finite.
    """
    values_N, at_N = _rounded(scores_N), np.asarray(hours_N, dtype=np.int64)
    if not len(values_N):
        raise UsageError("no reference can be made of no scores")
    edges = np.unique(np.quantile(values_N, np.linspace(0, 1, QUANTILES + 1), method="inverted_cdf"))
    bins_N, bins = np.searchsorted(edges, values_N), len(edges) + 1
    counts_HB = np.bincount(at_N * bins + bins_N, minlength=hours * bins).reshape(hours, bins).astype(np.int64)
    sums_B, counts_B = np.bincount(bins_N, values_N, bins), counts_HB.sum(axis=0)
    nearest_B = np.append(edges, edges[-1])
    means_B = np.divide(sums_B, counts_B, out=nearest_B, where=counts_B > 0)
    return Reference(edges, np.round(means_B, DECIMALS + 2), counts_HB)


def compare(reference: Reference, scores_N: npt.ArrayLike, hours_N: npt.ArrayLike) -> Comparison:
    """Hold scores against a reference, in which each hour of the day is given the weight that it has in the scores.

    A stretch of two hours at night is thus compared with the same hours of the reference. Clips of hours of which the
    reference has fewer than ``HOUR_CLIPS`` are left out and counted.

    Raises:
        UsageError: scores that are not finite.
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
    """Return the population stability index of two distributions over the same bins; 0 where they are equal.

    The sum of ``(observed - expected) * ln(observed / expected)``: the symmetric Kullback-Leibler divergence. Shares
    below ``FLOOR`` are raised to it. Of n and m independent scores of one distribution over D bins it is about
    ``(1 / n + 1 / m)`` times a chi-square variable of D - 1 degrees of freedom (Yurdakul 2018, Statistical Properties
    of Population Stability Index).
    """
    expected, observed = np.maximum(expected_D, FLOOR), np.maximum(observed_D, FLOOR)
    return float(np.sum((observed - expected) * np.log(observed / expected)))


def wasserstein(values_N: Floats, points_B: Floats, weights_B: Floats) -> float:
    """Return the first Wasserstein distance of values and of weighted points; weights sum to 1."""
    order = np.argsort(points_B, kind="stable")
    reached = np.concatenate(([0.0], np.cumsum(weights_B[order])))
    places = np.sort(np.concatenate((values_N, points_B)))
    share_values = np.searchsorted(np.sort(values_N), places[:-1], side="right") / len(values_N)
    share_points = reached[np.searchsorted(points_B[order], places[:-1], side="right")]
    return float(np.sum(np.abs(share_values - share_points) * np.diff(places)))


def _rounded(scores_N: npt.ArrayLike) -> Floats:
    values = np.asarray(scores_N, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise UsageError(f"expected finite scores in one row, got an array of shape {values.shape}")
    rounded: Floats = np.round(values, DECIMALS)
    return rounded
