"""Importance of each parameter: the fraction of the variance between trials that it explains.

A random forest is fitted to the trials. The main effect of a parameter is the variance of the forest's mean prediction
when only that parameter varies (functional ANOVA: Hutter, Hoos & Leyton-Brown, ICML 2014), here as a fraction of the
variance of the figure itself, so that noise is not attributed to any parameter. Intervals come from resampling the
trials.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wsvad.metrics.ranking import Floats
from wsvad.tuning.space import Parameter, Value

_TREES, _GRID, _OTHERS, _RESAMPLES = 60, 12, 64, 40
MAX_TRIALS_FITTED = 2000
"""Maximum number of trials; from more, a random sample is used."""


@dataclass(frozen=True)
class Importance:
    """The main effect of one parameter."""

    name: str
    share: float
    """Fraction of the variance of the figure over the trials, 0 to 1."""
    low: float
    """Lower end of the 90 % interval over resamples of the trials."""
    high: float
    """Upper end of the interval."""


@dataclass(frozen=True)
class Importances:
    """Importance of all parameters, in descending order."""

    parameters: tuple[Importance, ...]
    explained: float | None
    """Fraction of the variance that the forest explains on unseen (out-of-bag) trials; None: not computed."""
    reason: str
    """Why importances are not available; empty if they are."""


def importances(
    parameters: Sequence[Parameter], trials: Sequence[tuple[Mapping[str, Value], float]], *, seed: int = 0
) -> Importances:
    """Return the main effects of the parameters of a space.

    Args:
        parameters: parameters of the space.
        trials: values and figure of each configuration.
        seed: seed of forests and resamples.
    """
    need = 2 * len(parameters) + 4
    if len(trials) < need:
        return Importances(
            (), None, f"{len(trials)} trials were completed; {need} are needed for {len(parameters)} parameters"
        )
    rng = np.random.default_rng(seed)
    if len(trials) > MAX_TRIALS_FITTED:
        trials = [trials[n] for n in sorted(rng.choice(len(trials), MAX_TRIALS_FITTED, replace=False))]
    y = np.array([value for _, value in trials])
    if float(y.std()) == 0.0:
        return Importances((), None, "all trials have the same figure")
    columns = [np.array([_place(p, values.get(p.name)) for values, _ in trials]) for p in parameters]
    x = np.stack(columns, axis=1)
    whole = _forest(x, y, seed)
    explained = float(whole.oob_score_)
    if explained <= 0:
        return Importances((), explained, "the parameters explain no more of the figure than noise")
    shares = _effects(whole, x, y, rng)
    drawn = []
    for number in range(_RESAMPLES):
        rows = rng.integers(0, len(y), len(y))
        if y[rows].std() > 0:
            drawn.append(_effects(_forest(x[rows], y[rows], seed + number, score=False), x[rows], y[rows], rng))
    low, high = np.quantile(np.array(drawn), [0.05, 0.95], axis=0)
    found = [
        Importance(p.name, float(s), float(min(a, s)), float(max(b, s)))
        for p, s, a, b in zip(parameters, shares, low, high, strict=True)
    ]
    return Importances(tuple(sorted(found, key=lambda one: -one.share)), explained, "")


def _place(parameter: Parameter, value: Value | None) -> float:
    """Return a value as a number: index of the choice, or position in the (logarithmic) range; -1: not varied."""
    if value is None:
        return -1.0
    if parameter.choices:
        return float(parameter.choices.index(value))
    low, high, at = parameter.low, parameter.high, float(value)
    if parameter.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low)


def _forest(x: Floats, y: Floats, seed: int, *, score: bool = True) -> Any:
    from sklearn.ensemble import RandomForestRegressor  # imported here: it takes seconds

    forest = RandomForestRegressor(_TREES, min_samples_leaf=2, oob_score=score, random_state=seed, n_jobs=1)
    return forest.fit(x, y)


def _effects(forest: Any, x: Floats, y: Floats, rng: np.random.Generator) -> Floats:
    """Return the main effect of each column as a fraction of the variance of ``y``, at most 1."""
    shares = np.zeros(x.shape[1])
    for column in range(x.shape[1]):
        active = np.flatnonzero(x[:, column] >= 0)
        if not len(active):
            continue
        values = x[active, column]
        places = np.quantile(values, (np.arange(_GRID) + 0.5) / _GRID, method="nearest")
        others = x[rng.choice(active, min(_OTHERS, len(active)), replace=False)]
        queries = np.repeat(others[None], len(places), axis=0)
        queries[:, :, column] = places[:, None]
        means = forest.predict(queries.reshape(-1, x.shape[1])).reshape(len(places), -1).mean(axis=1)
        shares[column] = min(1.0, float(means.var() / y.var()))
    return shares
