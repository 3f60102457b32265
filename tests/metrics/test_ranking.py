"""Ranking metrics and curves, compared with scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from wsvad.errors import UsageError
from wsvad.metrics.ranking import (
    UndefinedMetric,
    average_precision,
    false_alarm_rate,
    precision_recall_curve,
    roc_auc,
    roc_curve,
    threshold_at,
)


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ground truth with both classes, scores with many ties, integer weights."""
    size = draw(st.integers(2, 40))
    truth = np.array([True, False, *draw(st.lists(st.booleans(), min_size=size - 2, max_size=size - 2))])
    levels = draw(st.integers(1, 12))
    scores = np.array(draw(st.lists(st.integers(0, levels), min_size=size, max_size=size))) / 7
    weights = np.array(draw(st.lists(st.integers(1, 4), min_size=size, max_size=size)), dtype=float)
    return truth, scores, weights


@settings(max_examples=60, deadline=None)
@given(problems())
def test_areas_equal_those_of_scikit_learn(problem: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """With ties and weights, up to rounding."""
    truth, scores, weights = problem
    assert roc_auc(truth, scores) == pytest.approx(sk.roc_auc_score(truth, scores), abs=1e-12)
    assert average_precision(truth, scores) == pytest.approx(sk.average_precision_score(truth, scores), abs=1e-12)
    weighted = sk.roc_auc_score(truth, scores, sample_weight=weights)
    assert roc_auc(truth, scores, weights) == pytest.approx(weighted, abs=1e-12)
    weighted = sk.average_precision_score(truth, scores, sample_weight=weights)
    assert average_precision(truth, scores, weights) == pytest.approx(weighted, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(problems())
def test_curves_equal_those_of_scikit_learn(problem: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Point by point, including thresholds."""
    truth, scores, _ = problem
    ours, theirs = roc_curve(truth, scores), sk.roc_curve(truth, scores, drop_intermediate=False)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    recall, precision, thresholds = precision_recall_curve(truth, scores)
    their_precision, their_recall, their_thresholds = sk.precision_recall_curve(truth, scores)
    np.testing.assert_allclose(precision[::-1], their_precision, atol=1e-12)
    np.testing.assert_allclose(recall[::-1], their_recall, atol=1e-12)
    np.testing.assert_allclose(thresholds[:0:-1], their_thresholds)


@settings(max_examples=30, deadline=None)
@given(problems())
def test_auc_counts_pairs(problem: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """It is the fraction of (anomalous, normal) pairs in the right order; ties count half."""
    truth, scores, _ = problem
    a, n = scores[truth][:, None], scores[~truth][None]
    assert roc_auc(truth, scores) == pytest.approx(np.mean((a > n) + 0.5 * (a == n)), abs=1e-12)


def test_equal_areas_are_equal_numbers() -> None:
    """Two orders with 7 of 12 correct pairs give the same number, unlike in ``roc_auc_score``."""
    scores = np.arange(7) / 7
    one, other = (np.isin(np.arange(7), anomalous) for anomalous in ([0, 4, 6], [1, 3, 6]))
    assert sk.roc_auc_score(one, scores) != sk.roc_auc_score(other, scores)
    assert roc_auc(one, scores) == roc_auc(other, scores) == 7 / 12


@settings(max_examples=60, deadline=None)
@given(problems())
def test_an_area_from_counts_is_exact(problem: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """It is the nearest float to the quotient of pairs, also with integer weights."""
    truth, scores, weights = problem
    a, n = np.flatnonzero(truth)[:, None], np.flatnonzero(~truth)[None]
    pairs = weights[a] * weights[n]
    right = (2 * (scores[a] > scores[n]) + (scores[a] == scores[n])) * pairs
    assert roc_auc(truth, scores, weights) == right.sum() / 2 / pairs.sum()


def test_items_of_zero_weight_do_not_count() -> None:
    """Neither in a metric nor as a class."""
    truth, scores, weights = [1, 0, 1, 0], [0.9, 0.5, 0.1, 0.05], [1, 1, 0, 0]
    assert roc_auc(truth, scores, weights) == average_precision(truth, scores, weights) == 1.0
    with pytest.raises(UndefinedMetric, match="everything is anomalous"):
        roc_auc(truth, scores, [1, 0, 1, 0])
    with pytest.raises(UndefinedMetric, match="nothing is anomalous"):
        average_precision(truth, scores, [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("truth", "scores", "auc", "ap"),
    [
        ([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.75, 0.5 * 1 + 0.5 * 2 / 3),
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], 1.0, 1.0),
        ([0, 0, 1, 1], [0.4, 0.3, 0.2, 0.1], 0.0, 0.5 * 1 / 3 + 0.5 * 2 / 4),
        ([0, 1, 1, 0], [0.5, 0.5, 0.5, 0.5], 0.5, 0.5),
        ([0, 1], [0.5, 0.5], 0.5, 0.5),
        ([1, 0, 1], [0.9, 0.9, 0.1], 0.25, 0.5 * 1 / 2 + 0.5 * 2 / 3),
    ],
)
def test_areas_by_hand(truth: list[int], scores: list[float], auc: float, ap: float) -> None:
    """Perfect, reversed, constant and tied orders."""
    assert roc_auc(truth, scores) == pytest.approx(auc)
    assert average_precision(truth, scores) == pytest.approx(ap)


@pytest.mark.parametrize("truth", [[0, 0], [1, 1], []])
def test_one_class_has_no_auc(truth: list[int]) -> None:
    """It is an error with a reason, not NaN or 0.5."""
    with pytest.raises(UndefinedMetric, match=r"only one class|no items to score"):
        roc_auc(truth, [0.5] * len(truth))


def test_average_precision_without_normal_items_is_one() -> None:
    """It requires anomalous items only; without them it is undefined."""
    assert average_precision([1, 1], [0.1, 0.2]) == 1.0
    with pytest.raises(UndefinedMetric, match="nothing is anomalous"):
        average_precision([0, 0], [0.1, 0.2])


@pytest.mark.parametrize(
    ("truth", "scores", "weights", "message"),
    [
        ([0, 1], [0.1, np.nan], None, "scores must be finite; 1 of 2 are not"),
        ([0, 1], [0.1, np.inf], None, "scores must be finite"),
        ([0, 1], [0.1], None, r"vectors of equal length, got \(2,\), \(1,\)"),
        ([[0, 1]], [[0.1, 0.2]], None, "vectors of equal length"),
        ([0, 1], [0.1, 0.2], [1, -1], "weights must be finite and at least 0"),
    ],
)
def test_invalid_input_is_rejected(truth: list, scores: list, weights: list | None, message: str) -> None:
    """NaN, infinity and inconsistent lengths are errors."""
    for figure in (roc_curve, roc_auc, precision_recall_curve, average_precision):
        with pytest.raises(UsageError, match=message):
            figure(truth, scores, weights)


@pytest.mark.parametrize(
    ("threshold", "rate"), [(0.0, 1.0), (0.3, 0.75), (0.31, 0.5), (0.5, 0.5), (0.9, 0.25), (0.91, 0.0)]
)
def test_false_alarm_rate_by_hand(threshold: float, rate: float) -> None:
    """A score equal to the threshold is an alarm."""
    assert false_alarm_rate([0.1, 0.3, 0.5, 0.9], threshold) == rate


@pytest.mark.parametrize(
    ("rate", "threshold", "reached", "detection"),
    [
        (0.0, 0.95, 0.0, 1 / 3),  # the lowest score above all normal ones
        (0.25, 0.6, 0.25, 2 / 3),
        (0.3, 0.6, 0.25, 2 / 3),
        (0.5, 0.5, 0.5, 2 / 3),
        (1.0, 0.05, 1.0, 1.0),
    ],
)
def test_threshold_at_a_false_alarm_rate_by_hand(
    rate: float, threshold: float, reached: float, detection: float
) -> None:
    """The lowest occurring score within the rate."""
    point = threshold_at([0.1, 0.3, 0.5, 0.9], rate, [0.95, 0.6, 0.05])
    assert point == pytest.approx((threshold, reached, detection))


def test_threshold_above_everything() -> None:
    """If the highest normal score exceeds the rate, the threshold is just above it."""
    point = threshold_at([0.5, 0.5], 0.1, [0.5, 0.2])
    assert point == (np.nextafter(0.5, 1), 0.0, 0.0)
    assert threshold_at([0.5], 0.0).detection_rate is None
    with pytest.raises(UndefinedMetric):
        threshold_at([], 0.1)


@settings(max_examples=30, deadline=None)
@given(problems(), st.floats(0, 1))
def test_threshold_is_the_lowest_within_the_rate(
    problem: tuple[np.ndarray, np.ndarray, np.ndarray], rate: float
) -> None:
    """The rate is met, and no lower occurring score meets it."""
    truth, scores, _ = problem
    point = threshold_at(scores[~truth], rate, scores[truth])
    assert false_alarm_rate(scores[~truth], point.threshold) == point.false_alarm_rate <= rate
    lower = scores[scores < point.threshold]
    assert all(false_alarm_rate(scores[~truth], s) > rate for s in lower)
