"""What a budget of n configurations is worth: the best of n, with a band, from one sweep.

Which configurations came first is chance. The curve is the median of the best of n configurations drawn from the same
space; the band holds this whole curve at once with the stated confidence, whatever the distribution of the figures
(Lourie, Cho & He 2024, Show Your Work with Confidence, arXiv 2311.09480): it comes from a simultaneous band of the
distribution function, whose every point has the same local level (Beta quantiles of order statistics). Configurations
must be independent of each other, as those of a random or quasi-random search are; a model-based search is not.
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
MOST = 4000
"""Above so many configurations the band rests on that many, spread evenly over the sorted figures."""


@dataclass(frozen=True)
class TuningCurve:
    """All of 1 to N configurations; empty where there is none."""

    median_N: Floats
    """Median of the best of n."""
    expected_N: Floats
    """Mean of the best of n that are drawn from the N without replacement."""
    low_N: Floats
    """Lower end of the band around the median; the lowest possible figure where nothing is known."""
    high_N: Floats
    """Upper end; the highest possible figure where nothing is known, which is so for the larger n."""
    actual_N: Floats
    """The best so far in the order in which the configurations came."""
    hours_N: Floats | None
    """What n configurations cost on average, in hours of computation; None: not known."""
    spent_N: Floats | None
    """What the first n have cost, in hours of computation."""
    level: float


def tuning_curve(
    figures: Sequence[float],
    seconds: Sequence[float] | None = None,
    *,
    level: float = 0.95,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> TuningCurve:
    """Return the curve of a sweep's figures in the order in which they came.

    Args:
        figures: of each configuration, higher is better. One that failed counts with the lowest possible figure, as it
            has cost its share of the budget.
        seconds: what each of them has cost.
        level: of the band, simultaneous for all n.
        bounds: the lowest and the highest possible figure.

    Raises:
        UsageError: a figure that is not finite or out of bounds, or seconds of another number.
    """
    figure_N = np.asarray(figures, dtype=np.float64)
    if seconds is not None and len(seconds) != len(figure_N):
        raise UsageError(f"expected seconds of {len(figure_N)} configurations, got {len(seconds)}")
    if not np.isfinite(figure_N).all() or (figure_N < bounds[0]).any() or (figure_N > bounds[1]).any():
        raise UsageError(f"figures must be from {bounds[0]:g} to {bounds[1]:g}")
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
    """Mean of the highest of n drawn without replacement: each figure times its chance to be that one."""
    size = len(sorted_N)
    rank_N = np.arange(1, size + 1)
    found = np.empty(size)
    for n in range(1, size + 1):
        tail = rank_N[n - 1 :]  # a figure with fewer than n - 1 below it cannot be the highest of n
        logarithm = _choose(tail - 1, n - 1) - _choose(np.array([size]), n)
        found[n - 1] = float(np.exp(logarithm) @ sorted_N[n - 1 :])
    return found


def _choose(total: npt.NDArray[np.int64], part: int) -> Floats:
    """Logarithm of the binomial coefficient."""
    logarithm = special.gammaln(total + 1) - special.gammaln(part + 1) - special.gammaln(total - part + 1)
    return np.asarray(logarithm, dtype=np.float64)


def _band(sorted_N: Floats, quantile_K: Floats, level: float, bounds: tuple[float, float]) -> tuple[Floats, Floats]:
    """Ends of the simultaneous band of the quantiles asked for."""
    if not len(sorted_N):
        return np.empty(0), np.empty(0)
    if len(sorted_N) > MOST:
        sorted_N = sorted_N[np.linspace(0, len(sorted_N) - 1, MOST).round().astype(np.int64)]
    size = len(sorted_N)
    rank_N = np.arange(1, size + 1)
    local = local_level(size, level)
    low_N = special.betaincinv(rank_N, size + 1 - rank_N, local / 2)  # the distribution function there is at least
    high_N = special.betaincinv(rank_N, size + 1 - rank_N, 1 - local / 2)  # and at most
    below_K = np.searchsorted(high_N, quantile_K, side="left")  # so many figures are surely not above the quantile
    above_K = np.searchsorted(low_N, quantile_K, side="left")
    return np.concatenate((bounds[:1], sorted_N))[below_K], np.concatenate((sorted_N, bounds[1:]))[above_K]


@functools.lru_cache(maxsize=16)
def local_level(size: int, level: float) -> float:
    """Return the share that each order statistic of a uniform sample may be outside of its own Beta interval, so that
    all of them are inside at once with the chance ``level``; by simulation, always with the same seed.
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
