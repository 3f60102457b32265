"""Selection of the step to keep: AUC compared with scikit-learn, and its rules."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from wsvad.loop.curve import Curve
from wsvad.training.selection import (
    best_on_test,
    is_selected,
    out_of_patience,
    positive_frames,
    rank_auc,
    selected_step,
)

NAN = math.nan


@pytest.mark.parametrize("seed", range(5))
def test_auc_agrees_with_scikit_learn(seed):
    """With many ties and weights, for clips with several frames of both kinds."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, 40) / 5
    positives, negatives = rng.integers(0, 17, 40), rng.integers(0, 17, 40)
    truth = np.repeat(np.tile([1, 0], 40), np.stack([positives, negatives], 1).ravel())
    expected = roc_auc_score(truth, np.repeat(np.repeat(scores, 2), np.stack([positives, negatives], 1).ravel()))
    assert rank_auc(scores, positives, negatives) == pytest.approx(expected, abs=1e-12)


def test_auc_of_one_class_is_nan():
    """Instead of 0.5, which could be mistaken for a result."""
    assert math.isnan(rank_auc(np.ones(3), np.ones(3), np.zeros(3)))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_auc_of_nan_scores_is_nan(bad):
    """A diverged model must not be ranked as if NaN were a high score."""
    assert math.isnan(rank_auc(np.array([0.1, bad, 0.3]), np.array([1, 0, 1]), np.array([0, 1, 0])))


def test_equal_aucs_are_equal_numbers():
    """Independent of rounding, so that the later of two equal steps is selected."""
    scores = np.arange(7) / 7
    one, other = (np.isin(np.arange(7), anomalous).astype(int) for anomalous in ([0, 4, 6], [1, 3, 6]))
    assert rank_auc(scores, one, 1 - one) == rank_auc(scores, other, 1 - other)


@pytest.mark.parametrize(
    ("aucs", "step"),
    [
        ([0.5, 0.8, 0.7], 2),
        ([1.0, 0.9, 1.0], 3),  # of equal steps the later one
        ([NAN, NAN, NAN], 3),  # without a criterion, the last one
    ],
)
def test_selected_step(aucs, step):
    """The best on the validation videos; the loop keeps the same step."""
    curve = Curve(("step", "val_auc"), [[i + 1, auc] for i, auc in enumerate(aucs)])
    assert selected_step(curve)[0] == step
    kept = [i + 1 for i, auc in enumerate(aucs) if is_selected(auc, aucs[:i])]
    assert (kept or [3])[-1] == step


def test_best_on_test_does_not_touch_the_selection():
    """It is another column and another step."""
    curve = Curve(("step", "val_auc", "test_auc"), [[1, 0.9, 0.2], [2, 0.5, 0.8]])
    assert (selected_step(curve), best_on_test(curve)) == ((1, 0.9), (2, 0.8))
    assert math.isnan(best_on_test(Curve(("step",), [[1]]))[1])


@pytest.mark.parametrize(
    ("aucs", "patience", "stops"),
    [
        ([0.5, 0.6, 0.6], 1, True),
        ([0.5, 0.6, 0.61], 1, False),
        ([0.7, 0.6, 0.65], 2, True),
        ([0.7, 0.6], 2, False),
        ([0.7, 0.6, 0.5], 0, False),
        ([NAN, NAN, NAN], 1, False),
    ],
)
def test_patience(aucs, patience, stops):
    """The number of evaluations without improvement; 0 disables it."""
    assert out_of_patience(aucs, patience) is stops


def test_positive_frames_are_counted_as_a_loop_counts_them():
    """Half-open clips and spans, with a gap between clips."""
    starts, ends = np.array([0, 16, 48, 64]), np.array([16, 32, 64, 70])
    spans = ((5, 20), (31, 49), (60, 100))
    naive = [sum(any(a <= f < b for a, b in spans) for f in range(s, e)) for s, e in zip(starts, ends, strict=True)]
    assert positive_frames(starts, ends, spans).tolist() == naive
    assert positive_frames(starts, ends, ()).tolist() == [0, 0, 0, 0]
