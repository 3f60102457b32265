"""The tuning curve and its band, compared with enumeration and with known distributions."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from wsvad.errors import UsageError
from wsvad.tuning.tuning_curve import local_level, tuning_curve


def test_mean_best_of_n_equals_enumeration():
    """Enumeration of all subsets of seven figures, with a tie."""
    figures = [0.5, 0.9, 0.1, 0.7, 0.7, 0.3, 0.2]
    found = tuning_curve(figures)
    for n in range(1, 8):
        assert found.expected_N[n - 1] == pytest.approx(np.mean([max(s) for s in combinations(figures, n)]))
    assert found.actual_N.tolist() == [0.5, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
    assert found.median_N[0] == 0.5
    assert found.median_N[-1] == 0.9


@pytest.mark.parametrize("draw", ["uniform", "steps", "skewed"])
def test_the_band_holds_the_whole_curve_of_any_distribution(draw):
    """Of 400 sweeps of 40 configurations at least 95 %, less three standard errors, have all of the curve in the band;
    a pointwise band would not. Figures with many ties, too.
    """
    level_K = 0.5 ** (1 / np.arange(1, 41))
    true_K = {
        "uniform": level_K,
        "steps": np.ceil(level_K * 10 - 1e-12) / 10,
        "skewed": stats.beta(8, 2).ppf(level_K),
    }[draw]
    held = narrow = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        sample = {"uniform": rng.random(40), "steps": rng.integers(1, 11, 40) / 10, "skewed": rng.beta(8, 2, 40)}[draw]
        found = tuning_curve(sample)
        held += bool(((found.low_N <= true_K) & (true_K <= found.high_N)).all())
        loose = tuning_curve(sample, level=0.5)
        narrow += bool(((loose.low_N <= true_K) & (true_K <= loose.high_N)).all())
        assert (found.low_N <= found.median_N).all()
        assert (found.median_N <= found.high_N).all()
    assert held / 400 > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 400)
    assert narrow < held


def test_local_level():
    """For one figure it is the level itself; it decreases with their number, slower than a Bonferroni correction."""
    assert local_level(1, 0.95) == pytest.approx(0.05, abs=0.02)
    assert 0.05 / 100 < local_level(100, 0.95) < local_level(10, 0.95) < 0.05


def test_cost_is_in_hours():
    """Mean cost of n configurations, and the cost of the first n."""
    found = tuning_curve([0.5, 0.6], [3600, 7200])
    assert found.hours_N.tolist() == [1.5, 3.0]
    assert found.spent_N.tolist() == [1.0, 3.0]
    assert tuning_curve([0.5, 0.6]).hours_N is None


def test_zero_and_one_configuration():
    """Empty for none; for one, the band contains every value."""
    none = tuning_curve([], [])
    assert [a.size for a in (none.median_N, none.expected_N, none.low_N, none.high_N, none.actual_N)] == [0] * 5
    one = tuning_curve([0.7], [10.0])
    assert (one.low_N[0], one.median_N[0], one.expected_N[0], one.high_N[0]) == (0.0, 0.7, pytest.approx(0.7), 1.0)


def test_many_configurations():
    """6,000 configurations take seconds: the band is narrow and monotonic."""
    found = tuning_curve(np.random.default_rng(0).random(6000))
    assert found.low_N[99] < 0.5 ** (1 / 100) < found.high_N[99]
    assert (np.diff(found.low_N) >= 0).all()
    assert (np.diff(found.expected_N) >= -1e-12).all()


@pytest.mark.parametrize(("figures", "seconds"), [([np.nan], None), ([1.5], None), ([-0.1], None), ([0.5], [1.0, 2.0])])
def test_invalid_figures(figures, seconds):
    """Invalid figures, and a wrong number of seconds, are refused."""
    with pytest.raises(UsageError):
        tuning_curve(figures, seconds)
