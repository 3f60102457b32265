"""What a count of events says about their rate: exact Poisson bounds."""

from __future__ import annotations

from bisect import bisect_left

from scipy.special import betainc, betaincinv, gammaincinv

LEVEL = 0.95
"""Confidence of every bound unless another is asked for."""


def poisson_upper(count: int, level: float = LEVEL) -> float:
    """Return the one-sided upper bound of the mean of a Poisson variable that was observed once.

    It is the mean at which ``count`` events or fewer have probability ``1 - level``. For 0 events and 0.95 it is 3.0:
    no event in T hours proves a rate below 3 / T an hour and no less (Hanley & Lippman-Hand 1983, JAMA 249).

    Args:
        count: events that were seen, at least 0.
        level: confidence, in (0, 1).
    """
    return float(gammaincinv(count + 1, level))


def poisson_lower(count: int, level: float = LEVEL) -> float:
    """Return the one-sided lower bound: the mean at which ``count`` events or more have probability ``1 - level``."""
    return float(gammaincinv(count, 1 - level)) if count else 0.0


def poisson_interval(count: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the exact central interval of a Poisson mean (Garwood 1936, Biometrika 28)."""
    tail = (1 + level) / 2
    return poisson_lower(count, tail), poisson_upper(count, tail)


def rate_bound(count: int, time: float, level: float = LEVEL) -> float | None:
    """Return the highest rate that ``count`` events in ``time`` leave possible; None where there is no time.

    The rate is per unit of ``time``: an hour if that is in hours.
    """
    return poisson_upper(count, level) / time if time > 0 else None


def poisson_band(count: int, time: float, new_time: float, level: float = LEVEL) -> tuple[int, int]:
    """Return the least and the most events that are to be expected in ``new_time``, after ``count`` in ``time``.

    The exact prediction interval: outside of it lie the counts for which the conditional test of two Poisson rates
    (Przyborowski & Wilenski 1940, Biometrika 31) is rejected on either side with a probability of at most
    ``(1 - level) / 2``. How little a short ``time`` says of the rate is in it; for a long one it is the band of a
    Poisson variable of known mean.

    Args:
        count: events that were seen, at least 0.
        time: in which they were seen, above 0.
        new_time: of the count that is to be judged, above 0, in the same unit.
        level: probability of the band, in (0, 1).
    """
    share, tail = new_time / (time + new_time), (1 - level) / 2
    bound = 1
    while betainc(bound, count + 1, share) > tail:  # of `bound` events or more
        bound *= 2
    high = bisect_left(range(1, bound + 1), True, key=lambda k: bool(betainc(k, count + 1, share) <= tail))
    if not count:
        return 0, high
    low = bisect_left(range(bound), True, key=lambda k: bool(betainc(count, k + 1, 1 - share) > tail))
    return low, high


def binomial_interval(count: int, of: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the exact central interval of a probability (Clopper & Pearson 1934, Biometrika 26).

    Args:
        count: how often it came true, at least 0.
        of: how often it was tried, at least ``count``; 0 tells nothing: (0, 1).
        level: confidence, in (0, 1).
    """
    tail = (1 - level) / 2
    low = float(betaincinv(count, of - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, of - count, 1 - tail)) if count < of else 1.0
    return low, high
