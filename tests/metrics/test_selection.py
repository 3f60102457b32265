"""Correction of selection bias, verified with simulated sweeps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import norm

from wsvad.errors import UsageError
from wsvad.metrics.bootstrap import ScoreCounts, draw
from wsvad.metrics.selection import correct_selection, in_and_out

CONFIGURATIONS, SEEDS, RESAMPLES, EACH = 30, 3, 200, 30
"""Anomalous videos of a simulated sweep; there are as many normal ones."""


class Sweep(NamedTuple):
    """Metrics of one simulated sweep."""

    point_CS: np.ndarray
    in_CSR: np.ndarray
    out_CSR: np.ndarray


def sweep(rng: np.random.Generator, apart_C: np.ndarray, seed_noise: float, seeds: int = SEEDS) -> Sweep:
    """Return the AUC of normally distributed scores.

    Difficulty varies by video, by video and configuration, and by video and seed; quality varies by seed. ``apart_C``
    is the mean difference between anomalous and normal videos.
    """
    runs = len(apart_C) * seeds
    anomalous = np.arange(2 * EACH) < EACH
    luck_CS1 = seed_noise * rng.normal(size=(len(apart_C), seeds, 1))
    score_CSV = (
        (apart_C[:, None, None] + luck_CS1) * anomalous
        + 0.5 * rng.normal(size=2 * EACH)
        + 0.4 * rng.normal(size=(len(apart_C), 1, 2 * EACH))
        + np.sqrt(1 - 0.5**2 - 0.4**2) * rng.normal(size=(len(apart_C), seeds, 2 * EACH))
    )
    above = (score_CSV[:, :, :EACH, None] > score_CSV[:, :, None, EACH:]).astype(np.float32)
    above_AKN = above.reshape(runs, EACH, EACH).transpose(1, 0, 2).reshape(EACH, -1)
    weights_RV = draw(anomalous, RESAMPLES, int(rng.integers(1 << 30))).astype(np.float32)

    def areas(weights: np.ndarray) -> np.ndarray:
        a, n = weights[:, :EACH], weights[:, EACH:]
        hits_RKN = (a @ above_AKN).reshape(len(weights), runs, EACH)
        pairs_R = a.sum(axis=1) * n.sum(axis=1)
        return (np.einsum("rkn,rn->kr", hits_RKN, n) / pairs_R).reshape(len(apart_C), seeds, -1)

    return Sweep(above.mean(axis=(2, 3)), areas(weights_RV), areas((weights_RV == 0).astype(np.float32)))


def truth(apart: float, seed_noise: float) -> float:
    """Return the AUC of a configuration over infinitely many videos and seeds."""
    return float(norm.cdf(apart / np.sqrt(2 + seed_noise**2)))


@pytest.mark.parametrize(
    ("seed_noise", "seeds"),
    [(0.15, 3), (0.0, 1), *(pytest.param(*pair, marks=pytest.mark.slow) for pair in ((0.0, 3), (0.4, 3), (0.4, 2)))],
)
def test_the_best_of_equal_configurations_is_corrected(seed_noise: float, seeds: int) -> None:
    """In 500 sweeps of 30 configurations and 1 to 3 seeds the corrected best is within 0.01 of the true value, whereas
    the uncorrected best is 0.03 or more above it, with and without seed noise. The interval contains the true value.
    """
    rng = np.random.default_rng(0)
    known = truth(1.2, seed_noise)
    found = [correct_selection(*sweep(rng, np.full(CONFIGURATIONS, 1.2), seed_noise, seeds)) for _ in range(500)]
    assert np.mean([f.naive for f in found]) - known > 0.03
    assert abs(np.mean([f.corrected for f in found]) - known) < 0.01
    assert np.mean([f.low <= known <= f.high for f in found]) > 0.93
    assert {bool(f.note) for f in found} == {seeds == 1}


def test_one_seed_leaves_the_selection_bias_of_the_seed() -> None:
    """With one seed, the bias of the seed is not corrected, and the note states it."""
    rng = np.random.default_rng(0)
    found = [correct_selection(*sweep(rng, np.full(CONFIGURATIONS, 1.2), 0.4, seeds=1)) for _ in range(100)]
    assert np.mean([f.corrected for f in found]) - truth(1.2, 0.4) > 0.03
    assert all("chance in the videos, but not in the seed" in f.note for f in found)
    assert np.mean([f.naive - f.corrected for f in found]) > 0.03


@pytest.mark.parametrize(("seed_noise", "bound"), [(0.0, 0.01), (0.15, 0.01)])
def test_a_better_configuration_keeps_its_value(seed_noise: float, bound: float) -> None:
    """One of 30 is at 0.97 where the others are at 0.80. The selection within the bootstrap has less data than the
    real one, so the estimate is rather too low than too high.
    """
    rng = np.random.default_rng(1)
    apart_C = np.full(CONFIGURATIONS, 1.2)
    apart_C[7] = 2.6
    found = [correct_selection(*sweep(rng, apart_C, seed_noise)) for _ in range(200)]
    bias = np.mean([f.corrected for f in found]) - truth(2.6, seed_noise)
    assert -bound < bias < 0.005
    assert np.mean([f.best == 7 for f in found]) > 0.99
    assert np.mean([f.chosen_C[7] for f in found]) > 0.9
    assert np.mean([f.low <= truth(2.6, seed_noise) <= f.high for f in found]) > 0.85


def test_a_small_lead_is_not_overestimated() -> None:
    """0.90 among 0.80, hardly above the noise: the estimate is too low (by about 0.05), never too high."""
    rng = np.random.default_rng(2)
    apart_C = np.full(CONFIGURATIONS, 1.2)
    apart_C[0] = 1.8
    bias = np.mean([correct_selection(*sweep(rng, apart_C, 0.15)).corrected for _ in range(150)]) - truth(1.8, 0.15)
    assert -0.09 < bias < 0.005


def test_configurations_stopped_early_take_part_in_the_selection() -> None:
    """Successive halving over seeds: 30, 10, 3. The best of the 3 is far too high, the corrected value is not."""
    rng = np.random.default_rng(3)
    naive, corrected = [], []
    for _ in range(200):
        point, in_bag, out_bag = sweep(rng, np.full(CONFIGURATIONS, 1.2), 0.15)
        ten = np.argsort(-point[:, 0])[:10]
        three = ten[np.argsort(-point[ten, :2].mean(axis=1))[:3]]
        for keep, place in ((ten, 1), (three, 2)):
            gone = np.setdiff1d(np.arange(CONFIGURATIONS), keep)
            for figures in (point, in_bag, out_bag):
                figures[gone, place] = np.nan
        found = correct_selection(point, in_bag, out_bag)
        assert found.best in three
        assert found.seeds == 3
        assert "20 of 30 configurations have only one seed" in found.note
        naive.append(found.naive)
        corrected.append(found.corrected)
    assert np.mean(naive) - truth(1.2, 0.15) > 0.03
    assert -0.04 < np.mean(corrected) - truth(1.2, 0.15) < 0.01


def test_a_selection_by_hand() -> None:
    """Two configurations, two seeds, two resamples: selected with one seed, evaluated with the other."""
    in_bag = np.array([[[0.9, 0.1], [0.2, 0.3]], [[0.5, 0.5], [0.5, 0.5]]])
    out_bag = np.array([[[0.11, 0.12], [0.13, 0.14]], [[0.21, 0.22], [0.23, 0.24]]])
    found = correct_selection([[0.8, 0.6], [0.5, 0.7]], in_bag, out_bag)
    # seed 0 held out: 0.2 < 0.5 and 0.3 < 0.5, so 0.21 and 0.22; seed 1 held out: 0.9 > 0.5, 0.1 < 0.5, so 0.13, 0.24
    assert (found.best, found.naive, found.seeds) == (0, pytest.approx(0.7), 2)
    assert found.corrected == pytest.approx((0.21 + 0.22 + 0.13 + 0.24) / 4)
    assert found.chosen_C == (0.25, 0.75)
    assert found.low == pytest.approx(np.quantile([0.17, 0.23], 0.025))


def test_configurations_without_a_value_are_never_selected() -> None:
    """Missing runs, resamples without a class, no runs at all."""
    nan = np.nan
    in_bag = np.array([[[0.9, 0.9, 0.9]], [[nan] * 3], [[0.5, nan, 0.5]]])
    out_bag = np.array([[[nan, 0.3, 0.4]], [[0.99] * 3], [[0.1, 0.1, 0.1]]])
    found = correct_selection([[0.8], [nan], [0.5]], in_bag, out_bag)
    assert (found.best, found.configurations, found.undefined) == (0, 2, 1)
    assert found.corrected == pytest.approx(0.35)
    assert found.chosen_C == (1.0, 0.0, 0.0)
    none = correct_selection(np.full((2, 1), nan), in_bag[:2], out_bag[:2])
    assert (none.best, none.naive, none.corrected, none.configurations) == (None, None, None, 0)
    empty = correct_selection(np.empty((0, 0)), np.empty((0, 0, 5)), np.empty((0, 0, 5)))
    assert (empty.best, empty.chosen_C) == (None, ())
    unresampled = correct_selection([[0.8]], np.empty((1, 1, 0)), np.empty((1, 1, 0)))
    assert (unresampled.naive, unresampled.corrected, unresampled.low) == (0.8, None, None)


def test_the_best_is_among_eligible_configurations() -> None:
    """A value of fewer seeds is noisier, so by default it is not eligible."""
    point = [[0.99, np.nan], [0.7, 0.8], [0.6, 0.6]]
    figures = np.full((3, 2, 4), 0.5)
    assert correct_selection(point, figures, figures).best == 1
    assert correct_selection(point, figures, figures, eligible_C=[True, True, True]).best == 0
    assert correct_selection(point, figures, figures, eligible_C=[False, False, True]).best == 2


@pytest.mark.parametrize(
    ("point", "in_bag", "out_bag"),
    [((2,), (2, 1, 3), (2, 1, 3)), ((2, 1), (2, 1, 3), (2, 1, 4)), ((2, 2), (2, 1, 3), (2, 1, 3))],
)
def test_inconsistent_shapes_are_rejected(point, in_bag, out_bag) -> None:
    """As are infinite values, and eligibility of another number of configurations."""
    with pytest.raises(UsageError, match="expected"):
        correct_selection(np.zeros(point), np.zeros(in_bag), np.zeros(out_bag))
    with pytest.raises(UsageError, match="infinite"):
        correct_selection([[np.inf]], np.zeros((1, 1, 3)), np.zeros((1, 1, 3)))
    with pytest.raises(UsageError, match="eligibility"):
        correct_selection([[0.5]], np.zeros((1, 1, 3)), np.zeros((1, 1, 3)), eligible_C=[True, False])


def test_out_of_bag_is_the_metric_on_videos_not_drawn() -> None:
    """For every kind of metric; NaN if a class is missing."""
    rng = np.random.default_rng(0)
    truths = [rng.random(8) < 0.5 for _ in range(6)]
    scores = [rng.normal(t) for t in truths]
    statistic = ScoreCounts.of(truths, scores).auc
    weights = draw([0, 0, 0, 1, 1, 1], 50, 0)
    in_bag, out_bag = in_and_out(statistic, weights)
    for row, inside, outside in zip(weights, in_bag, out_bag, strict=True):
        left = np.flatnonzero(row == 0)
        assert inside == statistic(row[None])[0]
        if left.size:
            alone = ScoreCounts.of([truths[v] for v in left], [scores[v] for v in left]).auc(np.ones((1, left.size)))
            assert outside == pytest.approx(alone[0], nan_ok=True)
    everything, nothing = in_and_out(statistic, np.ones((1, 6)))
    assert np.isfinite(everything[0])
    assert np.isnan(nothing[0])
