"""Bounds of rates and probabilities, against published values and their defining probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from wsvad.rates import binomial_interval, poisson_band, poisson_interval, poisson_lower, poisson_upper, rate_bound


def at_most(count: int, mean: float) -> float:
    """Return the probability of ``count`` or fewer events, summed term by term."""
    return math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1))


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (2, 0.2422, 7.2247), (5, 1.6235, 11.6683), (10, 4.7954, 18.3904)],
)
def test_intervals_are_those_of_the_printed_table(count: int, low: float, high: float) -> None:
    """Garwood's 95 % intervals as printed in textbooks."""
    assert poisson_interval(count) == pytest.approx((low, high), abs=1e-4)


def test_the_rule_of_three() -> None:
    """2 hours without an event prove a rate below 1.5 per hour; no time proves nothing."""
    assert poisson_upper(0) == pytest.approx(-math.log(0.05))
    assert rate_bound(0, 2.0) == pytest.approx(1.4979, abs=1e-4)
    assert rate_bound(0, 0.0) is None


@given(count=st.integers(0, 60), level=st.floats(0.5, 0.999))
def test_bounds_match_their_defining_probabilities(count: int, level: float) -> None:
    """At the bounds the observed count has the remaining tail probability."""
    assert at_most(count, poisson_upper(count, level)) == pytest.approx(1 - level, abs=1e-6)
    low = poisson_lower(count, level)
    assert (1 - at_most(count - 1, low) if count else 0.0) == pytest.approx(1 - level if count else 0.0, abs=1e-6)


def slow_band(count: int, share: float, level: float) -> tuple[int, int]:
    """Return the band by testing both binomial tails of ``count + k`` trials for every count k."""

    def exactly(k: int, trials: int) -> float:
        return math.comb(trials, k) * share**k * (1 - share) ** (trials - k)

    tail = (1 - level) / 2
    inside = [
        k
        for k in range(400)
        if math.fsum(exactly(i, count + k) for i in range(k, count + k + 1)) > tail
        and math.fsum(exactly(i, count + k) for i in range(k + 1)) > tail
    ]
    return inside[0], inside[-1]


@settings(max_examples=30, deadline=None)
@given(count=st.integers(0, 40), days=st.integers(2, 28), level=st.sampled_from([0.9, 0.99]))
def test_the_band_agrees_with_the_binomial_test(count: int, days: int, level: float) -> None:
    """By summed binomial probabilities."""
    assert poisson_band(count, days, 1.0, level) == slow_band(count, 1 / (days + 1), level)


def test_a_long_time_gives_the_band_of_a_poisson_variable() -> None:
    """At a known rate of 10, 3 and 20 are within 99 %, 2 and 21 are not; in a very short time the band is 0."""
    assert poisson_band(10_000_000, 1_000_000.0, 1.0, 0.99) == (3, 19)
    assert at_most(2, 10.0) <= 0.005 < at_most(3, 10.0)
    assert 1 - at_most(19, 10.0) <= 0.005 < 1 - at_most(18, 10.0)
    assert poisson_band(0, 28.0, 1e-9, 0.99) == (0, 0)


@pytest.mark.parametrize(("rate", "power"), [(0.3, 0.4), (2.0, 0.99), (25.0, 1.0)])
def test_coverage_of_the_band(rate: float, power: float) -> None:
    """Simulated: 28 days, then a day with the same or ten times the rate, which few events per day partly hide."""
    rng = np.random.default_rng(0)
    before, after = rng.poisson(28 * rate, 4000), rng.poisson(rate, 4000)
    bands = [poisson_band(int(count), 28.0, 1.0, 0.99) for count in before]
    outside = [not low <= count <= high for count, (low, high) in zip(after, bands, strict=True)]
    assert sum(outside) < 0.01 * 4000
    many = rng.poisson(10 * rate, 4000)
    found = [count > high for count, (_, high) in zip(many, bands, strict=True)]
    assert sum(found) >= power * 4000


@pytest.mark.parametrize(("count", "of"), [(0, 10), (10, 10), (3, 17), (1, 1), (500, 1000)])
def test_binomial_intervals_are_exact(count: int, of: int) -> None:
    """They agree with SciPy."""
    expected = binomtest(count, of).proportion_ci(0.95, "exact")
    assert binomial_interval(count, of) == pytest.approx((expected.low, expected.high))
    assert binomial_interval(0, 0) == (0.0, 1.0)
