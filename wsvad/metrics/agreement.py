"""How far several people agree, beyond what chance would give.

Axes: N subjects, C categories, R people.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wsvad.errors import UsageError


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Return Cohen's kappa of two people (Cohen 1960, Educational and Psychological Measurement 20).

    1 is full agreement, 0 what chance gives, below 0 less than that.

    Args:
        first: what one person said of each subject.
        second: what the other said of the same ones.

    Returns:
        None where chance alone would agree always, because both only ever said one and the same, or said nothing.

    Raises:
        UsageError: lists of different lengths.
    """
    if len(first) != len(second):
        raise UsageError(f"expected as many judgements of both, got {len(first)} and {len(second)}")
    if not first:
        return None
    if len({*first, *second}) == 1:
        return None
    from sklearn.metrics import cohen_kappa_score  # a second, for who asks

    return float(cohen_kappa_score(first, second))


def fleiss_kappa(counts_NC: npt.ArrayLike) -> float | None:
    """Return Fleiss' kappa of several people (Fleiss 1971, Psychological Bulletin 76).

    Where different numbers of people judged the subjects, each weighs by the pairs of people among them; those with
    fewer than two do not count.

    Args:
        counts_NC: how many people put each subject into each category.

    Returns:
        None where nothing was judged twice, or all say one and the same.
    """
    counts = np.asarray(counts_NC, np.float64)
    people_N = counts.sum(axis=1)
    counts, people_N = counts[people_N >= 2], people_N[people_N >= 2]
    if not len(counts):
        return None
    pairs_N = people_N * (people_N - 1)
    agreed = (counts * (counts - 1)).sum() / pairs_N.sum()
    share_C = counts.sum(axis=0) / counts.sum()
    chance = float((share_C**2).sum())
    return None if chance >= 1 else float((agreed - chance) / (1 - chance))
