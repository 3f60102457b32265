"""Bounds of a Poisson rate, against published values and the probabilities that define them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsvad.rates import poisson_interval, poisson_lower, poisson_upper, rate_bound


def at_most(count: int, mean: float) -> float:
    """Probability of ``count`` events or fewer, term by term."""
    return math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1))


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (2, 0.2422, 7.2247), (5, 1.6235, 11.6683), (10, 4.7954, 18.3904)],
)
def test_intervals_are_those_of_the_printed_table(count: int, low: float, high: float) -> None:
    """Garwood's 95 % intervals as textbooks print them."""
    assert poisson_interval(count) == pytest.approx((low, high), abs=1e-4)


def test_no_event_proves_three_divided_by_the_time() -> None:
    """The rule of three: 2 hours without an event prove less than 1.5 an hour, and no time proves nothing."""
    assert poisson_upper(0) == pytest.approx(-math.log(0.05))
    assert rate_bound(0, 2.0) == pytest.approx(1.4979, abs=1e-4)
    assert rate_bound(0, 0.0) is None


@given(count=st.integers(0, 60), level=st.floats(0.5, 0.999))
def test_a_bound_is_where_the_observation_gets_improbable(count: int, level: float) -> None:
    """At the upper bound so few, at the lower one so many events have the probability that is left."""
    assert at_most(count, poisson_upper(count, level)) == pytest.approx(1 - level, abs=1e-6)
    low = poisson_lower(count, level)
    assert (1 - at_most(count - 1, low) if count else 0.0) == pytest.approx(1 - level if count else 0.0, abs=1e-6)
