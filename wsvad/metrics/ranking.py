"""Curves over a threshold, and what is read off them. Equal scores are one threshold; nothing is interpolated.

All functions take ``truth_N`` (bool, true = anomalous) and ``scores_N`` (finite, higher = more anomalous), optionally
``weights_N`` (how often each item counts). scikit-learn computes them. It takes more than a second to load, so it is
loaded by the first figure and not with this module.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wsvad.errors import UsageError

Floats = npt.NDArray[np.float64]


class UndefinedMetric(UsageError):
    """The metric has no value for this input, e.g. because there is one class only; the message says why."""


class Curve(NamedTuple):
    """Points of a curve, in the order in which a falling threshold reaches them."""

    x: Floats
    y: Floats
    thresholds: Floats
    """Of each point; ``inf`` where nothing is flagged yet."""


class OperatingPoint(NamedTuple):
    """A threshold and what it does. Flagged is what scores at least ``threshold``."""

    threshold: float
    false_alarm_rate: float
    detection_rate: float | None
    """Share of the anomalous items that are flagged; None where there is none."""


def roc_curve(truth_N: npt.ArrayLike, scores_N: npt.ArrayLike, weights_N: npt.ArrayLike | None = None) -> Curve:
    """Detection rate (y) over false alarm rate (x), both in [0, 1]; a point for every distinct score, from (0, 0) on.

    Raises:
        UsageError: not vectors of one length, a score that is not finite, or a negative weight.
        UndefinedMetric: there is nothing to score, or one class only.
    """
    truth, scores, weights = _of_both_classes(truth_N, scores_N, weights_N)
    from sklearn.metrics import roc_curve as curve

    return Curve(*curve(truth, scores, sample_weight=weights, drop_intermediate=False))


def roc_auc(truth_N: npt.ArrayLike, scores_N: npt.ArrayLike, weights_N: npt.ArrayLike | None = None) -> float:
    """Area under the ROC curve, in [0, 1]: how often an anomalous item scores above a normal one, ties half.

    1 means that some threshold separates the two without an error, 0.5 is chance. Raises as :func:`roc_curve`.

    The area is taken over counts and divided once, at the end, which is exact where weights are whole numbers: equal
    areas are equal numbers. ``sklearn.metrics.roc_auc_score`` rounds rates first, and two orders of the same area then
    differ in the last digit, which would decide which step of a training is selected.
    """
    truth, scores, weights = _of_both_classes(truth_N, scores_N, weights_N)
    from sklearn.metrics import auc, confusion_matrix_at_thresholds

    _, false_alarms, _, hits, _ = confusion_matrix_at_thresholds(truth, scores, sample_weight=weights)
    area = auc(np.concatenate(([0.0], false_alarms)), np.concatenate(([0.0], hits)))
    return float(area / (false_alarms[-1] * hits[-1]))


def precision_recall_curve(
    truth_N: npt.ArrayLike, scores_N: npt.ArrayLike, weights_N: npt.ArrayLike | None = None
) -> Curve:
    """Precision (y) over recall (x), both in [0, 1]; a point for every distinct score, from (0, 1) on.

    Raises as :func:`roc_curve`, but a normal item is not needed.
    """
    truth, scores, weights = _with_anomalies(truth_N, scores_N, weights_N)
    from sklearn.metrics import precision_recall_curve as curve

    precision, recall, thresholds = curve(truth, scores, sample_weight=weights)
    return Curve(recall[::-1], precision[::-1], np.concatenate(([np.inf], thresholds[::-1])))


def average_precision(truth_N: npt.ArrayLike, scores_N: npt.ArrayLike, weights_N: npt.ArrayLike | None = None) -> float:
    """Mean precision over the gains in recall, in [0, 1], without interpolation.

    1 means that every anomalous item scores above every normal one; chance is the share of anomalous items. Raises as
    :func:`precision_recall_curve`.
    """
    truth, scores, weights = _with_anomalies(truth_N, scores_N, weights_N)
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, scores, sample_weight=weights))


def false_alarm_rate(normal_scores_N: npt.ArrayLike, threshold: float) -> float:
    """Share of normal items that score at least ``threshold``, in [0, 1]; 1 means that all raise an alarm.

    Sultani et al. 2018 report it over the frames of normal videos at 0.5.

    Raises:
        UndefinedMetric: there is no normal item.
    """
    scores = np.asarray(normal_scores_N, dtype=np.float64)
    if not scores.size:
        raise UndefinedMetric("there is no frame of a normal video")
    return float(np.mean(scores >= threshold))


def threshold_at(normal_scores_N: npt.ArrayLike, rate: float, anomalous_scores_M: npt.ArrayLike = ()) -> OperatingPoint:
    """Find the lowest threshold whose false alarm rate is at most ``rate``.

    Args:
        normal_scores_N: scores of the normal items.
        rate: wanted false alarm rate, in [0, 1].
        anomalous_scores_M: scores of the anomalous items, for the detection rate at that threshold.

    Returns:
        The threshold is the lowest score that occurs and is rare enough among normal items, or the next number above
        all scores where none is.

    Raises:
        UsageError: the rate is out of bounds.
        UndefinedMetric: there is no normal item.
    """
    if not 0 <= rate <= 1:
        raise UsageError(f"the false alarm rate must be in [0, 1], got {rate}")
    normal = np.sort(np.asarray(normal_scores_N, dtype=np.float64))
    anomalous = np.asarray(anomalous_scores_M, dtype=np.float64)
    if not normal.size:
        raise UndefinedMetric("there is no frame of a normal video")
    candidates = np.unique(np.concatenate((normal, anomalous)))
    rates = (normal.size - np.searchsorted(normal, candidates, side="left")) / normal.size
    rare = candidates[rates <= rate]
    threshold = float(rare[0] if rare.size else np.nextafter(candidates[-1], np.inf))
    reached = float(np.mean(normal >= threshold))
    return OperatingPoint(threshold, reached, float(np.mean(anomalous >= threshold)) if anomalous.size else None)


def _with_anomalies(
    truth_N: npt.ArrayLike, scores_N: npt.ArrayLike, weights_N: npt.ArrayLike | None
) -> tuple[npt.NDArray[np.bool_], Floats, Floats | None]:
    """Check what was given, in words of ours: scikit-learn warns, or takes it for something else."""
    truth, scores = np.asarray(truth_N, dtype=bool), np.asarray(scores_N, dtype=np.float64)
    weights = None if weights_N is None else np.asarray(weights_N, dtype=np.float64)
    if not (truth.ndim == 1 and truth.shape == scores.shape == (truth if weights is None else weights).shape):
        shapes = [a.shape for a in (truth, scores, weights) if a is not None]
        raise UsageError(f"expected vectors of one length, got {', '.join(map(str, shapes))}")
    if not np.isfinite(scores).all():
        raise UsageError(f"scores must be finite; {np.count_nonzero(~np.isfinite(scores))} of {scores.size} are not")
    if weights is not None and not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise UsageError("weights must be finite and at least 0")
    if not scores.size:
        raise UndefinedMetric("there is nothing to score")
    if not _counts(truth, weights):
        raise UndefinedMetric("nothing is anomalous: one class only")
    return truth, scores, weights


def _of_both_classes(
    truth_N: npt.ArrayLike, scores_N: npt.ArrayLike, weights_N: npt.ArrayLike | None
) -> tuple[npt.NDArray[np.bool_], Floats, Floats | None]:
    truth, scores, weights = _with_anomalies(truth_N, scores_N, weights_N)
    if not _counts(~truth, weights):
        raise UndefinedMetric("everything is anomalous: one class only")
    return truth, scores, weights


def _counts(class_N: npt.NDArray[np.bool_], weights_N: Floats | None) -> bool:
    """Whether anything of a class counts."""
    return bool(class_N.any() if weights_N is None else weights_N[class_N].any())
