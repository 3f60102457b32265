"""Parsing of stored JSON: what is accepted, and what is refused with which reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

import pytest

from wsvad.documents import DocumentError, build, parse_json, parse_object


class Note(NamedTuple):
    """A pair."""

    code: int
    message: str


@dataclass(frozen=True)
class Inner:
    """A nested document."""

    name: str
    size: int = 0


@dataclass(frozen=True)
class Whole:
    """A document with one field of every supported type."""

    text: str
    ratio: float
    flag: bool
    kind: Literal["a", "b"]
    maybe: int | None
    spans: tuple[tuple[int, int], ...]
    parts: tuple[Inner, ...]
    notes: tuple[Note, ...]
    free: dict[str, Any]
    rows: list[dict[str, str]] = field(default_factory=list)


WHOLE = Whole("é", 0.5, True, "a", None, ((1, 2),), (Inner("x", 3),), (Note(1, "m"),), {"a": [1]}, [{"k": "v"}])
PLAIN = {**asdict(WHOLE), "spans": [[1, 2]], "parts": [{"name": "x", "size": 3}], "notes": [[1, "m"]]}


def test_documents_round_trip() -> None:
    """Fields of a later version are ignored; fields with a default are optional; integers are valid floats."""
    assert build(Whole, PLAIN) == WHOLE
    assert build(Whole, PLAIN | {"of a later version": 1}) == WHOLE
    assert build(Whole, {k: v for k, v in PLAIN.items() if k != "rows"}).rows == []
    assert build(Whole, PLAIN | {"ratio": 2}).ratio == 2.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text": 1}, "'text' should be str, got 1"),
        ({"text": None}, "'text' should be str, got null"),
        ({"text": "\ud800"}, "'text' is text that cannot be encoded as UTF-8"),
        ({"ratio": "0.5"}, "'ratio' should be float, got '0.5'"),
        ({"ratio": True}, "'ratio' should be float"),
        ({"flag": 1}, "'flag' should be bool, got 1"),
        ({"kind": "c"}, "'kind' should be Literal"),
        ({"kind": []}, "'kind' should be Literal"),
        ({"maybe": True}, "'maybe' should be int"),
        ({"maybe": 1.0}, "'maybe' should be int"),
        ({"spans": [[1, 2, 3]]}, "'spans' should be"),
        ({"spans": {}}, "'spans' should be"),
        ({"parts": [{"size": 1}]}, "'name' is missing"),
        ({"parts": [1]}, "expected an object, got 1"),
        ({"notes": [[1]]}, "'notes' should be Note"),
        ({"free": []}, "'free' should be"),
        ({"rows": [{"k": 1}]}, "'rows' should be str, got 1"),
    ],
)
def test_values_of_another_type_are_refused_by_name(changes: dict[str, Any], said: str) -> None:
    """Values are not coerced."""
    with pytest.raises(DocumentError) as caught:
        build(Whole, PLAIN | changes)
    assert said in str(caught.value)


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_other_json_values_are_refused(value: Any) -> None:
    """If an object is expected."""
    with pytest.raises(DocumentError, match="expected an object"):
        build(Inner, value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "nested more than 32 levels"),
        ("[" * 40 + "]" * 40, "nested more than 32 levels"),
        ('{"a":' * 40 + "1" + "}" * 40, "nested more than 32 levels"),
        ("NaN", "too large or not a finite number"),
        ("[1e999]", "too large or not a finite number"),
        ('{"a": 9223372036854775808}', "too large or not a finite number"),
        ("9" * 5000, "it is no JSON"),
        (b"\xff\xfe\xff", "it is no JSON"),
        ("", "it is no JSON"),
        ("{'a': 1}", "it is no JSON"),
    ],
)
def test_unsafe_json_is_refused(text: str | bytes, said: str) -> None:
    """Deep nesting, NaN, infinity and huge integers."""
    with pytest.raises(DocumentError, match=said):
        parse_json(text)


def test_ordinary_json_is_read() -> None:
    """Up to the limits; an object if one is expected."""
    assert parse_json("[" * 32 + "]" * 32)
    assert parse_object('{"a": [9223372036854775807, -9223372036854775808, 1.5, null, true]}')["a"][2] == 1.5
    assert parse_json("18446744073709551616", bits=128) == 1 << 64
    with pytest.raises(DocumentError, match="expected an object, got an array"):
        parse_object("[]")
