"""Whether one row of a table is worse than another, where both were run with the same seeds on the same videos.

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
    """A row against the base it differs from in one factor. Differences are row minus base: negative is worse."""

    seeds: int
    """Pairs: seeds at which both have a value."""
    difference: float | None
    """Mean over the pairs; None: there is no pair."""
    deviation: float | None
    """Sample standard deviation of the differences; None below two pairs."""
    p: float | None
    """Two-sided paired t-test over seeds; None below two pairs, or where all differences are the same."""
    low: float | None
    """End of the bootstrap interval of the difference over seeds and videos; None: no resamples."""
    high: float | None
    worse: float | None
    """Share of the resamples in which the row is worse than the base, ties count half."""
    p_family: float | None = None
    """``p`` corrected for the number of comparisons of the family (Holm 1979)."""


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

    Args:
        row_S: a figure of the row, by seed; None: it has no value there.
        base_S: of the base, by the same seeds.
        row_SR: the figure in resamples of the videos, which are the same draws for both; NaN where it is undefined.
        base_SR: likewise.
        seed: of the resampling of seeds, which goes with that of the videos: one seed set for each resample.
        level: of the interval.

    The interval is the central ``level`` of the differences of means when seeds and videos are drawn with replacement,
    both at once. It covers other seeds and other videos, on the same training videos.
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
    """Mean over as many seeds as there are, drawn with replacement anew for every resample of the videos."""
    seeds, resamples = difference_SR.shape
    weights_RS = np.random.default_rng(seed).multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples)
    kept_RS = weights_RS * np.isfinite(difference_SR.T)
    total_R = np.einsum("rs,sr->r", kept_RS, np.nan_to_num(difference_SR))
    mean_R: Floats = np.divide(
        total_R, kept_RS.sum(axis=1), out=np.full(resamples, np.nan), where=kept_RS.sum(axis=1) > 0
    )
    return mean_R


def holm(p_F: Sequence[float | None]) -> list[float | None]:
    """Correct the p-values of a family of comparisons: rejecting those below a level keeps the chance that any of them
    is wrong at most at that level (Holm 1979, Scand. J. Statist. 6). Those that are None are no part of the family.
    """
    known = [n for n, p in enumerate(p_F) if p is not None]
    order = sorted(known, key=lambda n: float(p_F[n] or 0.0))
    found: list[float | None] = [None] * len(p_F)
    highest = 0.0
    for rank, n in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * float(p_F[n] or 0.0)))
        found[n] = highest
    return found
