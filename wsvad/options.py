"""The words in which options are declared: types that check what they are given, and how an option looks.

An option is a field of a dataclass: its name, type, default and docstring are the command line, the option file and
the documentation. What a field needs besides stands in ``Annotated[type, Option(...)]``. ``wsvad.cli`` reads them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from cyclopts import Group, Token
from cyclopts import Parameter as Option

__all__ = [
    "HIDDEN",
    "PLAIN",
    "URI",
    "AnyPositiveFloat",
    "Flag",
    "Natural",
    "NaturalFloat",
    "Number",
    "Option",
    "PositiveFloat",
    "PositiveInt",
    "Size",
    "SmallInt",
    "Uri",
    "Word",
    "any_positive_float",
    "group",
    "natural",
    "natural_float",
    "number",
    "positive_float",
    "positive_int",
    "size_bytes",
    "small_int",
]

_LARGEST = 1e9
"""Of an option that is no whole number: seconds, cores, weights."""
T = TypeVar("T")


@dataclass(frozen=True)
class Word:
    """Marks a field that is told by its place on the command line, not by a name; the field is ``HIDDEN`` besides."""

    name: str
    """What it is called in help and messages."""
    help: str
    required: bool = True
    """Whether the command is wrong without it; otherwise the field keeps its default."""


def group(title: str, *, last: bool = False) -> Option:
    """Return how a field that holds a dataclass of options is shown: flat, below a heading.

    Headings stand in the order in which they are made, those that are ``last`` behind the others.
    """
    return Option(name="*", group=Group.create_ordered(title, sort_key=int(last)))


def _whole(text: str) -> int:
    try:
        value = int(text)
    except ValueError as error:
        raise ValueError(f"must be a whole number, got {text!r:.80}") from error
    if value.bit_length() > 63:
        raise ValueError(f"must be a number of at most 64 bits, got {text:.80}")
    return value


def number(text: str) -> float:
    """Parse a number. Raises ``ValueError``, as all of these do."""
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"must be a number, got {text!r:.80}") from error


def natural_float(text: str) -> float:
    """Parse a number of at least 0 that a size, a number of seconds or of cores can be."""
    value = number(text)
    if not 0 <= value < math.inf:
        raise ValueError(f"must be at least 0 and finite, got {text}")
    if value > _LARGEST:
        raise ValueError(f"must be at most {_LARGEST:g}, got {text:.80}")
    return value


def positive_int(text: str) -> int:
    """Parse a whole number of at least 1."""
    value = _whole(text)
    if value < 1:
        raise ValueError(f"must be at least 1, got {value}")
    return value


def natural(text: str) -> int:
    """Parse a whole number of at least 0."""
    value = _whole(text)
    if value < 0:
        raise ValueError(f"must be at least 0, got {value}")
    return value


def small_int(text: str) -> int:
    """Parse a whole number from 1 to 65,536: what is held in memory at once, or made one by one."""
    value = positive_int(text)
    if value > 1 << 16:
        raise ValueError(f"must be at most {1 << 16}, got {value}")
    return value


def any_positive_float(text: str) -> float:
    """Parse a finite number above 0, however large."""
    value = number(text)
    if not 0 < value < math.inf:
        raise ValueError(f"must be above 0 and finite, got {text}")
    return value


def positive_float(text: str) -> float:
    """Parse a number above 0 that a size, a number of seconds or of cores can be."""
    any_positive_float(text)
    return natural_float(text)


def size_bytes(text: str) -> int:
    """Parse bytes, at least 1: a whole number, or a number with KiB, MiB or GiB behind it."""
    digits, factor = text, 1
    for unit, size in (("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)):
        if text.endswith(unit):
            digits, factor = text[: -len(unit)], size
    value = number(digits) * factor
    if not 1 <= value < 2**63:
        raise ValueError(f"must be 1 byte to 8 EiB, got {text}")
    return int(value)


def _checked(parse: Callable[[str], T], metavar: str) -> Option:
    def convert(_: Any, tokens: Sequence[Token]) -> T:
        return parse(tokens[0].value)

    return Option(converter=convert, metavar=metavar)


HIDDEN = Option(parse=False, show=False)
"""Of a field that is no option: it keeps its default, or somebody else sets it."""
PLAIN = Option(negative=())
"""Of a switch that can only be turned on: there is no ``--no-`` of it."""
URI = Option(metavar="URI")

Flag = Annotated[bool, PLAIN]
Uri = Annotated[str, URI]
Natural = Annotated[int, _checked(natural, "N")]
PositiveInt = Annotated[int, _checked(positive_int, "N")]
SmallInt = Annotated[int, _checked(small_int, "N")]
Number = Annotated[float, _checked(number, "X")]
NaturalFloat = Annotated[float, _checked(natural_float, "X")]
PositiveFloat = Annotated[float, _checked(positive_float, "X")]
AnyPositiveFloat = Annotated[float, _checked(any_positive_float, "X")]
Size = Annotated[int, _checked(size_bytes, "BYTES")]
