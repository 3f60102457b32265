"""Option files: TOML files whose keys are option names."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cyclopts import Argument, Token

from wsvad.errors import UsageError
from wsvad.suggest import did_you_mean


def add_file(path: str, options: Mapping[str, Argument]) -> None:
    """Read an option file, and set each option that the command line does not set.

    Keys are option names with ``-`` or ``_``. For repeatable options, values of the file precede those of the command
    line.

    Raises:
        UsageError: the file is unreadable, or contains an unknown key or an invalid value.
    """
    known = {name: option for name, option in options.items() if name != "--config"}
    known |= {name: option for option in known.values() if is_switch(option) for name in option.negatives}
    seen: dict[str, str] = {}
    for key, value in _read(path).items():
        name = "--" + key.replace("_", "-")
        if name not in known:
            hint = did_you_mean(name, known)
            raise UsageError(f"--config {path}: unknown key {key!r}{hint or '; known: ' + ', '.join(sorted(known))}")
        option = known[name]
        if (other := seen.setdefault(option.name, key)) != key:
            raise UsageError(f"--config {path}: {other!r} and {key!r} are the same option")
        words = _words(path, key, value, option)
        if name in option.negatives:
            words = ["false" if words == ["true"] else "true"]
        if is_list(option):
            option.tokens[:0] = [Token(keyword=key, value=w, source=path, index=0) for w in words]
        elif not option.tokens:
            option.append(Token(keyword=key, value=words[0], source=path))


def is_switch(option: Argument) -> bool:
    """Whether an option is a switch without a value."""
    return option.hint in (bool, bool | None)


def is_list(option: Argument) -> bool:
    """Whether an option can be repeated."""
    return isinstance(option.field_info.default, tuple)


def _words(path: str, key: str, value: Any, option: Argument) -> list[str]:
    switch = is_switch(option)
    if isinstance(value, bool) and switch:
        return [str(value).lower()]
    if isinstance(value, str | int | float) and not isinstance(value, bool) and not switch:
        if isinstance(value, int) and value.bit_length() > 64:
            raise UsageError(f"--config {path}: {key!r} must be a number of at most 64 bits")
        return [str(value)]
    if is_list(option) and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return value
    expected = "true or false" if switch else "text or a number"
    raise UsageError(f"--config {path}: {key!r} must be {expected}, got {value!r:.120}")


def _read(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"--config {path}: the file does not exist") from error
    except RecursionError:
        raise UsageError(f"--config {path}: too deeply nested; values must be text, numbers or lists") from None
    except (OSError, ValueError) as error:  # also invalid UTF-8 or TOML, and numbers with thousands of digits
        raise UsageError(f"--config {path}: {error}") from error
