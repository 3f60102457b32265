"""Select the step to keep, by the area under the ROC curve (AUC) on held-out videos."""

from __future__ import annotations

import math

import numpy as np

from wsvad.loop.curve import TEST_AUC, VAL_AUC, Curve
from wsvad.metrics.ranking import UndefinedMetric, roc_auc


def rank_auc(scores: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> float:
    """Return the AUC of weighted scores; ties count half.

    Args:
        scores: [N] scores; higher means anomalous.
        positives: [N] number of anomalous items with each score (a video: 0 or 1; a clip: its anomalous frames).
        negatives: [N] number of normal items with each score.

    Returns:
        AUC from 0 to 1, where 1 means that all anomalous items score above all normal ones; NaN if a class is missing
        or a score is not finite.
    """
    if not np.isfinite(scores).all():
        return math.nan
    truth = np.repeat([True, False], len(scores))
    try:
        return roc_auc(truth, np.concatenate([scores, scores]), np.concatenate([positives, negatives]))
    except UndefinedMetric:
        return math.nan


def is_selected(auc: float, before: list[float]) -> bool:
    """Whether a step with this AUC replaces earlier ones: it must be at least as good as all of them.

    Ties are common with few validation videos; of equal steps the later one is preferred, as it was trained longer.
    """
    return not np.isnan(auc) and all(auc >= other for other in before)


def out_of_patience(aucs: list[float], patience: int) -> bool:
    """Whether none of the last ``patience`` evaluations exceeds the best one before them; always False for 0."""
    if not patience or len(aucs) <= patience or np.isnan(aucs).any():
        return False
    return max(aucs[-patience:]) <= max(aucs[:-patience])


def positive_frames(
    start_frame_T: np.ndarray, end_frame_T: np.ndarray, spans: tuple[tuple[int, int], ...]
) -> np.ndarray:
    """Return the number of frames of each half-open clip in disjoint, half-open anomalous spans, int64 [T]."""
    inside = np.zeros(len(start_frame_T), np.int64)
    for start, end in spans:
        inside += np.maximum(0, np.minimum(end_frame_T, end) - np.maximum(start_frame_T, start))
    return inside


def selected_step(curve: Curve) -> tuple[int, float]:
    """Return the step whose weights are kept, and its validation AUC: the best step, or the last one of equal steps.

    Returns the last step and NaN if nothing was evaluated or the validation videos have only one class.
    """
    column = curve.column(VAL_AUC)
    return max(column, key=lambda pair: (pair[1], pair[0])) if column else (len(curve.rows), math.nan)


def best_on_test(curve: Curve) -> tuple[int, float]:
    """Return the best step on the test videos and its AUC, for reports only; ``(0, NaN)`` if not evaluated."""
    column = curve.column(TEST_AUC)
    return max(column, key=lambda pair: pair[1]) if column else (0, math.nan)
