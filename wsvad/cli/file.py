"""Option files: TOML, whose keys are the names of options."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cyclopts import Argument, Token

from wsvad.errors import UsageError
from wsvad.suggest import did_you_mean


def add_file(path: str, options: Mapping[str, Argument]) -> None:
    """Read an option file, and give each option that the command line left alone what the file says.

    The keys are the options' names, with ``-`` or ``_``. Of an option that may be repeated, the file's values come
    first and the command line's behind them.

    Raises:
        UsageError: unreadable, an unknown key, or a value that no option takes.
    """
    known = {name: option for name, option in options.items() if name != "--config"}
    known |= {name: option for option in known.values() if is_switch(option) for name in option.negatives}
    seen: dict[str, str] = {}
    for key, value in _read(path).items():
        name = "--" + key.replace("_", "-")
        if name not in known:
            meant = did_you_mean(name, known)
            raise UsageError(f"--config {path}: unknown key {key!r}{meant or '; known: ' + ', '.join(sorted(known))}")
        option = known[name]
        if (other := seen.setdefault(option.name, key)) != key:
            raise UsageError(f"--config {path}: {other!r} and {key!r} are one option")
        words = _words(path, key, value, option)
        if name in option.negatives:
            words = ["false" if words == ["true"] else "true"]
        if is_list(option):
            option.tokens[:0] = [Token(keyword=key, value=w, source=path, index=0) for w in words]
        elif not option.tokens:
            option.append(Token(keyword=key, value=words[0], source=path))


def is_switch(option: Argument) -> bool:
    """Whether an option is on or off, and takes no value."""
    return option.hint in (bool, bool | None)


def is_list(option: Argument) -> bool:
    """Whether an option may be given again and again."""
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
    wanted = "true or false" if switch else "text or a number"
    raise UsageError(f"--config {path}: {key!r} must be {wanted}, got {value!r:.120}")


def _read(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"--config {path}: the file does not exist") from error
    except RecursionError:
        raise UsageError(
            f"--config {path}: it is nested too deeply; an option's value is text, a number or a list"
        ) from None
    except (OSError, ValueError) as error:  # also no UTF-8, no TOML, or a number of thousands of digits
        raise UsageError(f"--config {path}: {error}") from error
