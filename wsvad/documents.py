"""JSON that this program wrote, read as if a stranger had: bounded, and of the types that a class asks for.

What ``json`` lets through and nothing of ours ever holds is refused here, once: nesting that ends in a
``RecursionError``, NaN and infinity, whole numbers beyond 64 bits, text that has no UTF-8.
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
"""Levels of arrays and objects in a document; the deepest of ours, a report, has eight."""

T = TypeVar("T")
_ABSENT = object()
_PLAIN = (int, float, bool)


class DocumentError(ValueError):
    """The bytes are no document of ours; says what is wrong, and leaves the file and the remedy to the reader."""


def parse_json(data: bytes | bytearray | str, *, bits: int = 64) -> Any:
    """Return the value that a JSON text stands for.

    Raises:
        DocumentError: it is no JSON, nested more than ``MAX_DEPTH`` levels deep, or has a number that is not finite or
            a whole one that does not fit into so many ``bits``, sign included.
    """
    try:
        value = json.loads(data)
    except RecursionError:
        raise DocumentError(f"it is nested more than {MAX_DEPTH} levels deep") from None
    except ValueError as error:  # no JSON, no UTF-8, or a number of thousands of digits
        raise DocumentError(f"it is no JSON: {error}") from error
    _check_plain(value, 1 << (bits - 1))
    return value


def parse_object(data: bytes | bytearray | str, *, bits: int = 64) -> dict[str, Any]:
    """Return the object that a JSON text stands for. Raises ``DocumentError``, also for a value of another kind."""
    value = parse_json(data, bits=bits)
    if not isinstance(value, dict):
        raise DocumentError(f"expected an object, got {_told(value)}")
    return value


def build(kind: type[T], fields: Any) -> T:
    """Make a dataclass from the object that ``dataclasses.asdict`` and JSON made of it, each field of its type.

    Arrays become tuples where the field is one, objects become dataclasses. Names that the class does not have are left
    out: a later version may say more. Fields with a default may be absent.

    Raises:
        DocumentError: no object, a field that is absent, or a value of another type.
    """
    if not isinstance(fields, dict):
        raise DocumentError(f"expected an object, got {_told(fields)}")
    values = {}
    for name, (hint, required, many) in _fields(cast("Hashable", kind)).items():
        value = fields.get(name, _ABSENT)
        if value is _ABSENT:
            if required:
                raise DocumentError(f"{name!r} is missing")
        elif type(value) is hint and (hint in _PLAIN or (hint is str and value.isascii())):
            values[name] = value  # nearly all there is
        elif many and value == []:
            values[name] = ()
        else:
            values[name] = _made(hint, value, name)
    return kind(**values)


@functools.cache
def _fields(kind: Hashable) -> dict[str, tuple[Any, bool, bool]]:
    """Type of each field, whether it must be there, and whether it is a tuple of any length."""
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


def _made(hint: Any, value: Any, name: str) -> Any:
    """The value as the type asks for it. Raises ``DocumentError`` naming the field."""
    if type(value) is hint and hint in (str, int, bool):
        return _text(value, name) if hint is str else value
    origin, arguments = _generic(hint)
    if hint is Any:
        return value
    if hint is float and type(value) in (int, float):
        return float(value)
    if origin in (Union, types.UnionType):
        return None if value is None and types.NoneType in arguments else _made(arguments[0], value, name)
    if origin is Literal and isinstance(value, str | int) and value in arguments:
        return value
    if origin is tuple and isinstance(value, list):
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_made(arguments[0], item, name) for item in value)
        if len(arguments) == len(value):
            return tuple(_made(of, item, name) for of, item in zip(arguments, value, strict=True))
    if isinstance(hint, type) and issubclass(hint, tuple) and isinstance(value, list):
        hints = get_type_hints(hint)  # of a named tuple
        if len(hints) == len(value):
            return hint(*(_made(of, item, name) for of, item in zip(hints.values(), value, strict=True)))
    if origin is list and isinstance(value, list):
        return [_made(arguments[0], item, name) for item in value]
    if origin is dict and isinstance(value, dict):
        return {_text(key, name): _made(arguments[1], item, name) for key, item in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value)
    wanted = hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
    raise DocumentError(f"{name!r} should be {wanted}, got {_told(value)}")


@functools.cache
def _generic(hint: Hashable) -> tuple[Any, tuple[Any, ...]]:
    """What a type is made of: ``(tuple, (int, ...))`` of ``tuple[int, ...]``."""
    return get_origin(hint), get_args(hint)


def _text(value: str, name: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise DocumentError(f"{name!r} is text without a UTF-8 form: {value!a:.80}") from None
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
                raise DocumentError(f"{item!s:.40} is too large, or no number")
        level, depth = inner, depth + 1


def _told(value: object) -> str:
    kinds = {dict: "an object", list: "an array", type(None): "null"}
    return kinds.get(type(value)) or f"{value!r:.80}"
