"""Ranking metrics and curves over a threshold. Equal scores are one threshold; nothing is interpolated.

All functions take ``truth_N`` (bool, true = anomalous) and ``scores_N`` (finite, higher = more anomalous), optionally
``weights_N`` (how often each item counts). They use scikit-learn, which takes more than a second to import and is
therefore imported on first use.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wsvad.errors import UsageError

Floats = npt.NDArray[np.float64]


class UndefinedMetric(UsageError):
    """The metric is undefined for this input, e.g. because there is only one class; the message states why."""


class Curve(NamedTuple):
    """Points of a curve, in the order of a falling threshold."""

    x: Floats
    y: Floats
    thresholds: Floats
    """Threshold of each point; ``inf`` where nothing is flagged."""


class OperatingPoint(NamedTuple):
    """A threshold and its rates. Items that score at least ``threshold`` are flagged."""

    threshold: float
    false_alarm_rate: float
    detection_rate: float | None
    """Fraction of the anomalous items that are flagged; None if there are none."""


def roc_curve(truth_N: npt.ArrayLike, scores_N: npt.ArrayLike, weights_N: npt.ArrayLike | None = None) -> Curve:
    """Return detection rate (y) over false alarm rate (x), both in [0, 1], at every distinct score, from (0, 0).

    Raises:
        UsageError: the vectors have different lengths, a score is not finite, or a weight is negative.
        UndefinedMetric: there are no items, or only one class.
    """
    truth, scores, weights = _of_both_classes(truth_N, scores_N, weights_N)
    from sklearn.metrics import roc_curve as curve

    return Curve(*curve(truth, scores, sample_weight=weights, drop_intermediate=False))


def roc_auc(truth_N: npt.ArrayLike, scores_N: npt.ArrayLike, weights_N: npt.ArrayLike | None = None) -> float:
    """Return the area under the ROC curve, in [0, 1]: how often an anomalous item scores above a normal one, ties half.

    1 means that some threshold separates the classes perfectly, 0.5 is chance. Raises as :func:`roc_curve`.

    The area is computed from counts and divided once, which is exact for integer weights: equal areas give equal
    numbers. ``sklearn.metrics.roc_auc_score`` rounds rates first, so two orders with the same area may differ in the
    last digit, which could decide which training step is selected.

    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.9])
    0.875
    """
    truth, scores, weights = _of_both_classes(truth_N, scores_N, weights_N)
    from sklearn.metrics import auc, confusion_matrix_at_thresholds

    _, false_alarms, _, hits, _ = confusion_matrix_at_thresholds(truth, scores, sample_weight=weights)
    area = auc(np.concatenate(([0.0], false_alarms)), np.concatenate(([0.0], hits)))
    return float(area / (false_alarms[-1] * hits[-1]))


def precision_recall_curve(
    truth_N: npt.ArrayLike, scores_N: npt.ArrayLike, weights_N: npt.ArrayLike | None = None
) -> Curve:
    """Return precision (y) over recall (x), both in [0, 1], at every distinct score, from (0, 1).

    Raises as :func:`roc_curve`, but normal items are not required.
    """
    truth, scores, weights = _with_anomalies(truth_N, scores_N, weights_N)
    from sklearn.metrics import precision_recall_curve as curve

    precision, recall, thresholds = curve(truth, scores, sample_weight=weights)
    return Curve(recall[::-1], precision[::-1], np.concatenate(([np.inf], thresholds[::-1])))


def average_precision(truth_N: npt.ArrayLike, scores_N: npt.ArrayLike, weights_N: npt.ArrayLike | None = None) -> float:
    """Return the mean precision weighted by the increase in recall, in [0, 1], without interpolation.

    1 means that every anomalous item scores above every normal one; chance is the fraction of anomalous items. Raises
    as :func:`precision_recall_curve`.

    >>> average_precision([0, 1, 0, 1], [0.1, 0.4, 0.5, 0.9])
    0.8333333333333333
    """
    truth, scores, weights = _with_anomalies(truth_N, scores_N, weights_N)
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, scores, sample_weight=weights))


def false_alarm_rate(normal_scores_N: npt.ArrayLike, threshold: float) -> float:
    """Return the fraction of normal items that score at least ``threshold``, in [0, 1].

    Sultani et al. 2018 report it over the frames of normal videos at 0.5.

    Raises:
        UndefinedMetric: there are no normal items.
    """
    scores = np.asarray(normal_scores_N, dtype=np.float64)
    if not scores.size:
        raise UndefinedMetric("there are no frames of normal videos")
    return float(np.mean(scores >= threshold))


def threshold_at(normal_scores_N: npt.ArrayLike, rate: float, anomalous_scores_M: npt.ArrayLike = ()) -> OperatingPoint:
    """Return the lowest threshold with a false alarm rate of at most ``rate``.

    Args:
        normal_scores_N: scores of the normal items.
        rate: maximum false alarm rate, in [0, 1].
        anomalous_scores_M: scores of the anomalous items, for the detection rate at that threshold.

    Returns:
        The threshold is the lowest occurring score within the rate, or the next float above all scores if there is
        none.

    Raises:
        UsageError: the rate is out of range.
        UndefinedMetric: there are no normal items.
    """
    if not 0 <= rate <= 1:
        raise UsageError(f"the false alarm rate must be in [0, 1], got {rate}")
    normal = np.sort(np.asarray(normal_scores_N, dtype=np.float64))
    anomalous = np.asarray(anomalous_scores_M, dtype=np.float64)
    if not normal.size:
        raise UndefinedMetric("there are no frames of normal videos")
    candidates = np.unique(np.concatenate((normal, anomalous)))
    rates = (normal.size - np.searchsorted(normal, candidates, side="left")) / normal.size
    within = candidates[rates <= rate]
    threshold = float(within[0] if within.size else np.nextafter(candidates[-1], np.inf))
    reached = float(np.mean(normal >= threshold))
    return OperatingPoint(threshold, reached, float(np.mean(anomalous >= threshold)) if anomalous.size else None)


def _with_anomalies(
    truth_N: npt.ArrayLike, scores_N: npt.ArrayLike, weights_N: npt.ArrayLike | None
) -> tuple[npt.NDArray[np.bool_], Floats, Floats | None]:
    """Validate the input with our own messages, because scikit-learn warns or misinterprets it."""
    truth, scores = np.asarray(truth_N, dtype=bool), np.asarray(scores_N, dtype=np.float64)
    weights = None if weights_N is None else np.asarray(weights_N, dtype=np.float64)
    if not (truth.ndim == 1 and truth.shape == scores.shape == (truth if weights is None else weights).shape):
        shapes = [a.shape for a in (truth, scores, weights) if a is not None]
        raise UsageError(f"expected vectors of equal length, got {', '.join(map(str, shapes))}")
    if not np.isfinite(scores).all():
        raise UsageError(f"scores must be finite; {np.count_nonzero(~np.isfinite(scores))} of {scores.size} are not")
    if weights is not None and not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise UsageError("weights must be finite and at least 0")
    if not scores.size:
        raise UndefinedMetric("there are no items to score")
    if not _counts(truth, weights):
        raise UndefinedMetric("nothing is anomalous: only one class")
    return truth, scores, weights


def _of_both_classes(
    truth_N: npt.ArrayLike, scores_N: npt.ArrayLike, weights_N: npt.ArrayLike | None
) -> tuple[npt.NDArray[np.bool_], Floats, Floats | None]:
    truth, scores, weights = _with_anomalies(truth_N, scores_N, weights_N)
    if not _counts(~truth, weights):
        raise UndefinedMetric("everything is anomalous: only one class")
    return truth, scores, weights


def _counts(class_N: npt.NDArray[np.bool_], weights_N: Floats | None) -> bool:
    """Return whether any item of a class has a positive weight."""
    return bool(class_N.any() if weights_N is None else weights_N[class_N].any())
