"""Curves over a threshold, and what is read off them. Equal scores are one threshold; nothing is interpolated.

All functions take ``truth_N`` (bool, true = anomalous) and ``scores_N`` (finite, higher = more anomalous), optionally
``weights_N`` (how often each item counts). The values are those of scikit-learn, ties included.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wsvad.errors import UsageError

Floats = npt.NDArray[np.float64]


class UndefinedMetric(UsageError):
    """The metric has no value for this input, e.g. because there is one class only; the message says why."""


class Steps(NamedTuple):
    """What is flagged at each distinct score, from the highest on down."""

    thresholds: Floats
    """Distinct scores, descending; flagged is what scores at least as high."""
    hits: Floats
    """Anomalous items flagged at each threshold; the last entry is all of them."""
    false_alarms: Floats
    """Normal items flagged at each threshold; the last entry is all of them."""


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


def steps(truth_N: npt.ArrayLike, scores_N: npt.ArrayLike, weights_N: npt.ArrayLike | None = None) -> Steps:
    """Count what is flagged at each distinct score.

    Raises:
        UsageError: not two vectors of one length, a score that is not finite, or a negative weight.
        UndefinedMetric: there is nothing to count.
    """
    truth, scores = np.asarray(truth_N, dtype=bool), np.asarray(scores_N, dtype=np.float64)
    weights = np.ones(scores.shape) if weights_N is None else np.asarray(weights_N, dtype=np.float64)
    if not (truth.ndim == 1 and truth.shape == scores.shape == weights.shape):
        raise UsageError(f"expected vectors of one length, got {truth.shape}, {scores.shape}, {weights.shape}")
    if not np.isfinite(scores).all():
        raise UsageError(f"scores must be finite; {np.count_nonzero(~np.isfinite(scores))} of {scores.size} are not")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise UsageError("weights must be finite and at least 0")
    if not scores.size:
        raise UndefinedMetric("there is nothing to score")
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
    hits = np.cumsum(weights[order] * truth[order])[last]
    false_alarms = np.cumsum(weights[order] * ~truth[order])[last]
    return Steps(ordered[last], hits, false_alarms)


def roc_curve(truth_N: npt.ArrayLike, scores_N: npt.ArrayLike, weights_N: npt.ArrayLike | None = None) -> Curve:
    """Detection rate (y) over false alarm rate (x), both in [0, 1]; a point for every distinct score, from (0, 0) on.

    As ``sklearn.metrics.roc_curve(drop_intermediate=False)``. Raises as :func:`steps`, and ``UndefinedMetric`` for
    one class only.
    """
    found = steps(truth_N, scores_N, weights_N)
    positives, negatives = _both_classes(found)
    return Curve(
        np.concatenate(([0.0], found.false_alarms / negatives)),
        np.concatenate(([0.0], found.hits / positives)),
        np.concatenate(([np.inf], found.thresholds)),
    )


def roc_auc(truth_N: npt.ArrayLike, scores_N: npt.ArrayLike, weights_N: npt.ArrayLike | None = None) -> float:
    """Area under the ROC curve, in [0, 1]: how often an anomalous item scores above a normal one, ties half.

    1 means that some threshold separates the two without an error, 0.5 is chance. As
    ``sklearn.metrics.roc_auc_score``. Raises as :func:`roc_curve`.
    """
    x, y, _ = roc_curve(truth_N, scores_N, weights_N)
    return float(np.trapezoid(y, x))


def precision_recall_curve(
    truth_N: npt.ArrayLike, scores_N: npt.ArrayLike, weights_N: npt.ArrayLike | None = None
) -> Curve:
    """Precision (y) over recall (x), both in [0, 1]; a point for every distinct score, from (0, 1) on.

    As ``sklearn.metrics.precision_recall_curve``, whose order is reversed. Raises as :func:`steps`, and
    ``UndefinedMetric`` where nothing is anomalous.
    """
    found = steps(truth_N, scores_N, weights_N)
    positives = _positives(found)
    flagged = found.hits + found.false_alarms
    precision = np.divide(found.hits, flagged, out=np.ones_like(flagged), where=flagged > 0)
    return Curve(
        np.concatenate(([0.0], found.hits / positives)),
        np.concatenate(([1.0], precision)),
        np.concatenate(([np.inf], found.thresholds)),
    )


def average_precision(truth_N: npt.ArrayLike, scores_N: npt.ArrayLike, weights_N: npt.ArrayLike | None = None) -> float:
    """Mean precision over the gains in recall, in [0, 1], without interpolation.

    1 means that every anomalous item scores above every normal one; chance is the share of anomalous items. As
    ``sklearn.metrics.average_precision_score``. Raises as :func:`precision_recall_curve`.
    """
    recall, precision, _ = precision_recall_curve(truth_N, scores_N, weights_N)
    return float(np.sum(np.diff(recall) * precision[1:]))


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


def _positives(found: Steps) -> float:
    if not found.hits[-1] > 0:
        raise UndefinedMetric("nothing is anomalous: one class only")
    return float(found.hits[-1])


def _both_classes(found: Steps) -> tuple[float, float]:
    positives = _positives(found)
    if not found.false_alarms[-1] > 0:
        raise UndefinedMetric("everything is anomalous: one class only")
    return positives, float(found.false_alarms[-1])
