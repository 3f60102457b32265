"""Paired comparison of two rows of a table that were run with the same seeds on the same videos.

Axes: S seeds, R resamples, F comparisons of a family.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from wsvad.metrics.ranking import Floats


@dataclass(frozen=True)
class Paired:
    """Comparison of a row with the base from which it differs in one factor. Differences are row minus base."""

    seeds: int
    """Number of seeds at which both have a value."""
    difference: float | None
    """Mean over seeds; None without a common seed."""
    deviation: float | None
    """Sample standard deviation of the differences; None with fewer than two seeds."""
    p: float | None
    """Two-sided paired t-test over seeds; None with fewer than two seeds, or if all differences are equal."""
    low: float | None
    """Lower end of the bootstrap interval of the difference over seeds and videos; None without resamples."""
    high: float | None
    worse: float | None
    """Fraction of resamples in which the row is worse than the base; ties count half."""
    p_family: float | None = None
    """``p`` corrected for the number of comparisons in the family (Holm 1979)."""


def compare_pairs(
    row_S: Sequence[float | None],
    base_S: Sequence[float | None],
    row_SR: Floats | None = None,
    base_SR: Floats | None = None,
    *,
    seed: int = 0,
    level: float = 0.95,
) -> Paired:
    """Compare two rows over their seeds.

    The interval is the central ``level`` of the differences of means when seeds and videos are resampled together. It
    generalises to other seeds and other test videos, with the same training videos.

    Args:
        row_S: metric of the row by seed; None if it is undefined.
        base_S: metric of the base, by the same seeds.
        row_SR: metric in resamples of the videos, the same draws for both; NaN if it is undefined.
        base_SR: same for the base.
        seed: random seed for resampling of seeds; each resample of videos has its own resample of seeds.
        level: confidence level of the interval.
    """
    pairs = [n for n, (a, b) in enumerate(zip(row_S, base_S, strict=True)) if a is not None and b is not None]
    if not pairs:
        return Paired(0, None, None, None, None, None, None)
    differences = np.array([float(row_S[n] or 0.0) - float(base_S[n] or 0.0) for n in pairs])
    several = len(pairs) > 1
    deviation = float(differences.std(ddof=1)) if several else None
    p = float(stats.ttest_1samp(differences, 0.0).pvalue) if deviation else None
    low = high = worse = None
    if row_SR is not None and base_SR is not None:
        drawn = _resampled(row_SR[pairs] - base_SR[pairs], seed)
        drawn = drawn[np.isfinite(drawn)]
        if drawn.size * 2 >= row_SR.shape[1] and drawn.size:
            low, high = (float(x) for x in np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]))
            worse = float(np.mean(drawn < 0) + np.mean(drawn == 0) / 2)
    return Paired(len(pairs), float(differences.mean()), deviation, p, low, high, worse)


def _resampled(difference_SR: Floats, seed: int) -> Floats:
    """Return the mean over seeds, which are drawn with replacement for every resample of the videos."""
    seeds, resamples = difference_SR.shape
    weights_RS = np.random.default_rng(seed).multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples)
    kept_RS = weights_RS * np.isfinite(difference_SR.T)
    total_R = np.einsum("rs,sr->r", kept_RS, np.nan_to_num(difference_SR))
    mean_R: Floats = np.divide(
        total_R, kept_RS.sum(axis=1), out=np.full(resamples, np.nan), where=kept_RS.sum(axis=1) > 0
    )
    return mean_R


def holm(p_F: Sequence[float | None]) -> list[float | None]:
    """Return the p-values of a family of comparisons with the correction of Holm 1979 (Scand. J. Statist. 6).

    Rejecting corrected values below a level bounds the probability of any false rejection by that level. None values
    are not part of the family.
    """
    known = [n for n, p in enumerate(p_F) if p is not None]
    order = sorted(known, key=lambda n: float(p_F[n] or 0.0))
    found: list[float | None] = [None] * len(p_F)
    highest = 0.0
    for rank, n in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * float(p_F[n] or 0.0)))
        found[n] = highest
    return found
