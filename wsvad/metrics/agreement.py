"""Inter-rater agreement, corrected for chance.

Axes: N subjects, C categories, R raters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wsvad.errors import UsageError


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Return Cohen's kappa of two raters (Cohen 1960, Educational and Psychological Measurement 20).

    1 is full agreement, 0 is chance agreement, negative values are below chance.

    Args:
        first: category of each subject by one rater.
        second: category of the same subjects by the other rater.

    Returns:
        Kappa, or None if it is undefined, because there are no subjects or both raters used a single common category.

    Raises:
        UsageError: the lists have different lengths.
    """
    if len(first) != len(second):
        raise UsageError(f"expected the same number of ratings by both, got {len(first)} and {len(second)}")
    if not first:
        return None
    if len({*first, *second}) == 1:
        return None
    from sklearn.metrics import cohen_kappa_score  # takes a second to import

    return float(cohen_kappa_score(first, second))


def fleiss_kappa(counts_NC: npt.ArrayLike) -> float | None:
    """Return Fleiss' kappa of several raters (Fleiss 1971, Psychological Bulletin 76).

    If subjects have different numbers of raters, each subject is weighted by its number of rater pairs. Subjects with
    fewer than two raters are ignored.

    Args:
        counts_NC: number of raters that put each subject into each category.

    Returns:
        Kappa, or None if it is undefined, because no subject has two raters or all ratings are in one category.
    """
    counts = np.asarray(counts_NC, np.float64)
    raters_N = counts.sum(axis=1)
    counts, raters_N = counts[raters_N >= 2], raters_N[raters_N >= 2]
    if not len(counts):
        return None
    pairs_N = raters_N * (raters_N - 1)
    agreed = (counts * (counts - 1)).sum() / pairs_N.sum()
    fraction_C = counts.sum(axis=0) / counts.sum()
    chance = float((fraction_C**2).sum())
    return None if chance >= 1 else float((agreed - chance) / (1 - chance))
