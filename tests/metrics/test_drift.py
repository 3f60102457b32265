"""Score drift: compared with SciPy and naive loops, and simulations with and without drift."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, wasserstein_distance

from wsvad.errors import UsageError
from wsvad.metrics.drift import DECIMALS, FLOOR, HOUR_CLIPS, LARGE, compare, make_reference, psi, wasserstein

scores = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]) | st.floats(0, 1), min_size=1, max_size=60)


def slow_deciles(reference: list[float]) -> list[float]:
    """Return the upper ends of the deciles: the lowest score that a tenth, two tenths etc. do not exceed."""
    ordered = sorted(reference)
    return sorted({ordered[math.ceil(tenth * len(ordered) / 10) - 1] for tenth in range(1, 10)})


def slow_psi(reference: list[float], new: list[float]) -> float:
    """Compute the index from its definition, bin by bin."""
    ends = slow_deciles(reference)
    bins = [Counter(sum(end < value for end in ends) for value in values) for values in (reference, new)]
    total = 0.0
    for b in range(len(ends) + 1):
        expected, observed = (max(bins[k][b] / len(values), FLOOR) for k, values in enumerate((reference, new)))
        total += (observed - expected) * math.log(observed / expected)
    return total


@given(reference=scores, new=scores)
def test_index_and_distance_equal_naive_computations(reference, new):
    """The distance equals SciPy's for the scores up to the width of a bin."""
    reference, new = ([round(v, DECIMALS) for v in values] for values in (reference, new))
    many = reference * HOUR_CLIPS  # all hours are covered, with the same distribution
    found = compare(make_reference(many, [0] * len(many), 1), new, [0] * len(new))
    assert (found.clips, found.compared) == (len(new), len(new))
    assert found.psi == pytest.approx(slow_psi(many, new), abs=1e-9)
    assert found.wasserstein == pytest.approx(wasserstein_distance(many, new), abs=0.02)


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30),
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 9)), min_size=1),
)
def test_the_distance_equals_that_of_scipy(values, weighted):
    """For values and weighted points with ties."""
    points, weights = (np.array(part, float) for part in zip(*weighted, strict=True))
    found = wasserstein(np.array(values), points, weights / weights.sum())
    assert found == pytest.approx(wasserstein_distance(values, points, v_weights=weights), abs=1e-9)


@given(scores, st.integers(1, 24))
def test_a_reference_counts_every_score_once(values, hours):
    """At its hour and in its bin; equal quantiles are one bin."""
    at = [n % hours for n in range(len(values))]
    reference = make_reference(values, at, hours)
    assert reference.clips == len(values)
    assert reference.counts_HB.sum(axis=1).tolist() == [at.count(hour) for hour in range(hours)]
    assert len(reference.edges) <= len({round(v, DECIMALS) for v in values})
    assert reference.counts_HB[:, -1].sum() == 0, "nothing is above the greatest"
    mean = (reference.counts_HB.sum(axis=0) @ reference.means) / len(values)
    assert mean == pytest.approx(np.mean(np.round(values, DECIMALS)), abs=1e-5)


def test_comparison_of_two_bins():
    """A reference with half of its scores in each of two bins, compared with a tenth and nine tenths."""
    assert psi(np.array([0.5, 0.5]), np.array([0.1, 0.9])) == pytest.approx(0.4 * math.log(5) + 0.4 * math.log(1.8))
    assert psi(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 0
    assert psi(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(2 * (1 - FLOOR) * math.log(1 / FLOOR))


def test_the_same_hours_are_compared():
    """Night scores equal those of the reference at night; the same scores at noon are drift."""
    rng = np.random.default_rng(0)
    hours = np.repeat(np.arange(24), 500)
    bright = np.where((hours >= 6) & (hours < 18), 0.6, 0.2)
    reference = make_reference(bright + rng.normal(0, 0.05, len(hours)), hours, 24)
    night = rng.normal(0.2, 0.05, 3000)
    noise = (1 / 500 + 1 / 3000) * chi2(9).ppf(0.999)  # for 500 clips per hour
    assert compare(reference, night, np.full(3000, 2)).psi < noise
    assert compare(reference, night, np.full(3000, 12)).psi > LARGE
    mixed = np.concatenate((rng.normal(0.2, 0.05, 2700), rng.normal(0.6, 0.05, 300)))
    assert compare(reference, mixed, np.repeat([2, 12], [2700, 300])).psi < noise


def test_hours_missing_from_the_reference():
    """They are excluded and counted; without other hours there is no result."""
    reference = make_reference(np.linspace(0, 1, 1000 + HOUR_CLIPS - 1), [3] * 1000 + [4] * (HOUR_CLIPS - 1), 24)
    found = compare(reference, [0.5] * 30, [3] * 10 + [4] * 10 + [5] * 10)
    assert (found.clips, found.compared, found.hours) == (30, 10, 1)
    nothing = compare(reference, [0.5] * 3, [4, 5, 6])
    assert (nothing.clips, nothing.compared, nothing.psi, nothing.wasserstein) == (3, 0, None, None)


def test_rounding_errors_are_not_drift():
    """Constant scores of a dark scene that differ in the last bits."""
    reference = make_reference(np.full(5000, 0.23), np.zeros(5000, int), 1)
    assert compare(reference, np.full(1000, 0.23 + 3e-8), np.zeros(1000, int)).psi == 0
    assert compare(reference, np.full(1000, 0.87), np.zeros(1000, int)).psi > LARGE


@pytest.mark.parametrize(
    ("values", "what"), [([], "at least one score"), ([0.5, math.nan], "finite"), ([math.inf], "finite")]
)
def test_invalid_scores_are_rejected(values, what):
    """No scores, and scores that are not finite."""
    with pytest.raises(UsageError, match=what):
        make_reference(values, [0] * len(values), 1)


@pytest.mark.parametrize("new", [1000, 5000])
def test_the_index_without_drift_follows_its_distribution(new):
    """For independent scores the index has the mean and the tail of a chi-square variable, and there is no alarm."""
    rng = np.random.default_rng(new)
    reference = make_reference(rng.beta(0.4, 4, 50_000), np.zeros(50_000, int), 1)
    hours = np.zeros(new, int)
    found = np.array([compare(reference, rng.beta(0.4, 4, new), hours).psi for _ in range(400)])
    scaled = found / (1 / new + 1 / 50_000)
    assert scaled.mean() == pytest.approx(chi2(9).mean(), rel=0.15)
    assert np.quantile(scaled, 0.95) == pytest.approx(chi2(9).ppf(0.95), rel=0.2)
    assert (found > LARGE).sum() == 0


def test_false_alarms_with_minimum_data():
    """A thousand clips in an hour with the minimum number of reference clips: an alarm in less than 1 % of cases."""
    rng = np.random.default_rng(1)
    at = np.repeat([0, 1], [HOUR_CLIPS, 5000])
    found = []
    for _ in range(100):
        reference = make_reference(rng.beta(0.4, 4, len(at)), at, 24)
        found += [compare(reference, rng.beta(0.4, 4, 1000), np.zeros(1000, int)).psi for _ in range(5)]
    assert np.mean(np.array(found) > LARGE) < 0.01


def chained(rng: np.random.Generator, count: int, memory: int, shift: float = 0.0) -> np.ndarray:
    """Return scores correlated over ``memory`` clips, like those of a camera: a mean-reverting logit."""
    keep = math.exp(-1 / memory)
    noise = rng.normal(0, math.sqrt(1 - keep**2), count)
    logits = np.empty(count)
    logits[0] = rng.normal()
    for n in range(1, count):
        logits[n] = keep * logits[n - 1] + noise[n]
    return 1 / (1 + np.exp(3 - shift - logits))


def test_days_of_correlated_scores():
    """Days of 4 s clips correlated over 2 minutes, compared with a week: none of 100 gives an alarm, 20 shifted do."""
    rng = np.random.default_rng(5)
    day = np.arange(21600) // 900
    reference = make_reference(chained(rng, 7 * 21600, 30), np.tile(day, 7), 24)
    still = [compare(reference, chained(rng, 21600, 30), day).psi for _ in range(100)]
    assert max(still) < LARGE
    moved = [compare(reference, chained(rng, 21600, 30, shift=1.0), day) for _ in range(20)]
    assert min(found.psi for found in moved) > LARGE
    assert min(found.wasserstein for found in moved) > 0.02
