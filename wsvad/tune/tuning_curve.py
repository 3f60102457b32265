"""What searching longer is worth: the best of n configurations, with a band that supposes nothing of their figures.

The curve is the median of the best of n configurations drawn from the search; the band comes from the
Dvoretzky-Kiefer-Wolfowitz bound (Massart 1990) of the distribution of figures, and so holds for all n at once
(Lourie, Cho & He 2024, arXiv 2311.09480).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wsvad.metrics.ranking import Floats


@dataclass(frozen=True)
class TuningCurve:
    """The best figure of 1, 2, … N configurations."""

    so_far_N: Floats
    """As the sweep went."""
    median_N: Floats
    """In the median over the order."""
    low_N: Floats
    """Lower end of the band of the median."""
    high_N: Floats
    """Upper end; the highest possible figure where this many trials say nothing about it."""
    level: float


def tuning_curve(values: Sequence[float], *, level: float = 0.95, most: float = 1.0) -> TuningCurve:
    """Return the curve of figures in the order of their trials.

    Args:
        values: one figure a configuration, at least one.
        level: of the band.
        most: the highest figure there can be.
    """
    figures = np.asarray(values, dtype=np.float64)
    number = len(figures)
    assert number, "expected at least one figure"
    ordered = np.sort(figures)
    width = math.sqrt(math.log(2 / (1 - level)) / (2 * number))
    share_N = 0.5 ** (1 / np.arange(1, number + 1))
    return TuningCurve(
        np.maximum.accumulate(figures),
        _quantile(ordered, share_N, most),
        _quantile(ordered, share_N - width, most),
        _quantile(ordered, share_N + width, most),
        level,
    )


def _quantile(ordered: Floats, share: Floats, most: float) -> Floats:
    """The lowest figure that at least this share of the trials does not exceed; 0 below all, ``most`` above all."""
    place = np.ceil(share * len(ordered) - 1e-9).astype(np.int64)
    padded = np.concatenate(([0.0], ordered, [most]))
    return padded[np.clip(place, 0, len(ordered) + 1)]
