"""Tuning curve: the best of n configurations as a function of n, with a confidence band, from one sweep.

The order of configurations is random. The curve is the median of the best of n configurations drawn from the same
space. The band contains the whole curve with the stated confidence, for any distribution of the figures (Lourie, Cho &
He 2024, Show Your Work with Confidence, arXiv 2311.09480). It follows from a simultaneous band of the distribution
function with equal local level at every point (Beta quantiles of order statistics). Configurations must be independent,
as in a random or quasi-random search; those of a model-based search are not.

Axes: N configurations, M simulated samples.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from wsvad.errors import UsageError

Floats = npt.NDArray[np.float64]
SAMPLES, CHUNK = 1000, 1_000_000
MAX_POINTS = 4000
"""Maximum number of configurations for the band; from more, this many are taken evenly from the sorted figures."""


@dataclass(frozen=True)
class TuningCurve:
    """Tuning curve for 1 to N configurations; empty if there are none."""

    median_N: Floats
    """Median of the best of n."""
    expected_N: Floats
    """Mean of the best of n configurations drawn from the N without replacement."""
    low_N: Floats
    """Lower end of the band; the lowest possible figure if there is no bound."""
    high_N: Floats
    """Upper end of the band; the highest possible figure if there is no bound, as for large n."""
    actual_N: Floats
    """Best figure so far, in the order of the configurations."""
    hours_N: Floats | None
    """Mean cost of n configurations in hours of computation; None: unknown."""
    spent_N: Floats | None
    """Cost of the first n configurations in hours of computation; None: unknown."""
    level: float
    """Confidence level of the band."""


def tuning_curve(
    figures: Sequence[float],
    seconds: Sequence[float] | None = None,
    *,
    level: float = 0.95,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> TuningCurve:
    """Return the tuning curve of a sweep.

    Args:
        figures: figure of each configuration in their order, higher is better. A failed configuration should have the
            lowest possible figure, because it used its part of the budget.
        seconds: cost of each configuration in seconds.
        level: confidence level of the band, simultaneous for all n.
        bounds: lowest and highest possible figure.

    Raises:
        UsageError: a figure is not finite or out of bounds, or ``seconds`` has another length.
    """
    figure_N = np.asarray(figures, dtype=np.float64)
    if seconds is not None and len(seconds) != len(figure_N):
        raise UsageError(f"seconds must have one value for each of {len(figure_N)} configurations, got {len(seconds)}")
    if not np.isfinite(figure_N).all() or (figure_N < bounds[0]).any() or (figure_N > bounds[1]).any():
        raise UsageError(f"figures must be in [{bounds[0]:g}, {bounds[1]:g}]")
    size = len(figure_N)
    sorted_N = np.sort(figure_N)
    number_N = np.arange(1, size + 1)
    low_N, high_N = _band(sorted_N, 0.5 ** (1 / number_N), level, bounds)
    spent_N = None if seconds is None else np.cumsum(np.asarray(seconds, dtype=np.float64)) / 3600
    return TuningCurve(
        median_N=sorted_N[np.ceil(0.5 ** (1 / number_N) * size - 1e-9).astype(np.int64) - 1],
        expected_N=_expected(sorted_N),
        low_N=low_N,
        high_N=high_N,
        actual_N=np.maximum.accumulate(figure_N),
        hours_N=None if spent_N is None or not size else number_N * (spent_N[-1] / size),
        spent_N=spent_N,
        level=level,
    )


def _expected(sorted_N: Floats) -> Floats:
    """Return the mean of the highest of n drawn without replacement: the sum of figures times their probabilities."""
    size = len(sorted_N)
    rank_N = np.arange(1, size + 1)
    found = np.empty(size)
    for n in range(1, size + 1):
        tail = rank_N[n - 1 :]  # a figure with fewer than n - 1 figures below it cannot be the highest of n
        logarithm = _choose(tail - 1, n - 1) - _choose(np.array([size]), n)
        found[n - 1] = float(np.exp(logarithm) @ sorted_N[n - 1 :])
    return found


def _choose(total: npt.NDArray[np.int64], part: int) -> Floats:
    """Return the logarithm of the binomial coefficient."""
    logarithm = special.gammaln(total + 1) - special.gammaln(part + 1) - special.gammaln(total - part + 1)
    return np.asarray(logarithm, dtype=np.float64)


def _band(sorted_N: Floats, quantile_K: Floats, level: float, bounds: tuple[float, float]) -> tuple[Floats, Floats]:
    """Return the ends of the simultaneous band of the given quantiles."""
    if not len(sorted_N):
        return np.empty(0), np.empty(0)
    if len(sorted_N) > MAX_POINTS:
        sorted_N = sorted_N[np.linspace(0, len(sorted_N) - 1, MAX_POINTS).round().astype(np.int64)]
    size = len(sorted_N)
    rank_N = np.arange(1, size + 1)
    local = local_level(size, level)
    low_N = special.betaincinv(rank_N, size + 1 - rank_N, local / 2)  # lower bound of the distribution function
    high_N = special.betaincinv(rank_N, size + 1 - rank_N, 1 - local / 2)  # upper bound
    below_K = np.searchsorted(high_N, quantile_K, side="left")  # number of figures certainly not above the quantile
    above_K = np.searchsorted(low_N, quantile_K, side="left")
    return np.concatenate((bounds[:1], sorted_N))[below_K], np.concatenate((sorted_N, bounds[1:]))[above_K]


@functools.lru_cache(maxsize=16)
def local_level(size: int, level: float) -> float:
    """Return the local level of the band for ``size`` samples and simultaneous confidence ``level``.

    The local level is the probability of each order statistic of a uniform sample to lie outside its Beta interval,
    such that all lie inside with probability ``level``. It is found by simulation with a fixed seed.
    """
    rng = np.random.default_rng(0)
    rank_N = np.arange(1, size + 1)
    worst = []
    step = max(1, CHUNK // size)
    for start in range(0, SAMPLES, step):
        sample_MN = np.sort(rng.random((min(step, SAMPLES - start), size)), axis=1)
        share_MN = special.betainc(rank_N, size + 1 - rank_N, sample_MN)
        worst.append(2 * np.minimum(share_MN, 1 - share_MN).min(axis=1))
    return float(np.quantile(np.concatenate(worst), 1 - level))
