"""Rows of a comparison: models and presets from the command line, or with individual options from a TOML file."""

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
RESERVED_OPTIONS = ("seed",)
"""Training options that a comparison sets itself."""


@dataclass(frozen=True)
class Row:
    """A row of the table, which is run with every seed."""

    model: str
    preset: str = "paper"
    label: str = ""
    """Name in the table; empty: the model, with its preset unless that is ``paper``."""
    settings: tuple[str, ...] = ()
    """Model settings as ``key=value``, which override those of the preset and of the comparison."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Options of ``TrainConfig`` by name, which override those of the comparison."""
    features: str = ""
    """URI of a features data set; empty: that of the comparison."""

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
        known = {f.name for f in fields(TrainConfig)} - set(RESERVED_OPTIONS)
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
        """Name in the table."""
        return self.label or (self.model if self.preset == "paper" else f"{self.model}:{self.preset}")

    @property
    def folder(self) -> str:
        """Folder of its runs, below the root of the comparison."""
        return re.sub(r"[^\w.+=-]+", "_", self.label) if self.label else f"{self.model}-{self.preset}"


def parse_rows(text: str) -> tuple[Row, ...]:
    """Parse rows such as ``ltgs,ltgs:no_decay,st_mil``; ``all`` stands for every model with its preset ``paper``.

    Raises:
        UsageError: unknown model or preset, a duplicate, or no model.
    """
    if text.strip() == "all":
        return tuple(Row(model) for model in MODELS)
    words = [word.partition(":") for word in filter(None, (part.strip() for part in text.split(",")))]
    if not words:
        raise UsageError("no model is given; expected e.g. ltgs,st_mil or all")
    return _distinct([Row(model, preset or "paper") for model, _, preset in words])


def read_rows(uri: str, options: StoreOptions | None = None) -> tuple[Row, ...]:
    """Read a TOML file of rows: ``[[row]]`` with ``model``, and optionally ``preset``, ``name``, ``set`` (a table or a
    list of ``key=value``), ``training`` (a table of training options) and ``features``.

    Raises:
        UsageError: there is no such file, it is not TOML, or it has an unknown key or an invalid value.
        StorageError: the file cannot be read.
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
        raise UsageError(f"{uri}: expected one [[row]] per row of the table, got {got}")
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
        raise UsageError(f"{where}: the key model is missing")
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
            raise UsageError(f"{twice[0]} occurs twice; give every row its own name")
    return tuple(rows)
