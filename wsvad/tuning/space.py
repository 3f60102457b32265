"""Search space of a sweep: the varied model settings and training options, their ranges, and conditions.

A configuration is a function of a point of the unit cube with one coordinate per parameter, so any sampler of the cube
(a grid, a quasi-random sequence, a model) is a sampler of configurations.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from wsvad.errors import ObjectNotFound, UsageError
from wsvad.models.presets import PRESETS
from wsvad.models.registry import MODELS, default_config, default_recipe
from wsvad.storage import StoreOptions, open_object
from wsvad.suggest import did_you_mean
from wsvad.training.config import TrainConfig, train_config

Value = int | float | str | bool
Kind = Literal["setting", "training"]
_RANGE = ("low", "high", "log", "whole", "when")
_CHOICES = ("choices", "when")
_DIM = 64  # feature dimension for checking configurations; no setting depends on it
FIXED_OPTIONS = ("seed", "val_seed", "val_fraction", "eval_every", "patience", "save_every", "keep")
"""Training options that are equal for all trials: seeds and videos are set by the sweep, and the last step counts."""


@dataclass(frozen=True)
class Parameter:
    """A varied parameter: a list of choices, or a range."""

    name: str
    kind: Kind
    """Whether it is a model setting or a training option."""
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    """Lower end of the range, inclusive."""
    high: float = 0.0
    """Upper end of the range, inclusive."""
    log: bool = False
    """Whether the range is sampled uniformly in the logarithm."""
    whole: bool = False
    """Whether values are integers."""
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    """Condition: the parameter varies only if other parameters have one of these values, otherwise it has its
    default."""

    def at(self, place: float) -> Value:
        """Return the value at position ``place`` in [0, 1)."""
        if self.choices:
            return self.choices[min(int(place * len(self.choices)), len(self.choices) - 1)]
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        if self.whole and not self.log:
            return min(int(self.low + place * (self.high - self.low + 1)), int(self.high))
        value = low + place * (high - low)
        value = math.exp(value) if self.log else value
        value = min(max(value, self.low), self.high)
        return round(value) if self.whole else float(f"{value:.6g}")

    def grid(self, points: int) -> tuple[Value, ...]:
        """Return all choices, or ``points`` distinct values of the range including its ends."""
        if self.choices:
            return self.choices
        places = [n / (points - 1) if points > 1 else 0.5 for n in range(points)]
        return tuple(dict.fromkeys(self.at(min(place, math.nextafter(1.0, 0.0))) for place in places))

    def holds(self, value: Value) -> bool:
        """Whether ``value`` is a valid value of this parameter."""
        if self.choices:
            return any(value == choice and type(value) is type(choice) for choice in self.choices)
        whole = not self.whole or float(value).is_integer() if isinstance(value, int | float) else False
        return whole and self.low <= float(value) <= self.high

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values to check: all choices, or both ends of the range."""
        return self.choices or (self.at(0.0), self.at(math.nextafter(1.0, 0.0)))


@dataclass(frozen=True)
class Configuration:
    """One point of a space: the values of its parameters."""

    settings: Mapping[str, Value]
    """Model settings by name."""
    training: Mapping[str, Value]
    """Options of ``TrainConfig``, by name."""

    @property
    def values(self) -> dict[str, Value]:
        """Values of all parameters that vary in this configuration."""
        return {**self.settings, **self.training}


@dataclass(frozen=True)
class Space:
    """The varied parameters of a model, and the options shared by all configurations."""

    model: str
    parameters: tuple[Parameter, ...]
    """Parameters; each comes after those that its condition refers to."""
    preset: str = "paper"
    settings: Mapping[str, Value] = field(default_factory=dict)
    """Model settings of all configurations; they override those of the preset."""
    training: Mapping[str, Value] = field(default_factory=dict)
    """Training options of all configurations."""

    @property
    def dimensions(self) -> int:
        """Number of coordinates of a point."""
        return len(self.parameters)

    def configuration(self, point: Sequence[float]) -> Configuration:
        """Return the configuration at a point of ``[0, 1)^dimensions``."""
        return self._of({p.name: p.at(place) for p, place in zip(self.parameters, point, strict=True)})

    def grid(self, points: int = 5) -> Iterator[Configuration]:
        """Yield every distinct combination of all choices and of ``points`` values of each range."""
        seen = set()
        for values in itertools.product(*(p.grid(points) for p in self.parameters)):
            found = self._of(dict(zip((p.name for p in self.parameters), values, strict=True)))
            key = tuple(found.values.items())
            if key not in seen:
                seen.add(key)
                yield found

    def grid_size(self, points: int = 5) -> int:
        """Return an upper bound of the number of configurations of a grid, which ignores conditions."""
        return math.prod(len(p.grid(points)) for p in self.parameters)

    def _of(self, values: Mapping[str, Value]) -> Configuration:
        settings: dict[str, Value] = {}
        training: dict[str, Value] = {}
        for p in self.parameters:
            there = {**settings, **training}
            if all(there.get(other) in allowed for other, allowed in p.when.items()):
                (settings if p.kind == "setting" else training)[p.name] = values[p.name]
        return Configuration(settings, training)

    def with_defaults(self, settings: Mapping[str, Value], training: Mapping[str, Value]) -> Space:
        """Return the space with more options shared by all configurations; they override existing ones.

        Raises:
            UsageError: one of them is a parameter of the space.
        """
        varied = [p.name for p in self.parameters if p.name in settings or p.name in training]
        if varied:
            raise UsageError(f"{varied[0]} is varied by the search space, so it cannot be set for all trials")
        refuse_fixed_options(training)
        return dataclasses.replace(self, settings={**self.settings, **settings}, training={**self.training, **training})

    def contains(self, configuration: Configuration) -> bool:
        """Whether a configuration belongs to this space."""
        found = self.only(configuration.values)
        varied = self._of({p.name: configuration.values.get(p.name, p.ends[0]) for p in self.parameters})
        inside = all(p.holds(configuration.values[p.name]) for p in self.parameters if p.name in configuration.values)
        return inside and found.values.keys() == varied.values.keys() and found == configuration

    def to_dict(self) -> dict[str, Any]:
        """Return the space as JSON values."""
        plain = json.loads(json.dumps(dataclasses.asdict(self)))
        return {name: plain[name] for name in ("model", "preset", "settings", "training", "parameters")}

    def check(self) -> None:
        """Check every choice and both ends of every range.

        Raises:
            UsageError: the model or its training rejects one.
        """
        self._try(Configuration({}, {}), "options of all configurations")
        for p in self.parameters:
            for value in p.ends:
                one = {p.name: value}
                for other, allowed in p.when.items():
                    one[other] = allowed[0]
                self._try(self.only(one), f"parameter {p.name!r} = {value!r}")

    def only(self, values: Mapping[str, Value]) -> Configuration:
        """Return the configuration with exactly these values."""
        kinds = {p.name: p.kind for p in self.parameters}
        return Configuration(
            {name: v for name, v in values.items() if kinds[name] == "setting"},
            {name: v for name, v in values.items() if kinds[name] == "training"},
        )

    def _try(self, configuration: Configuration, where: str) -> None:
        try:
            default_config(self.model, _DIM, preset=self.preset, **{**self.settings, **configuration.settings})
            train_config(default_recipe(self.model, preset=self.preset), {**self.training, **configuration.training})
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from error


def refuse_fixed_options(training: Mapping[str, Value]) -> None:
    """Raise ``UsageError`` for training options that a sweep sets itself."""
    idle = [name for name in training if name in FIXED_OPTIONS and name not in ("val_fraction", "val_seed")]
    if idle:
        raise UsageError(f"{idle[0]} cannot be used in a sweep: every trial is measured once, at its last step")


def read_space(uri: str, options: StoreOptions | None = None) -> Space:
    """Read a space from a TOML file.

    Keys: ``model``; optional ``preset``, and ``set`` and ``training`` for all configurations; ``[search]`` with a list
    of choices per parameter, or a table with ``choices`` or ``low``, ``high``, ``log``, ``whole``, and ``when``.

    Raises:
        UsageError: the file does not exist, is not TOML, or describes an invalid space.
        StorageError: the file cannot be read.
    """
    store, key = open_object(uri, options)
    try:
        document = tomllib.loads(store.read(key).decode())
    except ObjectNotFound as error:
        raise UsageError(f"{uri}: the search space file does not exist") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{uri}: {error}") from error
    try:
        space = parse_space(document)
        space.check()
    except UsageError as error:
        raise UsageError(f"{uri}: {error}") from error
    return space


def parse_space(document: Mapping[str, Any]) -> Space:
    """Return the space described by the content of a TOML file. Raises ``UsageError`` as :func:`read_space`."""
    known = ("model", "preset", "set", "training", "search")
    for key in document:
        if key not in known:
            raise UsageError(f"unknown key {key!r}{_hint(key, known)}")
    model, preset = str(document.get("model", "")), str(document.get("preset", "paper"))
    if model not in MODELS:
        raise UsageError(f"model must be one of {', '.join(MODELS)}, got {model!r}{did_you_mean(model, MODELS)}")
    if preset not in PRESETS[model]:
        presets = PRESETS[model]
        hint = did_you_mean(preset, presets)
        raise UsageError(f"model {model} has the presets {', '.join(presets)}; got {preset!r}{hint}")
    shared = {key: document.get(key, {}) for key in ("set", "training")}
    for key, table in shared.items():
        if not isinstance(table, dict) or not all(isinstance(v, Value) for v in table.values()):
            raise UsageError(f"{key} must be a table of names and values, got {table!r:.120}")
    refuse_fixed_options(shared["training"])
    search = document.get("search")
    if not isinstance(search, dict) or not search:
        raise UsageError("expected [search] with at least one parameter")
    found: dict[str, Parameter] = {}
    for name, given in search.items():
        parameter = _parameter(model, str(name), given)
        for key in ("set", "training"):
            if name in shared[key]:
                raise UsageError(f"parameter {name!r} is varied, so it cannot be set for all configurations")
        for other, allowed in parameter.when.items():
            _check_condition(parameter, other, allowed, found)
        found[str(name)] = parameter
    return Space(model, tuple(found.values()), preset, shared["set"], shared["training"])


def _hint(key: str, known: Sequence[str]) -> str:
    return did_you_mean(key, known) or f"; known: {', '.join(known)}"


def _parameter(model: str, name: str, given: Any) -> Parameter:
    where = f"parameter {name!r}"
    kind = _kind_of(model, name)
    table = {"choices": given} if isinstance(given, list) else given
    if not isinstance(table, dict):
        raise UsageError(f"{where}: expected a list of choices or a table with low and high, got {given!r:.80}")
    allowed = _CHOICES if "choices" in table else _RANGE
    for key in table:
        if key not in allowed:
            raise UsageError(f"{where}: unknown key {key!r}{_hint(key, allowed)}")
    when = _conditions(where, table.get("when", {}))
    if "choices" in table:
        choices = table["choices"]
        if not isinstance(choices, list) or not choices or not all(isinstance(v, Value) for v in choices):
            raise UsageError(f"{where}: choices must be a list of at least one value, got {choices!r:.80}")
        if len(set(map(repr, choices))) < len(choices):
            raise UsageError(f"{where}: duplicate choice in {choices!r:.80}")
        return Parameter(name, kind, tuple(choices), when=when)
    return _range(name, kind, table, when)


def _range(name: str, kind: Kind, table: Mapping[str, Any], when: Mapping[str, tuple[Value, ...]]) -> Parameter:
    where = f"parameter {name!r}"
    ends = [table.get(key) for key in ("low", "high")]
    numbers = [end for end in ends if isinstance(end, int | float) and not isinstance(end, bool) and math.isfinite(end)]
    if len(numbers) < 2:
        raise UsageError(f"{where}: low and high must be numbers, got {ends[0]!r:.40} and {ends[1]!r:.40}")
    low, high = numbers
    if low >= high:
        raise UsageError(f"{where}: low must be below high, got {low:g} and {high:g}")
    log, whole = (table.get(key, False) for key in ("log", "whole"))
    if not isinstance(log, bool) or not isinstance(whole, bool):
        raise UsageError(f"{where}: log and whole must be true or false")
    if log and low <= 0:
        raise UsageError(f"{where}: a range with log = true must be above 0, got {low:g}")
    if whole and (low != int(low) or high != int(high)):
        raise UsageError(f"{where}: low and high must be integers if whole = true, got {low:g} and {high:g}")
    return Parameter(name, kind, (), low, high, log, whole, when)


def _kind_of(model: str, name: str) -> Kind:
    settings = [f.name for f in dataclasses.fields(MODELS[model].config) if f.name != "input_dim"]
    training = [f.name for f in dataclasses.fields(TrainConfig) if f.name not in FIXED_OPTIONS]
    if name in settings:
        return "setting"
    if name in training:
        return "training"
    hint = did_you_mean(name, [*settings, *training])
    raise UsageError(f"parameter {name!r} is neither a setting of model {model} nor a training option{hint}")


def _conditions(where: str, given: Any) -> dict[str, tuple[Value, ...]]:
    if not isinstance(given, dict):
        raise UsageError(f"{where}: when must be a table of parameters and their values, got {given!r:.80}")
    found = {}
    for other, values in given.items():
        listed = values if isinstance(values, list) else [values]
        if not listed or not all(isinstance(v, Value) for v in listed):
            raise UsageError(f"{where}: when.{other} must be a value or a list of values, got {values!r:.80}")
        found[str(other)] = tuple(listed)
    return found


def _check_condition(
    parameter: Parameter, other: str, allowed: Sequence[Value], before: Mapping[str, Parameter]
) -> None:
    where = f"parameter {parameter.name!r}"
    if other not in before:
        raise UsageError(
            f"{where} depends on {other!r}, which is not a parameter before it{did_you_mean(other, before)}"
        )
    choices = before[other].choices
    if not choices:
        raise UsageError(f"{where} depends on {other!r}, which is a range; only choices can be conditions")
    impossible = [value for value in allowed if value not in choices]
    if impossible:
        raise UsageError(
            f"{where} depends on {other!r} = {impossible[0]!r}, which is not among its choices {choices!r}"
        )
