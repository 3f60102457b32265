"""Paired comparison of rows with common seeds and videos, verified by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from wsvad.metrics.paired import compare_pairs, holm


def test_results_equal_those_of_scipy():
    """Mean, deviation and p of the paired t-test; seeds without a value in both are excluded."""
    row, base = [0.7, 0.8, None, 0.75, 0.6], [0.6, 0.9, 0.5, 0.7, None]
    found = compare_pairs(row, base)
    differences = np.array([0.1, -0.1, 0.05])
    assert found.seeds == 3
    assert found.difference == pytest.approx(differences.mean())
    assert found.deviation == pytest.approx(differences.std(ddof=1))
    assert found.p == pytest.approx(stats.ttest_rel([0.7, 0.8, 0.75], [0.6, 0.9, 0.7]).pvalue)
    assert (found.low, found.high, found.worse) == (None, None, None)


@pytest.mark.parametrize(
    ("row", "base", "seeds", "difference"), [([], [], 0, None), ([None], [0.5], 0, None), ([0.5], [0.25], 1, 0.25)]
)
def test_too_few_pairs_have_no_test(row, base, seeds, difference):
    """The test is also undefined if all differences are equal."""
    found = compare_pairs(row, base)
    assert (found.seeds, found.difference, found.p, found.worse) == (seeds, difference, None, None)
    assert compare_pairs([0.5, 0.6], [0.5, 0.6]).p is None


def test_the_paired_test_keeps_its_level():
    """Equal rows with 10 seeds of correlated values: rejected at 5 % in 3 to 7 % of 4,000 tables."""
    rng = np.random.default_rng(0)
    shared = rng.normal(0.8, 0.05, (4000, 10))
    row, base = (shared + rng.normal(0, 0.01, shared.shape) for _ in range(2))
    rejected = [compare_pairs(r, b).p < 0.05 for r, b in zip(row.tolist(), base.tolist(), strict=True)]
    assert 0.03 < np.mean(rejected) < 0.07


def test_the_family_keeps_its_level_and_a_real_loss_is_detected():
    """Any of several equal rows is rejected in at most 5 % of the tables; a real loss is detected in most."""
    rng = np.random.default_rng(1)
    tables, rows, seeds = 700, 12, 10
    wrong = found = 0
    for _ in range(tables):
        base = rng.normal(0.8, 0.01, seeds)
        alike = [compare_pairs(rng.normal(0.8, 0.01, seeds), base).p for _ in range(rows - 1)]
        lost = compare_pairs(rng.normal(0.76, 0.01, seeds), base).p
        corrected = holm([*alike, lost])
        wrong += any(p is not None and p < 0.05 for p in corrected[:-1])
        found += corrected[-1] < 0.05
    assert wrong / tables <= 0.07
    assert found / tables > 0.95


def test_a_family_of_equal_rows_is_rejected_in_at_most_five_percent():
    """Families of 12 rows that share a base, and families of 12 independent comparisons, 1,500 of each: any row
    is rejected in at most 5 %, plus three standard errors of the simulation (1.7 %). Without Holm it would be 20 %.
    """
    rng = np.random.default_rng(5)
    families, rows, seeds = 1500, 12, 10
    tolerance = 3 * np.sqrt(0.05 * 0.95 / families)
    for bases in (1, rows):
        base = rng.normal(0.8, 0.02, (families, bases, seeds)).repeat(rows // bases, axis=1)
        row = base + rng.normal(0, 0.01, (families, 1, seeds)) * (bases == 1) + rng.normal(0, 0.01, base.shape)
        plain = [
            [compare_pairs(r, b).p for r, b in zip(rows_, bases_, strict=True)]
            for rows_, bases_ in zip(row.tolist(), base.tolist(), strict=True)
        ]
        assert 0.03 < np.mean(np.array(plain) < 0.05) < 0.07
        assert np.mean([min(p) < 0.05 for p in plain]) > 0.15
        assert np.mean([min(holm(p)) < 0.05 for p in plain]) <= 0.05 + tolerance


def test_holm_by_hand():
    """Compared with an explicit computation: monotonic, at most 1, None values excluded."""
    assert holm([0.01, None, 0.04, 0.03]) == [pytest.approx(0.03), None, pytest.approx(0.06), pytest.approx(0.06)]
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_bootstrap_coverage_over_seeds_and_videos():
    """About 95 % of the intervals of 400 tables contain the true difference; a clear loss is worse in all resamples."""
    rng = np.random.default_rng(2)
    seeds, videos, resamples, truth = 12, 60, 400, -0.02
    held = 0
    for table in range(400):
        video_V = rng.normal(0, 0.1, videos)
        effect_V = truth + rng.normal(0, 0.05, videos)
        base_SV = 0.8 + video_V + rng.normal(0, 0.03, (seeds, 1)) + rng.normal(0, 0.05, (seeds, videos))
        row_SV = base_SV + effect_V + rng.normal(0, 0.03, (seeds, 1)) + rng.normal(0, 0.05, (seeds, videos))
        weights_RV = rng.multinomial(videos, np.full(videos, 1 / videos), size=resamples) / videos
        row, base = row_SV.mean(axis=1).tolist(), base_SV.mean(axis=1).tolist()
        found = compare_pairs(row, base, row_SV @ weights_RV.T, base_SV @ weights_RV.T, seed=table)
        held += found.low <= truth <= found.high
    assert 0.90 < held / 400 < 0.99
    worse = compare_pairs([0.5] * 4, [0.9] * 4, np.full((4, 50), 0.5), np.full((4, 50), 0.9))
    assert (worse.worse, worse.low, worse.high) == (1.0, pytest.approx(-0.4), pytest.approx(-0.4))
    same = compare_pairs([0.5] * 4, [0.5] * 4, np.full((4, 50), 0.5), np.full((4, 50), 0.5))
    assert same.worse == 0.5
