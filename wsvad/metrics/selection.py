"""What the best of many configurations is worth: the luck of the choice taken out, without training anything again.

The best of many noisy figures is too high even if all configurations are alike. Two kinds of luck are chosen with it:
that of the validation videos, and that of the seeds. The choice is therefore made again inside of a bootstrap over
videos (BBC-CV: Tsamardinos, Greasidou & Borboudakis 2018, Machine Learning 107, doi 10.1007/s10994-018-5714-4): in
each resample the best configuration is chosen on the videos that were drawn, and its figure is taken on those that
were not. Seeds are left out likewise: the choice sees all seeds of a configuration but one, the figure is of that one.
Each seed is left out in turn. So neither a video nor a seed that the choice has seen is in the figure.

The choice inside of the bootstrap knows less than the real one (fewer videos, one seed fewer). The corrected figure is
hence not too high, and somewhat low where configurations differ by about as much as the noise.
Axes: C configurations, S seeds, R resamples, V videos.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wsvad.errors import UsageError
from wsvad.metrics.bootstrap import Statistic, interval, resampled
from wsvad.metrics.ranking import Floats

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Selection:
    """The best configuration, and what it is worth. All figures are of one metric; higher is better."""

    best: int | None
    """Place of the best configuration; None: there is no figure at all."""
    naive: float | None
    """Its mean over its seeds, on all videos: too high, because it was chosen by it."""
    corrected: float | None
    """Mean figure of what is chosen, on videos and a seed that the choice has not seen; None: undefined in more than
    half of the resamples, or there are none."""
    low: float | None
    """End of the bootstrap interval of ``corrected`` over videos."""
    high: float | None
    chosen_C: tuple[float, ...]
    """How often each configuration was chosen, as a share of all choices; all 0 where none was made."""
    configurations: int
    """How many have a figure."""
    seeds: int
    """Seeds of the best configuration."""
    resamples: int
    undefined: int
    """Resamples in which what was chosen has no figure; they are left out."""
    note: str
    """What is not taken out, e.g. the luck of a single seed; empty: nothing to add."""


def in_and_out(statistic: Statistic, weights_RV: Floats) -> tuple[Floats, Floats]:
    """Return a metric on the videos that each resample has drawn, and on those it has not.

    Args:
        statistic: from weights of videos to the metric.
        weights_RV: how often each video was drawn, as :func:`wsvad.metrics.bootstrap.draw` gives them.

    Returns:
        ``in_R`` and ``out_R``, NaN where the metric is undefined, e.g. if all videos of a class were drawn.
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
    """Choose the best configuration by its mean over seeds, and say what it is worth without the luck of the choice.

    Args:
        point_CS: the figure on all videos; NaN: there is none for this seed.
        in_CSR: on the videos that each resample has drawn, the same draws for all; NaN where it is undefined.
        out_CSR: on the videos that it has not drawn.
        eligible_C: which configurations may be the best; without it those with the most seeds, as the others were
            given up early or have failed. Inside of the bootstrap all of them take part: those given up were part of
            the choice.
        level: of the interval.

    Raises:
        UsageError: shapes that do not fit, or a figure that is infinite.
    """
    point, in_bag, out_bag = (np.asarray(a, dtype=np.float64) for a in (point_CS, in_CSR, out_CSR))
    if point.ndim != 2 or in_bag.ndim != 3 or in_bag.shape != out_bag.shape or in_bag.shape[:2] != point.shape:
        raise UsageError(f"expected [C, S] and twice [C, S, R], got {point.shape}, {in_bag.shape}, {out_bag.shape}")
    if any(np.isinf(a).any() for a in (point, in_bag, out_bag)):
        raise UsageError("figures must be numbers or NaN, not infinite")
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


def _eligible(eligible_C: npt.ArrayLike | None, seeds_C: Whole) -> npt.NDArray[np.bool_]:
    some_C = seeds_C > 0
    if eligible_C is None:
        most: npt.NDArray[np.bool_] = some_C & (seeds_C == seeds_C.max(initial=0))
        return most
    given = np.asarray(eligible_C, dtype=bool)
    if given.shape != some_C.shape:
        raise UsageError(f"expected one eligibility for each of {some_C.size} configurations, got {given.shape}")
    return given & some_C


def _mean(values_CS: Floats, used_CS: npt.NDArray[np.bool_]) -> Floats:
    """Mean over the seeds used, ``[C]`` or ``[C, R]``; NaN where there is none."""
    deep = used_CS if values_CS.ndim == 2 else used_CS[:, :, None]
    kept = deep & np.isfinite(values_CS)
    number = kept.sum(axis=1)
    total = np.where(kept, values_CS, 0.0).sum(axis=1)
    mean: Floats = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
    return mean


def _chosen(in_CSR: Floats, out_CSR: Floats, known_CS: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """The figure of what is chosen in each resample, mean over the seeds left out, and the shares of the choices."""
    configurations, _, resamples = in_CSR.shape
    seeds_C = known_CS.sum(axis=1)
    turns = int(seeds_C.max())
    own_CS = np.argsort(~known_CS, axis=1, kind="stable")  # its own seeds first
    everyone, each = np.arange(configurations), np.arange(resamples)
    figure_TR = np.full((turns, resamples), np.nan)
    count_C = np.zeros(configurations)
    for turn in range(turns):
        left_C = own_CS[everyone, turn % np.maximum(seeds_C, 1)]
        seen_CS = known_CS.copy()
        seen_CS[everyone[seeds_C > 1], left_C[seeds_C > 1]] = False  # a single seed is seen and measured
        mean_CR = _mean(in_CSR, seen_CS)
        mean_CR = np.where(np.isnan(mean_CR), -np.inf, mean_CR)
        best_R = np.argmax(mean_CR, axis=0)
        made_R = np.isfinite(mean_CR[best_R, each])
        figure_TR[turn] = np.where(made_R, out_CSR[best_R, left_C[best_R], each], np.nan)
        count_C += np.bincount(best_R[made_R], minlength=configurations)
    defined_TR = np.isfinite(figure_TR)
    number_R = defined_TR.sum(axis=0)
    total_R = np.where(defined_TR, figure_TR, 0.0).sum(axis=0)
    value_R: Floats = np.divide(total_R, number_R, out=np.full(resamples, np.nan), where=number_R > 0)
    return value_R, count_C / max(count_C.sum(), 1)


def _note(seeds_C: Whole, chosen_C: Floats) -> str:
    """Say what the correction cannot know."""
    single_C = seeds_C == 1
    if single_C.sum() == (seeds_C > 0).sum():
        return "One seed for each configuration: the luck of the seed is not taken out, only that of the videos."
    if single_C.any():
        return (
            f"{single_C.sum()} of {(seeds_C > 0).sum()} configurations have one seed only; the luck of the seed is not "
            f"taken out of the {chosen_C[single_C].sum():.0%} of the choices that fell on them."
        )
    return ""
