"""Types and annotations with which options are declared.

An option is a field of a dataclass. Its name, type, default and docstring define the command-line option, the entry in
the option file, and the documentation. ``Annotated[type, Option(...)]`` adds further properties. ``wsvad.cli`` reads
the declarations.
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
"""Upper limit of options that are not whole numbers: seconds, cores, weights."""
T = TypeVar("T")


@dataclass(frozen=True)
class Word:
    """Marks a field that is a positional argument. The field must also be ``HIDDEN``."""

    name: str
    """Name in help and messages."""
    help: str
    required: bool = True
    """Whether the argument is required; otherwise the field keeps its default."""


def group(title: str, *, last: bool = False) -> Option:
    """Return the annotation of a field that holds a dataclass of options: they are shown flat under a heading.

    Headings appear in the order of their creation; those with ``last`` come after all others.
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
    """Parse a number. Raises ``ValueError`` if the text is invalid, as all parsers here do."""
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"must be a number, got {text!r:.80}") from error


def natural_float(text: str) -> float:
    """Parse a number from 0 to 1e9, e.g. of seconds or cores."""
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
    """Parse a whole number from 1 to 65,536, for things that are held in memory at once or created one by one."""
    value = positive_int(text)
    if value > 1 << 16:
        raise ValueError(f"must be at most {1 << 16}, got {value}")
    return value


def any_positive_float(text: str) -> float:
    """Parse a finite number above 0, without an upper limit."""
    value = number(text)
    if not 0 < value < math.inf:
        raise ValueError(f"must be above 0 and finite, got {text}")
    return value


def positive_float(text: str) -> float:
    """Parse a number above 0 and at most 1e9, e.g. of seconds or cores."""
    any_positive_float(text)
    return natural_float(text)


def size_bytes(text: str) -> int:
    """Parse a size of at least 1 byte: a whole number, or a number with the suffix KiB, MiB or GiB."""
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
"""Annotation of a field that is not an option: it keeps its default or is set by code."""
PLAIN = Option(negative=())
"""Annotation of a flag without a ``--no-`` form."""
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
