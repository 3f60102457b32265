"""What a count of events says about their rate: exact Poisson bounds."""

from __future__ import annotations

from scipy.special import gammaincinv

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
