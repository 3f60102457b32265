"""Exact confidence bounds of rates from event counts (Poisson), and of probabilities (binomial)."""

from __future__ import annotations

from bisect import bisect_left

from scipy.special import betainc, betaincinv, gammaincinv

LEVEL = 0.95
"""Default confidence level."""


def poisson_upper(count: int, level: float = LEVEL) -> float:
    """Return the one-sided upper confidence bound of a Poisson mean, from one observation.

    It is the mean at which ``count`` or fewer events have probability ``1 - level``. For 0 events and level 0.95 it is
    3.0: no events in T hours prove a rate below 3 / T per hour, but not less (Hanley & Lippman-Hand 1983, JAMA 249).

    Args:
        count: number of observed events, at least 0.
        level: confidence level, in (0, 1).

    >>> round(poisson_upper(0), 3)
    2.996
    """
    return float(gammaincinv(count + 1, level))


def poisson_lower(count: int, level: float = LEVEL) -> float:
    """Return the one-sided lower bound: the mean at which ``count`` or more events have probability ``1 - level``."""
    return float(gammaincinv(count, 1 - level)) if count else 0.0


def poisson_interval(count: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the exact central confidence interval of a Poisson mean (Garwood 1936, Biometrika 28)."""
    tail = (1 + level) / 2
    return poisson_lower(count, tail), poisson_upper(count, tail)


def rate_bound(count: int, time: float, level: float = LEVEL) -> float | None:
    """Return the upper confidence bound of the rate of events, or ``None`` if ``time`` is 0.

    The rate is in events per unit of ``time``, e.g. per hour if ``time`` is in hours.
    """
    return poisson_upper(count, level) / time if time > 0 else None


def poisson_band(count: int, time: float, new_time: float, level: float = LEVEL) -> tuple[int, int]:
    """Return the smallest and largest number of events to expect in ``new_time``, given ``count`` events in ``time``.

    This is the exact prediction interval. For counts outside of it, the conditional test of two Poisson rates
    (Przyborowski & Wilenski 1940, Biometrika 31) rejects equality on either side at level ``(1 - level) / 2``. The
    interval includes the uncertainty of the rate; for a long ``time`` it approaches that of a Poisson variable with
    known mean.

    Args:
        count: number of observed events, at least 0.
        time: duration of the observation, above 0.
        new_time: duration to predict for, above 0, in the same unit.
        level: probability of the interval, in (0, 1).
    """
    share, tail = new_time / (time + new_time), (1 - level) / 2
    bound = 1
    while betainc(bound, count + 1, share) > tail:  # probability of `bound` or more events
        bound *= 2
    high = bisect_left(range(1, bound + 1), True, key=lambda k: bool(betainc(k, count + 1, share) <= tail))
    if not count:
        return 0, high
    low = bisect_left(range(bound), True, key=lambda k: bool(betainc(count, k + 1, 1 - share) > tail))
    return low, high


def binomial_interval(count: int, of: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the exact central confidence interval of a probability (Clopper & Pearson 1934, Biometrika 26).

    Args:
        count: number of successes, at least 0.
        of: number of trials, at least ``count``; with 0 the interval is (0, 1).
        level: confidence level, in (0, 1).
    """
    tail = (1 - level) / 2
    low = float(betaincinv(count, of - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, of - count, 1 - tail)) if count < of else 1.0
    return low, high
