"""Where configurations come from: a grid, a quasi-random sequence, or what earlier results suggest."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from wsvad.errors import UsageError
from wsvad.tuning.space import Configuration, Parameter, Space, Value

Search = Literal["sobol", "grid", "tpe"]
MAX_TRIALS = 1 << 16


class Source(Protocol):
    """Gives every trial its configuration."""

    def configuration(self, number: int) -> Configuration:
        """Return the configuration of a number; asked once for each, in ascending order."""
        ...

    def tell(self, number: int, configuration: Configuration, value: float | None) -> None:
        """Take a result with the first seed; None: the trial diverged or failed."""
        ...


class Grid:
    """Every combination of all choices, and of so many values of each range."""

    def __init__(self, space: Space, points: int) -> None:
        self._all = list(space.grid(points))

    def __len__(self) -> int:
        return len(self._all)

    def configuration(self, number: int) -> Configuration:
        """Return the configuration of a number."""
        return self._all[number]

    def tell(self, number: int, configuration: Configuration, value: float | None) -> None:
        """Nothing follows from a result."""


class Sobol:
    """A scrambled Sobol sequence (Sobol 1967, Owen 1998): configuration n depends on the seed and n alone."""

    def __init__(self, space: Space, trials: int, seed: int) -> None:
        from scipy.stats import qmc  # a quarter of a second, which other searches need not wait for

        self._space = space
        exponent = max(trials - 1, 1).bit_length()
        # whole powers of 2, of which any number is a prefix: another number asked for changes none of the points
        self._points = qmc.Sobol(space.dimensions, scramble=True, rng=seed).random_base2(exponent)

    def configuration(self, number: int) -> Configuration:
        """Return the configuration of a number."""
        return self._space.configuration(self._points[number].tolist())

    def tell(self, number: int, configuration: Configuration, value: float | None) -> None:
        """Nothing follows from a result."""


class Tpe:
    """Optuna's tree-structured Parzen estimator (Bergstra et al. 2011). Its study is in memory, rebuilt from results.

    Raises:
        UsageError: Optuna is not installed.
    """

    def __init__(self, space: Space, seed: int) -> None:
        try:
            import optuna
        except ImportError as error:
            raise UsageError("--search tpe needs Optuna: pip install 'wsvad[optuna]', or use --search sobol") from error
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna, self._space = optuna, space
        # trials under way count as bad ones, so that workers side by side do not all try the same place
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._asked: dict[int, Any] = {}

    def configuration(self, number: int) -> Configuration:
        """Return a configuration that the results so far make promising."""
        trial = self._study.ask()
        self._asked[number] = trial
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
        return min(max(value, p.low), p.high)  # rounded it may lie outside, where Optuna would not take it back

    def tell(self, number: int, configuration: Configuration, value: float | None) -> None:
        """Take a result: a trial without a value is told as failed, so that it is no open one for ever."""
        states = self._optuna.trial.TrialState
        trial = self._asked.pop(number, None)
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
    """Return where configurations come from.

    Raises:
        UsageError: Optuna is asked for and not installed.
    """
    if search == "grid":
        return Grid(space, grid_points)
    return Tpe(space, seed) if search == "tpe" else Sobol(space, trials, seed)


def number_of_trials(search: Search, space: Space, trials: int | None, grid_points: int, *, hours: float | None) -> int:
    """Return how many configurations there are.

    Raises:
        UsageError: more than a sweep can have, or fewer trials than a grid has configurations.
    """
    if search == "grid":
        if space.grid_size(grid_points) > 16 * MAX_TRIALS:
            raise UsageError(
                f"the grid has up to {space.grid_size(grid_points):,} configurations; use fewer --grid-points, or "
                "--search sobol with --trials"
            )
        size = len(Grid(space, grid_points))
        if trials not in (None, size):
            raise UsageError(
                f"the grid has {size} configurations, and --trials is {trials}: leave --trials out, or use "
                "--search sobol"
            )
        trials = size
    if trials is None:
        trials = MAX_TRIALS if hours else 30
    if trials > MAX_TRIALS:
        raise UsageError(f"expected at most {MAX_TRIALS} trials, got {trials:,}")
    return trials
