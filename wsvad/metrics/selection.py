"""Correction of the selection bias of the best of many configurations, without additional training.

The maximum of many noisy metrics is biased upwards even if all configurations are equal. The selection exploits chance
in the validation videos and in the seeds. Therefore the selection is repeated within a bootstrap over videos (BBC-CV:
Tsamardinos, Greasidou & Borboudakis 2018, Machine Learning 107, doi 10.1007/s10994-018-5714-4): in each resample the
best configuration is selected on the drawn videos and evaluated on the others. Seeds are held out as well: the
selection uses all seeds of a configuration but one, and the evaluation uses that one. Each seed is held out in turn. So
the corrected metric uses neither a video nor a seed that the selection has used.

The selection within the bootstrap has less data than the real one (fewer videos, one seed less). So the corrected
metric is not biased upwards, and somewhat too low if configurations differ by about as much as the noise.

Axes: C configurations, S seeds, R resamples, V videos.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wsvad.errors import UsageError
from wsvad.metrics.bootstrap import Statistic, interval, resampled
from wsvad.metrics.ranking import Floats

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Selection:
    """The best configuration and its corrected performance. All values are of one metric; higher is better."""

    best: int | None
    """Index of the best configuration; None if no configuration has a value."""
    naive: float | None
    """Its mean over seeds on all videos, which is biased upwards by the selection."""
    corrected: float | None
    """Mean value of the selected configuration on held-out videos and a held-out seed; None without resamples, or if it
    is undefined in more than half of them."""
    low: float | None
    """Lower end of the bootstrap interval of ``corrected`` over videos."""
    high: float | None
    chosen_C: tuple[float, ...]
    """Fraction of the selections in which each configuration was selected; all 0 if there were none."""
    configurations: int
    """Number of configurations with a value."""
    seeds: int
    """Number of seeds of the best configuration."""
    resamples: int
    undefined: int
    """Number of resamples in which the selected configuration has no value; they are excluded."""
    note: str
    """Limitations of the correction, e.g. a single seed; empty if there are none."""


def in_and_out(statistic: Statistic, weights_RV: Floats) -> tuple[Floats, Floats]:
    """Return a metric on the videos drawn in each resample, and on the videos that were not drawn.

    Args:
        statistic: maps weights of videos to the metric.
        weights_RV: how often each video was drawn, from :func:`wsvad.metrics.bootstrap.draw`.

    Returns:
        ``in_R`` and ``out_R``, NaN if the metric is undefined, e.g. if all videos of a class were drawn.
    """
    return resampled(statistic, weights_RV), resampled(statistic, (weights_RV == 0).astype(np.float64))


def correct_selection(
    point_CS: npt.ArrayLike,
    in_CSR: npt.ArrayLike,
    out_CSR: npt.ArrayLike,
    *,
    eligible_C: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> Selection:
    """Select the best configuration by its mean over seeds, and estimate its performance without selection bias.

    Args:
        point_CS: metric on all videos; NaN if a seed has no value.
        in_CSR: metric on the drawn videos of each resample, with the same draws for all; NaN if it is undefined.
        out_CSR: metric on the videos that were not drawn.
        eligible_C: configurations that may be selected; by default those with the most seeds, because the others were
            stopped early or failed. Within the bootstrap all configurations take part, because stopping them was part
            of the selection.
        level: confidence level of the interval.

    Raises:
        UsageError: shapes do not match, or a value is infinite.
    """
    point, in_bag, out_bag = (np.asarray(a, dtype=np.float64) for a in (point_CS, in_CSR, out_CSR))
    if point.ndim != 2 or in_bag.ndim != 3 or in_bag.shape != out_bag.shape or in_bag.shape[:2] != point.shape:
        raise UsageError(f"expected [C, S] and twice [C, S, R], got {point.shape}, {in_bag.shape}, {out_bag.shape}")
    if any(np.isinf(a).any() for a in (point, in_bag, out_bag)):
        raise UsageError("metrics must be numbers or NaN, not infinite")
    known_CS = np.isfinite(point)
    seeds_C = known_CS.sum(axis=1)
    fit_C = _eligible(eligible_C, seeds_C)
    resamples = in_bag.shape[2]
    if not fit_C.any():
        return Selection(
            None, None, None, None, None, (0.0,) * len(point), int((seeds_C > 0).sum()), 0, resamples, 0, ""
        )
    mean_C = np.where(fit_C, _mean(point, known_CS), -np.inf)
    best = int(np.argmax(mean_C))
    in_bag, out_bag = (np.where(known_CS[:, :, None], a, np.nan) for a in (in_bag, out_bag))
    value_R, chosen_C = _chosen(in_bag, out_bag, known_CS)
    spread = interval(value_R, level)
    return Selection(
        best=best,
        naive=float(mean_C[best]),
        corrected=float(np.nanmean(value_R)) if spread else None,
        low=spread.low if spread else None,
        high=spread.high if spread else None,
        chosen_C=tuple(chosen_C.tolist()),
        configurations=int((seeds_C > 0).sum()),
        seeds=int(seeds_C[best]),
        resamples=resamples,
        undefined=int(np.isnan(value_R).sum()),
        note=_note(seeds_C, chosen_C),
    )


def _eligible(eligible_C: npt.ArrayLike | None, seeds_C: Ints) -> npt.NDArray[np.bool_]:
    some_C = seeds_C > 0
    if eligible_C is None:
        most: npt.NDArray[np.bool_] = some_C & (seeds_C == seeds_C.max(initial=0))
        return most
    given = np.asarray(eligible_C, dtype=bool)
    if given.shape != some_C.shape:
        raise UsageError(f"expected one eligibility for each of {some_C.size} configurations, got {given.shape}")
    return given & some_C


def _mean(values_CS: Floats, used_CS: npt.NDArray[np.bool_]) -> Floats:
    """Return the mean over the used seeds, ``[C]`` or ``[C, R]``; NaN if there are none."""
    deep = used_CS if values_CS.ndim == 2 else used_CS[:, :, None]
    kept = deep & np.isfinite(values_CS)
    number = kept.sum(axis=1)
    total = np.where(kept, values_CS, 0.0).sum(axis=1)
    mean: Floats = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
    return mean


def _chosen(in_CSR: Floats, out_CSR: Floats, known_CS: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return the held-out value of the selection in each resample, averaged over held-out seeds, and the fractions."""
    configurations, _, resamples = in_CSR.shape
    seeds_C = known_CS.sum(axis=1)
    turns = int(seeds_C.max())
    own_CS = np.argsort(~known_CS, axis=1, kind="stable")  # seeds with values first
    every_C, every_R = np.arange(configurations), np.arange(resamples)
    figure_TR = np.full((turns, resamples), np.nan)
    count_C = np.zeros(configurations)
    for turn in range(turns):
        left_C = own_CS[every_C, turn % np.maximum(seeds_C, 1)]
        seen_CS = known_CS.copy()
        seen_CS[every_C[seeds_C > 1], left_C[seeds_C > 1]] = False  # a single seed is used for both
        mean_CR = _mean(in_CSR, seen_CS)
        mean_CR = np.where(np.isnan(mean_CR), -np.inf, mean_CR)
        best_R = np.argmax(mean_CR, axis=0)
        made_R = np.isfinite(mean_CR[best_R, every_R])
        figure_TR[turn] = np.where(made_R, out_CSR[best_R, left_C[best_R], every_R], np.nan)
        count_C += np.bincount(best_R[made_R], minlength=configurations)
    defined_TR = np.isfinite(figure_TR)
    number_R = defined_TR.sum(axis=0)
    total_R = np.where(defined_TR, figure_TR, 0.0).sum(axis=0)
    value_R: Floats = np.divide(total_R, number_R, out=np.full(resamples, np.nan), where=number_R > 0)
    return value_R, count_C / max(count_C.sum(), 1)


def _note(seeds_C: Ints, chosen_C: Floats) -> str:
    """Return the limitations of the correction."""
    single_C = seeds_C == 1
    if single_C.sum() == (seeds_C > 0).sum():
        return "Each configuration has one seed: the correction covers chance in the videos, but not in the seed."
    if single_C.any():
        return (
            f"{single_C.sum()} of {(seeds_C > 0).sum()} configurations have only one seed; the correction does not "
            f"cover chance in the seed for the {chosen_C[single_C].sum():.0%} of selections of such configurations."
        )
    return ""
