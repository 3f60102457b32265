"""Ways to spoil a JSON document, a text, or bytes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

DEEP = "[" * 100_000 + "]" * 100_000
"""Takes any recursive reader beyond its limit."""
_RAW = "\0raw\0"
"""Stands for text that ``json.dumps`` would not write."""
RAW = ("NaN", "-Infinity", "1e999", "9" * 5000, '"\\ud800"', DEEP, "-0", "0.5")

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 7, 2**31, 2**63, 10**30, 0.5, -1e300, "", "x", "1", "../../x", "\0", "é" * 300,
    [], [[]], [None], ["a", 1], [[1, 2, 3]], {}, {"": None}, {"name": "x"},
)  # fmt: skip


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from _places(item, (*path, key))


def _changed(document: Any, path: tuple[Any, ...], value: Any, *, remove: bool = False) -> Any:
    if not path:
        return value
    document = copy.deepcopy(document)
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    if remove:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return document


@st.composite
def spoiled_values(draw: st.DrawFn, document: Any) -> Any:
    """The document with one or two of its values changed or removed."""
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(list(_places(document))))
        document = _changed(document, path, draw(st.sampled_from(VALUES)), remove=draw(st.booleans()) and bool(path))
    return document


@st.composite
def spoiled_json(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes of a JSON document with something wrong: values of other types, raw oddities, or bytes flipped."""
    document = json.loads(data)
    kind = draw(st.sampled_from(("value", "value", "raw", "bytes")))
    if kind == "bytes":
        return draw(spoiled_bytes(data))
    if kind == "value":
        return json.dumps(draw(spoiled_values(document))).encode()
    path = draw(st.sampled_from(list(_places(document))))
    marked = json.dumps(_changed(document, path, _RAW))
    return marked.replace(json.dumps(_RAW), draw(st.sampled_from(RAW))).encode()


@st.composite
def spoiled_bytes(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes cut off, left out, put in, or changed."""
    at = draw(st.integers(0, max(len(data) - 1, 0)))
    until = draw(st.integers(at, min(at + 20, len(data))))
    return data[:at] + draw(st.binary(max_size=6)) + data[until:]
