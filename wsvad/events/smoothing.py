"""Smoothing of clip scores over time, with gaps between clips."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def smooth(start_T: npt.ArrayLike, scores_T: npt.ArrayLike, width_s: float) -> Floats:
    """Smooth scores with a triangular kernel over clip start times.

    A clip that starts ``d`` seconds earlier or later has the weight ``1 - d / width_s``, and 0 from ``width_s`` on. The
    weights are normalised over the clips that exist, so missing clips do not count as 0. A value depends only on clips
    within ``width_s``, and is identical bit for bit whatever else is in the series.

    Args:
        start_T: start of each clip in seconds, ascending; equal values are allowed.
        scores_T: score of each clip.
        width_s: half width of the kernel in seconds; 0 returns the scores unchanged.

    Returns:
        float64 ``[T]``, each between the minimum and the maximum of the averaged scores.
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
    # Rounding must not move a mean of equal scores across a threshold.
    return np.asarray(np.clip(total / weights, lowest, highest))
