"""Reads the cameras file and reports all problems in it at once, before any work."""

from __future__ import annotations

import math
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, get_args

from wsvad.cameras.clock import zone_problem
from wsvad.cameras.config import SETTINGS, Cameras, Fold, Mask, Rule
from wsvad.cameras.patterns import Pattern
from wsvad.errors import ObjectNotFound, UsageError
from wsvad.manifest.ids import id_problem
from wsvad.storage import StoreOptions, open_object
from wsvad.suggest import did_you_mean

_MOST_DAYS = 36_500


def read_cameras(uri: str | None, options: StoreOptions | None = None) -> Cameras:
    """Read a TOML cameras file; without a file (``None``), every folder is a camera without recording times.

    The file has ``[defaults]`` and ``[[camera]]`` tables; docs/events.md shows an example.

    Raises:
        UsageError: the file does not exist, is not TOML, or has invalid content; the message lists every problem.
        StorageError: the file cannot be read.
    """
    if uri is None:
        return Cameras()
    store, key = open_object(uri, options)
    try:
        document = tomllib.loads(store.read(key).decode())
    except ObjectNotFound as error:
        raise UsageError(f"{uri}: the cameras file does not exist") from error
    except RecursionError:
        raise UsageError(f"{uri}: the file is nested too deeply") from None
    except ValueError as error:  # invalid TOML or UTF-8, or a number with thousands of digits
        raise UsageError(f"{uri}: {error}") from error
    return parse_cameras(document, uri)


def parse_cameras(document: Mapping[str, Any], name: str = "cameras") -> Cameras:
    """Return the cameras of a parsed TOML file; raises ``UsageError`` as :func:`read_cameras`."""
    problems = _Problems()
    problems.unknown("", document, ("defaults", "camera"))
    given = document.get("defaults", {})
    defaults = _settings(given, "defaults", problems) if problems.is_table("defaults", given) else {}
    _check_levels(defaults, "defaults", problems)
    tables = document.get("camera", [])
    if not isinstance(tables, list):
        problems.add("camera", "expected [[camera]] tables, with two brackets")
        tables = []
    rules: list[Rule] = []
    named: dict[str, Mapping[str, Any]] = {}
    for number, table in enumerate(tables, 1):
        where = f"camera {number}"
        if problems.is_table(where, table):
            _read_table(table, where, defaults, rules, named, problems)
    if not tables:
        problems.add("camera", "expected at least one [[camera]] table")
    twice = [text for text, count in Counter(p.text for rule in rules for p in rule.patterns).items() if count > 1]
    for text in twice:
        problems.add("camera", f"the pattern {text!r:.120} occurs twice; only the first would ever match")
    problems.raise_if_any(name)
    return Cameras(tuple(rules), defaults, named)


class _Problems(list[str]):
    """Problems found in a file."""

    def add(self, where: str, text: str) -> None:
        self.append(f"{where}: {text}" if where else text)

    def unknown(self, where: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                self.add(where, f"unknown key {key!r:.80}{did_you_mean(key, known) or '; known: ' + ', '.join(known)}")

    def is_table(self, where: str, value: Any) -> bool:
        if not isinstance(value, dict):
            self.add(where, f"expected a table, got {value!r:.80}")
        return isinstance(value, dict)

    def raise_if_any(self, name: str) -> None:
        if len(self) == 1:
            raise UsageError(f"{name}: {self[0]}")
        if self:
            raise UsageError("\n  ".join([f"{name}: {len(self)} problems", *self]))


def _read_table(
    table: Mapping[str, Any],
    where: str,
    defaults: Mapping[str, Any],
    rules: list[Rule],
    named: dict[str, Mapping[str, Any]],
    problems: _Problems,
) -> None:
    """Read one ``[[camera]]`` table into the rules, or into the settings by name."""
    name = table.get("name")
    if name is not None:
        problem = id_problem(name) if isinstance(name, str) else "it is not text"
        if problem:
            problems.add(where, f"invalid name {name!r:.80}: {problem}")
            name = None
        else:
            where = f"{where} ({name!r:.80})"
    own = {key: value for key, value in table.items() if key not in ("name", "pattern")}
    settings = _settings(own, where, problems, ("name", "pattern", *SETTINGS))
    _check_levels(settings, where, problems)
    patterns = _patterns(table.get("pattern", []), where, problems)
    if patterns:
        _check_rule(patterns, table, {**defaults, **settings}, where, problems)
        if name is not None and any(rule.name == name for rule in rules):
            problems.add(where, "a camera with this name has patterns already; put all of its patterns in one list")
        rules.append(Rule(patterns, name, settings))
    elif "pattern" not in table and "name" not in table:
        problems.add(where, "expected a name or a pattern")
    elif "pattern" not in table and name is not None:
        if name in named:
            problems.add(where, "a camera with this name exists already")
        named[name] = settings


def _check_rule(
    patterns: tuple[Pattern, ...],
    table: Mapping[str, Any],
    settings: Mapping[str, Any],
    where: str,
    problems: _Problems,
) -> None:
    for pattern in patterns:
        if "name" in table and "camera" in pattern.fields:
            problems.add(where, "expected either a name or {camera} in the pattern, got both")
        if "name" not in table and "camera" not in pattern.fields:
            problems.add(where, f"pattern {pattern.text!r:.120} has no {{camera}}, so the table needs a name")
    if any(pattern.has_local_time for pattern in patterns) and "time_zone" not in settings:
        problems.add(where, "the pattern contains a local time, so time_zone is required (for example 'UTC')")


def _patterns(given: Any, where: str, problems: _Problems) -> tuple[Pattern, ...]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        problems.add(where, f"pattern must be text or a list of texts, got {given!r:.80}")
        return ()
    found = []
    for text in texts:
        try:
            found.append(Pattern(text))
        except UsageError as error:
            problems.add(where, str(error))
    return tuple(found)


def _settings(
    table: Mapping[str, Any], where: str, problems: _Problems, known: tuple[str, ...] = SETTINGS
) -> dict[str, Any]:
    problems.unknown(where, table, known)
    settings: dict[str, Any] = {}
    for key, value in table.items():
        if key in _CHECKS:
            problem = _CHECKS[key](value)
            if problem:
                problems.add(where, problem)
            elif key == "masks":
                settings[key] = tuple(Mask(*map(float, corners)) for corners in value)
            else:
                settings[key] = float(value) if key in ("budget", "high", "low") else value
    return settings


def _check_levels(settings: Mapping[str, Any], where: str, problems: _Problems) -> None:
    high, low = settings.get("high"), settings.get("low")
    if high is not None and low is not None and low > high:
        problems.add(where, f"low must be at most high, got {low:g} and {high:g}")
    if low is not None and high is None:
        problems.add(where, "low goes with high; give both")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(key: str, low: float, high: float) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if _is_number(value) and low <= value <= high:
            return ""
        return f"{key} must be a number from {low:g} to {high:g}, got {value!r:.80}"

    return check


def _days(value: Any) -> str:
    if type(value) is int and 1 <= value <= _MOST_DAYS:
        return ""
    return f"retention_days must be a whole number from 1 to {_MOST_DAYS}, got {value!r:.80}"


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else f"legal_hold must be true or false, got {value!r:.80}"


def _text(value: Any) -> str:
    return "" if isinstance(value, str) and len(value) <= 1000 else f"purpose must be short text, got {value!r:.80}"


def _fold(value: Any) -> str:
    folds = get_args(Fold)
    if value in folds:
        return ""
    hint = did_you_mean(value, folds) if isinstance(value, str) else ""
    return f"fold must be one of {', '.join(folds)}, got {value!r:.80}{hint}"


def _zone(value: Any) -> str:
    return zone_problem(value) if isinstance(value, str) else f"time_zone must be text, got {value!r:.80}"


def _masks(value: Any) -> str:
    expected = "masks must be a list of [x1, y1, x2, y2], fractions of width and height, with x1 < x2 and y1 < y2"
    if not isinstance(value, list):
        return f"{expected}, got {value!r:.80}"
    for corners in value:
        valid = isinstance(corners, list) and len(corners) == 4 and all(map(_is_number, corners))
        if not valid or not (0 <= corners[0] < corners[2] <= 1 and 0 <= corners[1] < corners[3] <= 1):
            return f"{expected}, got {corners!r:.80}"
    return ""


_CHECKS: dict[str, Callable[[Any], str]] = {
    "time_zone": _zone,
    "fold": _fold,
    "budget": _number("budget", 0, 1e6),
    "retention_days": _days,
    "legal_hold": _flag,
    "purpose": _text,
    "masks": _masks,
    "high": _number("high", 0, 1),
    "low": _number("low", 0, 1),
}
