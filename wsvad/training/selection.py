"""Which step is kept: the area under the ROC curve over held-out videos, and the rules around it."""

from __future__ import annotations

import math

import numpy as np

from wsvad.loop.curve import TEST_AUC, VAL_AUC, Curve
from wsvad.metrics.ranking import UndefinedMetric, roc_auc


def rank_auc(scores: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> float:
    """Return the area under the ROC curve of weighted scores; ties count half.

    Args:
        scores: [N] numbers; higher means anomalous.
        positives: [N] how many anomalous things have the score (a video: 0 or 1; a clip: its anomalous frames).
        negatives: [N] how many normal ones have it.

    Returns:
        0 to 1, where 1 means that every anomalous one scores above every normal one; NaN where a class is missing or
        a score is not finite.
    """
    if not np.isfinite(scores).all():
        return math.nan
    truth = np.repeat([True, False], len(scores))
    try:
        return roc_auc(truth, np.concatenate([scores, scores]), np.concatenate([positives, negatives]))
    except UndefinedMetric:
        return math.nan


def is_selected(auc: float, before: list[float]) -> bool:
    """Whether a step with this AUC takes the place of those before: at least as good as any of them.

    Few videos make ties common, and of equals the one that was trained longer is the better guess.
    """
    return not np.isnan(auc) and all(auc >= other for other in before)


def out_of_patience(aucs: list[float], patience: int) -> bool:
    """Whether the last ``patience`` evaluations were none better than the best before them; never with 0."""
    if not patience or len(aucs) <= patience or np.isnan(aucs).any():
        return False
    return max(aucs[-patience:]) <= max(aucs[:-patience])


def positive_frames(
    start_frame_T: np.ndarray, end_frame_T: np.ndarray, spans: tuple[tuple[int, int], ...]
) -> np.ndarray:
    """Return how many frames of each half-open clip lie in anomalous half-open spans (disjoint): int64 [T]."""
    inside = np.zeros(len(start_frame_T), np.int64)
    for start, end in spans:
        inside += np.maximum(0, np.minimum(end_frame_T, end) - np.maximum(start_frame_T, start))
    return inside


def selected_step(curve: Curve) -> tuple[int, float]:
    """Return the step whose weights are kept, with its validation AUC: the best, of equals the last.

    The last step, with NaN, where nothing was measured or the validation videos are of one class.
    """
    column = curve.column(VAL_AUC)
    return max(column, key=lambda pair: (pair[1], pair[0])) if column else (len(curve.rows), math.nan)


def best_on_test(curve: Curve) -> tuple[int, float]:
    """Return the step that looked best on the test, with its AUC; for reports only. ``(0, NaN)`` if not measured."""
    column = curve.column(TEST_AUC)
    return max(column, key=lambda pair: pair[1]) if column else (0, math.nan)
