"""The rows of a comparison: models in their presets from the command line, or each with its own options from a file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from wsvad.errors import ObjectNotFound, UsageError
from wsvad.models.presets import PRESETS
from wsvad.models.registry import MODELS
from wsvad.storage import StoreOptions, open_object
from wsvad.suggest import did_you_mean
from wsvad.training.config import TrainConfig

_NAME = re.compile(r"[\w][\w .,:+=()-]{0,79}")
_KEYS = ("name", "model", "preset", "set", "training", "features")
NOT_OF_A_ROW = ("seed",)
"""Options of training that a comparison sets itself."""


@dataclass(frozen=True)
class Row:
    """What one line of the table is about: it is run with every seed."""

    model: str
    preset: str = "paper"
    label: str = ""
    """What the table calls it; empty: the model, with its preset where that is not the paper's."""
    settings: tuple[str, ...] = ()
    """Settings of the model as ``key=value``, over those of the preset and of the whole comparison."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Options of ``TrainConfig`` by name, over those of the whole comparison."""
    features: str = ""
    """Root of a features data set; empty: that of the whole comparison."""

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            meant = did_you_mean(self.model, MODELS)
            raise UsageError(f"model must be one of {', '.join(MODELS)}, or all; got {self.model!r}{meant}")
        if self.preset not in PRESETS[self.model]:
            presets = PRESETS[self.model]
            meant = did_you_mean(self.preset, presets)
            raise UsageError(f"model {self.model} has the presets {', '.join(presets)}; got {self.preset!r}{meant}")
        if self.label and not _NAME.fullmatch(self.label):
            raise UsageError(
                f"the name of a row must be 1 to 80 letters, digits, spaces or any of .,:+=()-, got {self.label!r:.120}"
            )
        known = {f.name for f in fields(TrainConfig)} - set(NOT_OF_A_ROW)
        for key in self.training:
            if key not in known:
                meant = did_you_mean(key, known) or f"; it takes {', '.join(sorted(known))}"
                raise UsageError(f"row {self.name!r}: training has no option {key!r}{meant}")
        try:
            TrainConfig(**{key: value for key, value in self.training.items() if value is not None})
        except UsageError as error:
            raise UsageError(f"row {self.name!r}: {error}") from error

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.label or (self.model if self.preset == "paper" else f"{self.model}:{self.preset}")

    @property
    def folder(self) -> str:
        """Where its runs lie, below the comparison's root."""
        return re.sub(r"[^\w.+=-]+", "_", self.label) if self.label else f"{self.model}-{self.preset}"


def parse_rows(text: str) -> tuple[Row, ...]:
    """Read ``ltgs,ltgs:no_decay,st_mil``; ``all`` is every model as its paper has it.

    Raises:
        UsageError: no such model or preset, one named twice, or none at all.
    """
    if text.strip() == "all":
        return tuple(Row(model) for model in MODELS)
    words = [word.partition(":") for word in filter(None, (part.strip() for part in text.split(",")))]
    if not words:
        raise UsageError("no model is named; give e.g. ltgs,st_mil or all")
    return _distinct([Row(model, preset or "paper") for model, _, preset in words])


def read_rows(uri: str, options: StoreOptions | None = None) -> tuple[Row, ...]:
    """Read a TOML file of rows: ``[[row]]`` with ``model``, and as needed ``preset``, ``name``, ``set`` (a table or a
    list of ``key=value``), ``training`` (a table of training options) and ``features``.

    Raises:
        UsageError: no such file, no TOML, an unknown key or a value that cannot be.
        StorageError: it cannot be read.
    """
    store, key = open_object(uri, options)
    try:
        document = tomllib.loads(store.read(key).decode())
    except ObjectNotFound as error:
        raise UsageError(f"{uri}: the file of rows does not exist") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{uri}: {error}") from error
    unknown = sorted(document.keys() - {"row"})
    tables = document.get("row")
    if unknown or not isinstance(tables, list) or not tables:
        got = f"the key {unknown[0]!r}" if unknown else "none"
        raise UsageError(f"{uri}: expected [[row]] once for every line of the table, got {got}")
    return _distinct([_row(table, f"{uri}, row {number}") for number, table in enumerate(tables, 1)])


def _row(table: Any, where: str) -> Row:
    if not isinstance(table, dict):
        raise UsageError(f"{where}: expected a table, got {table!r:.80}")
    for key in table:
        if key not in _KEYS:
            meant = did_you_mean(key, _KEYS) or f"; known: {', '.join(_KEYS)}"
            raise UsageError(f"{where}: unknown key {key!r}{meant}")
    texts = {}
    for key in ("model", "preset", "name", "features"):
        texts[key] = table.get(key, "")
        if not isinstance(texts[key], str):
            raise UsageError(f"{where}: {key} must be text, got {texts[key]!r:.80}")
    if not texts["model"]:
        raise UsageError(f"{where}: it names no model")
    training = table.get("training", {})
    if not isinstance(training, dict):
        raise UsageError(f"{where}: training must be a table of training options, got {training!r:.80}")
    for key, value in training.items():
        if type(value) not in (int, float):
            raise UsageError(f"{where}: training.{key} must be a number, got {value!r:.80}")
    settings = _settings(table.get("set", []), where)
    try:
        return Row(
            texts["model"],
            texts["preset"] or "paper",
            texts["name"],
            settings,
            training,
            texts["features"],
        )
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def _settings(given: Any, where: str) -> tuple[str, ...]:
    if isinstance(given, dict) and all(isinstance(v, str | int | float) for v in given.values()):
        return tuple(f"{key}={str(v).lower() if isinstance(v, bool) else v}" for key, v in given.items())
    if isinstance(given, list) and all(isinstance(word, str) for word in given):
        return tuple(given)
    raise UsageError(f"{where}: set must be a table of settings or a list of 'key=value', got {given!r:.80}")


def _distinct(rows: Sequence[Row]) -> tuple[Row, ...]:
    for attribute in ("name", "folder"):
        found = [getattr(row, attribute) for row in rows]
        twice = sorted({name for name in found if found.count(name) > 1})
        if twice:
            raise UsageError(f"{twice[0]} is named twice; give rows names of their own")
    return tuple(rows)
