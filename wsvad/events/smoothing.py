"""Smoothing of clip scores over time, where clips may be missing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def smooth(start_T: npt.ArrayLike, scores_T: npt.ArrayLike, width_s: float) -> Floats:
    """Return the mean of each clip and its neighbours, weighted by a triangular kernel.

    A clip that starts ``d`` seconds before or after has the weight ``1 - d / width_s``, from ``width_s`` on none. The
    weights of the clips that are there sum to 1, so a missing clip counts neither as 0 nor as anything else. The value
    of a clip depends on nothing farther than ``width_s``, and is the same bit for bit whatever else is in the series.

    Args:
        start_T: seconds, ascending (equal ones are allowed).
        scores_T: one score a clip.
        width_s: half width of the kernel; 0 returns the scores as they are.

    Returns:
        float64 ``[T]``, each between the smallest and the largest of the scores that it is a mean of.
    """
    start, scores = np.asarray(start_T, np.float64), np.asarray(scores_T, np.float64)
    if width_s <= 0 or len(scores) < 2:
        return scores.copy()
    total, weights = scores.copy(), np.ones_like(scores)
    lowest, highest = scores.copy(), scores.copy()
    for step in range(1, len(scores)):
        weight = 1.0 - (start[step:] - start[:-step]) / width_s
        if not (weight > 0).any():
            break
        weight = np.maximum(weight, 0.0)
        for own, other in ((slice(None, -step), slice(step, None)), (slice(step, None), slice(None, -step))):
            total[own] += weight * scores[other]
            weights[own] += weight
            lowest[own] = np.minimum(lowest[own], np.where(weight > 0, scores[other], np.inf))
            highest[own] = np.maximum(highest[own], np.where(weight > 0, scores[other], -np.inf))
    # rounding must not lift a mean of equal scores off a threshold
    return np.asarray(np.clip(total / weights, lowest, highest))
