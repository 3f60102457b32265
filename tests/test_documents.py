"""JSON of ours: what is read, and what is refused with the reason."""

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
    """A part."""

    name: str
    size: int = 0


@dataclass(frozen=True)
class Whole:
    """One field of every kind that a document of ours has."""

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


def test_what_asdict_gives_comes_back() -> None:
    """Names of a later version are left out; fields with a default may be absent; whole numbers are numbers."""
    assert build(Whole, PLAIN) == WHOLE
    assert build(Whole, PLAIN | {"of a later version": 1}) == WHOLE
    assert build(Whole, {k: v for k, v in PLAIN.items() if k != "rows"}).rows == []
    assert build(Whole, PLAIN | {"ratio": 2}).ratio == 2.0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text": 1}, "'text' should be str, got 1"),
        ({"text": None}, "'text' should be str, got null"),
        ({"text": "\ud800"}, "'text' is text without a UTF-8 form"),
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
    """Nothing is made to fit."""
    with pytest.raises(DocumentError) as caught:
        build(Whole, PLAIN | changes)
    assert said in str(caught.value)


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_what_is_no_object_is_refused(value: Any) -> None:
    """As a whole."""
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
def test_what_nothing_of_ours_ever_holds_is_refused(text: str | bytes, said: str) -> None:
    """Before anybody uses it."""
    with pytest.raises(DocumentError, match=said):
        parse_json(text)


def test_ordinary_json_is_read() -> None:
    """Down to the limits; an object where one is asked for."""
    assert parse_json("[" * 32 + "]" * 32)
    assert parse_object('{"a": [9223372036854775807, -9223372036854775808, 1.5, null, true]}')["a"][2] == 1.5
    assert parse_json("18446744073709551616", bits=128) == 1 << 64
    with pytest.raises(DocumentError, match="expected an object, got an array"):
        parse_object("[]")
