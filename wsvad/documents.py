"""Parse stored JSON as untrusted input: with limits, and with checked types.

Rejects what ``json`` accepts but this package never writes: nesting that causes a ``RecursionError``, NaN and infinity,
integers beyond 64 bits, and text that cannot be encoded as UTF-8.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
from collections.abc import Hashable
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

MAX_DEPTH = 32
"""Maximum nesting of arrays and objects; the deepest document of this package, a report, has eight levels."""

T = TypeVar("T")
_ABSENT = object()
_PLAIN = (int, float, bool)


class DocumentError(ValueError):
    """Invalid content of a document; the caller adds the file name and the remedy to the message."""


def parse_json(data: bytes | bytearray | str, *, bits: int = 64) -> Any:
    """Parse JSON.

    Raises:
        DocumentError: the text is not JSON, is nested deeper than ``MAX_DEPTH``, or contains a number that is not
            finite or an integer that does not fit into ``bits`` bits including the sign.
    """
    try:
        value = json.loads(data)
    except RecursionError:
        raise DocumentError(f"it is nested more than {MAX_DEPTH} levels deep") from None
    except ValueError as error:  # invalid JSON or UTF-8, or a number with thousands of digits
        raise DocumentError(f"it is no JSON: {error}") from error
    _check_plain(value, 1 << (bits - 1))
    return value


def parse_object(data: bytes | bytearray | str, *, bits: int = 64) -> dict[str, Any]:
    """Parse a JSON object. Raises ``DocumentError``, also for any other JSON value."""
    value = parse_json(data, bits=bits)
    if not isinstance(value, dict):
        raise DocumentError(f"expected an object, got {_describe(value)}")
    return value


def build(kind: type[T], fields: Any) -> T:
    """Build a dataclass from parsed JSON, the inverse of ``dataclasses.asdict``, and check the type of every field.

    Converts arrays to tuples and objects to dataclasses as the fields require. Unknown names are ignored, because a
    later version may have added fields. Fields with a default are optional.

    Raises:
        DocumentError: ``fields`` is not an object, a field is missing, or a value has another type.
    """
    if not isinstance(fields, dict):
        raise DocumentError(f"expected an object, got {_describe(fields)}")
    values = {}
    for name, (hint, required, many) in _fields(cast("Hashable", kind)).items():
        value = fields.get(name, _ABSENT)
        if value is _ABSENT:
            if required:
                raise DocumentError(f"{name!r} is missing")
        elif type(value) is hint and (hint in _PLAIN or (hint is str and value.isascii())):
            values[name] = value  # fast path for nearly all values
        elif many and value == []:
            values[name] = ()
        else:
            values[name] = _convert(hint, value, name)
    return kind(**values)


@functools.cache
def _fields(kind: Hashable) -> dict[str, tuple[Any, bool, bool]]:
    """Return for each field its type, whether it is required, and whether it is a tuple of any length."""
    assert isinstance(kind, type)
    assert dataclasses.is_dataclass(kind)
    hints = get_type_hints(kind)
    absent = dataclasses.MISSING
    return {
        f.name: (
            hints[f.name],
            f.default is absent and f.default_factory is absent,
            get_origin(hints[f.name]) is tuple and get_args(hints[f.name])[1:] == (Ellipsis,),
        )
        for f in dataclasses.fields(kind)
        if f.init
    }


def _convert(hint: Any, value: Any, name: str) -> Any:
    """Convert a value to a type. Raises ``DocumentError`` with the name of the field."""
    if type(value) is hint and hint in (str, int, bool):
        return _text(value, name) if hint is str else value
    origin, arguments = _generic(hint)
    if hint is Any:
        return value
    if hint is float and type(value) in (int, float):
        return float(value)
    if origin in (Union, types.UnionType):
        return None if value is None and types.NoneType in arguments else _convert(arguments[0], value, name)
    if origin is Literal and isinstance(value, str | int) and value in arguments:
        return value
    if origin is tuple and isinstance(value, list):
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_convert(arguments[0], item, name) for item in value)
        if len(arguments) == len(value):
            return tuple(_convert(of, item, name) for of, item in zip(arguments, value, strict=True))
    if isinstance(hint, type) and issubclass(hint, tuple) and isinstance(value, list):
        hints = get_type_hints(hint)  # a named tuple
        if len(hints) == len(value):
            return hint(*(_convert(of, item, name) for of, item in zip(hints.values(), value, strict=True)))
    if origin is list and isinstance(value, list):
        return [_convert(arguments[0], item, name) for item in value]
    if origin is dict and isinstance(value, dict):
        return {_text(key, name): _convert(arguments[1], item, name) for key, item in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value)
    wanted = hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
    raise DocumentError(f"{name!r} should be {wanted}, got {_describe(value)}")


@functools.cache
def _generic(hint: Hashable) -> tuple[Any, tuple[Any, ...]]:
    """Return origin and arguments of a type, e.g. ``(tuple, (int, ...))`` for ``tuple[int, ...]``."""
    return get_origin(hint), get_args(hint)


def _text(value: str, name: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise DocumentError(f"{name!r} is text that cannot be encoded as UTF-8: {value!a:.80}") from None
    return value


def _check_plain(value: Any, most: int) -> None:
    level, depth = [value], 0
    while level:
        if depth > MAX_DEPTH:
            raise DocumentError(f"it is nested more than {MAX_DEPTH} levels deep")
        inner: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is dict:
                inner += item.values()
            elif kind is list:
                inner += item
            elif (kind is int and not -most <= item < most) or (kind is float and not math.isfinite(item)):
                raise DocumentError(f"{item!s:.40} is too large or not a finite number")
        level, depth = inner, depth + 1


def _describe(value: object) -> str:
    kinds = {dict: "an object", list: "an array", type(None): "null"}
    return kinds.get(type(value)) or f"{value!r:.80}"
