"""Bootstrap: resampling with weights equals resampling with copies."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from wsvad.metrics.bootstrap import Ratio, ScoreCounts, draw, interval, resampled
from wsvad.metrics.ranking import average_precision, roc_auc, threshold_at


def make_videos(seed: int = 0, count: int = 8, levels: int = 9) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return videos of different lengths whose scores have ties."""
    rng = np.random.default_rng(seed)
    truth = [rng.random(rng.integers(5, 30)) < 0.4 for _ in range(count)]
    scores = [rng.integers(0, levels, t.size) / levels + 0.0 for t in truth]
    return truth, scores


@pytest.mark.parametrize("seed", range(4))
def test_weighted_resamples_equal_copied_videos(seed: int) -> None:
    """AUC, AP and the threshold at a false alarm rate, compared with scikit-learn on copied frames."""
    truth, scores = make_videos(seed)
    counts = ScoreCounts.of(truth, scores)
    weights = draw([0, 1] * 4, 20, seed)
    values = (
        counts.auc(weights),
        counts.ap(weights),
        counts.threshold_at(weights, 0.2),
        counts.detection_at(weights, 0.2),
    )
    for row, auc, ap, threshold, detection in zip(weights.astype(int), *values, strict=True):
        copied_truth = np.concatenate([np.tile(t, n) for t, n in zip(truth, row, strict=True)])
        copied = np.concatenate([np.tile(s, n) for s, n in zip(scores, row, strict=True)])
        assert auc == pytest.approx(sk.roc_auc_score(copied_truth, copied), abs=1e-12)
        assert ap == pytest.approx(sk.average_precision_score(copied_truth, copied), abs=1e-12)
        point = threshold_at(copied[~copied_truth], 0.2, copied[copied_truth])
        assert (threshold, detection) == pytest.approx((point.threshold, point.detection_rate))


def test_weights_of_one_give_the_point_value() -> None:
    """Every video occurs once."""
    truth, scores = make_videos(7)
    counts, ones = ScoreCounts.of(truth, scores), np.ones((1, len(truth)))
    every = np.concatenate(truth), np.concatenate(scores)
    assert counts.auc(ones)[0] == pytest.approx(roc_auc(*every), abs=1e-12)
    assert counts.ap(ones)[0] == pytest.approx(average_precision(*every), abs=1e-12)


def test_binning_changes_values_only_slightly() -> None:
    """20,000 distinct scores in 2,048 bins."""
    rng = np.random.default_rng(0)
    truth = [rng.random(2000) < 0.3 for _ in range(10)]
    scores = [rng.normal(t * 0.7) for t in truth]
    counts, ones = ScoreCounts.of(truth, scores), np.ones((1, 10))
    every = np.concatenate(truth), np.concatenate(scores)
    assert counts.anomalous_VB.shape[1] <= 2048
    assert counts.auc(ones)[0] == pytest.approx(roc_auc(*every), abs=2e-4)
    assert counts.ap(ones)[0] == pytest.approx(average_precision(*every), abs=2e-3)


def test_resamples_are_stratified_and_seeded() -> None:
    """The number of videos of each label is constant; the same seed gives the same resamples."""
    strata = [0] * 5 + [1] * 3
    weights = draw(strata, 50, 3)
    assert (weights[:, :5].sum(axis=1) == 5).all()
    assert (weights[:, 5:].sum(axis=1) == 3).all()
    assert (weights == draw(strata, 50, 3)).all()
    assert (weights != draw(strata, 50, 4)).any()


def test_the_interval_of_a_mean_equals_the_normal_approximation() -> None:
    """For the mean of 400 values the percentile interval is close to +-1.96 standard errors."""
    values = np.random.default_rng(1).normal(size=400)
    found = interval(resampled(Ratio(values, np.ones(400)).value, draw(np.zeros(400), 4000, 0)))
    assert found is not None
    error = values.std() / 20
    assert (found.low, found.high) == pytest.approx(
        (values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.15 * error
    )


def test_undefined_resamples_are_excluded_and_counted() -> None:
    """Only one of two videos has frames: a quarter of the resamples do not contain it."""
    found = interval(resampled(Ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0])).value, draw([0, 0], 400, 0)))
    assert found is not None
    assert (found.low, found.high) == (0.5, 0.5)
    assert 60 < found.undefined < 140
    assert interval(resampled(Ratio(np.zeros(2), np.zeros(2)).value, draw([0, 0], 400, 0))) is None
