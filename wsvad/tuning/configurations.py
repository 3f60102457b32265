"""Sources of configurations: a grid, a quasi-random sequence, or a model of earlier results."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from wsvad.errors import UsageError
from wsvad.tuning.space import Configuration, Parameter, Space, Value

Search = Literal["sobol", "grid", "tpe"]
MAX_TRIALS = 1 << 16


class Source(Protocol):
    """Provides the configuration of every trial."""

    def configuration(self, number: int) -> Configuration:
        """Return the configuration of a trial; called once per trial, in ascending order."""
        ...

    def tell(self, number: int, configuration: Configuration, value: float | None) -> None:
        """Report the result of a trial with the first seed; None: the trial diverged or failed."""
        ...


class Grid:
    """Every combination of all choices and of a fixed number of values per range."""

    def __init__(self, space: Space, points: int) -> None:
        self._all = list(space.grid(points))

    def __len__(self) -> int:
        return len(self._all)

    def configuration(self, number: int) -> Configuration:
        """Return the configuration of a trial."""
        return self._all[number]

    def tell(self, number: int, configuration: Configuration, value: float | None) -> None:
        """Ignore the result."""


class Sobol:
    """A scrambled Sobol sequence (Sobol 1967, Owen 1998): configuration n depends on the seed and n alone."""

    def __init__(self, space: Space, trials: int, seed: int) -> None:
        from scipy.stats import qmc  # imported here: it takes a quarter of a second

        self._space = space
        exponent = max(trials - 1, 1).bit_length()
        # the number of points is rounded up to a power of 2, so that other numbers of trials give the same prefix
        self._points = qmc.Sobol(space.dimensions, scramble=True, rng=seed).random_base2(exponent)

    def configuration(self, number: int) -> Configuration:
        """Return the configuration of a trial."""
        return self._space.configuration(self._points[number].tolist())

    def tell(self, number: int, configuration: Configuration, value: float | None) -> None:
        """Ignore the result."""


class Tpe:
    """Optuna's tree-structured Parzen estimator (Bergstra et al. 2011). The study is kept in memory and rebuilt from
    results.

    Raises:
        UsageError: Optuna is not installed.
    """

    def __init__(self, space: Space, seed: int) -> None:
        try:
            import optuna
        except ImportError as error:
            raise UsageError(
                "--search tpe requires Optuna: pip install 'wsvad[optuna]', or use --search sobol"
            ) from error
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna, self._space = optuna, space
        # constant_liar counts running trials as bad ones, so that parallel workers do not all try the same point
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._running_trials: dict[int, Any] = {}

    def configuration(self, number: int) -> Configuration:
        """Return a promising configuration according to the results so far."""
        trial = self._study.ask()
        self._running_trials[number] = trial
        values: dict[str, Value] = {}
        for p in self._space.parameters:
            if all(values.get(other, "") in allowed for other, allowed in p.when.items()):
                values[p.name] = self._suggest(trial, p)
        return self._space.only(values)

    def _suggest(self, trial: Any, p: Parameter) -> Value:
        if p.choices:
            return p.choices[int(trial.suggest_categorical(p.name, list(range(len(p.choices)))))]
        if p.whole:
            return int(trial.suggest_int(p.name, int(p.low), int(p.high), log=p.log))
        value = float(f"{trial.suggest_float(p.name, p.low, p.high, log=p.log):.6g}")
        return min(max(value, p.low), p.high)  # rounding can leave the range, and Optuna rejects such a value

    def tell(self, number: int, configuration: Configuration, value: float | None) -> None:
        """Report a result; a trial without a value is reported as failed, so that it does not stay running."""
        states = self._optuna.trial.TrialState
        trial = self._running_trials.pop(number, None)
        if trial is not None:
            self._study.tell(trial, value, state=states.FAIL if value is None else states.COMPLETE)
            return
        distributions = {
            p.name: self._distribution(p) for p in self._space.parameters if p.name in configuration.values
        }
        params = {
            p.name: p.choices.index(configuration.values[p.name]) if p.choices else configuration.values[p.name]
            for p in self._space.parameters
            if p.name in configuration.values
        }
        self._study.add_trial(
            self._optuna.trial.create_trial(
                params=params,
                distributions=distributions,
                value=value,
                state=states.FAIL if value is None else states.COMPLETE,
            )
        )

    def _distribution(self, p: Parameter) -> Any:
        of = self._optuna.distributions
        if p.choices:
            return of.CategoricalDistribution(list(range(len(p.choices))))
        if p.whole:
            return of.IntDistribution(int(p.low), int(p.high), log=p.log)
        return of.FloatDistribution(p.low, p.high, log=p.log)


def make_source(search: Search, space: Space, trials: int, seed: int, grid_points: int) -> Source:
    """Return the source of configurations for a search method.

    Raises:
        UsageError: the search method requires Optuna, which is not installed.
    """
    if search == "grid":
        return Grid(space, grid_points)
    return Tpe(space, seed) if search == "tpe" else Sobol(space, trials, seed)


def number_of_trials(search: Search, space: Space, trials: int | None, grid_points: int, *, hours: float | None) -> int:
    """Return the number of configurations of a sweep.

    Raises:
        UsageError: more trials than a sweep can have, or ``trials`` differs from the size of the grid.
    """
    if search == "grid":
        if space.grid_size(grid_points) > 16 * MAX_TRIALS:
            raise UsageError(
                f"the grid has up to {space.grid_size(grid_points):,} configurations; reduce --grid-points, or use "
                "--search sobol with --trials"
            )
        size = len(Grid(space, grid_points))
        if trials not in (None, size):
            raise UsageError(
                f"the grid has {size} configurations, but --trials is {trials}: omit --trials, or use --search sobol"
            )
        trials = size
    if trials is None:
        trials = MAX_TRIALS if hours else 30
    if trials > MAX_TRIALS:
        raise UsageError(f"expected at most {MAX_TRIALS} trials, got {trials:,}")
    return trials
