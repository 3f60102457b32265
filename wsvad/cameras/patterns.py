"""Patterns of paths: which camera a video is of, and when it starts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from wsvad.errors import UsageError
from wsvad.suggest import did_you_mean

LONGEST = 500
"""Characters in a pattern."""
MOST_STARS = 3
"""``*`` and ``**`` in a pattern: each more of them multiplies the time that a hostile name takes to match."""
_DIGITS = {
    "year": "[0-9]{4}",
    "fraction": "[0-9]{1,9}",
    "epoch": "[0-9]{1,11}",
    "epoch_ms": "[0-9]{1,14}",
} | dict.fromkeys(("month", "day", "hour", "minute", "second"), "[0-9]{2}")
FIELDS = ("camera", *_DIGITS)
"""What may stand in braces."""
_NEEDED = ("year", "month", "day", "hour")
_TOKEN = re.compile(r"\{([^{}/]*)\}|(\*\*/?)|(\*)|([^*{}]+|[{}])")


class Found(NamedTuple):
    """What a path says."""

    camera: str | None
    """``None``: the pattern has no ``{camera}``."""
    local: datetime | None
    """On the camera's clock, without a zone; with UTC as its zone where the path gives an epoch; ``None``: not said."""
    problem: str = ""
    """Why the time that the path shows is none, such as month 13."""


@dataclass(frozen=True)
class Pattern:
    """A path with fields in braces; ``*`` is any text within a folder or file name, ``**`` any text.

    Fields: ``{camera}`` (any text without a slash), ``{year}`` (4 digits), ``{month} {day} {hour} {minute} {second}``
    (2 digits each), ``{fraction}`` (of a second: 1 to 9 digits behind the point), or ``{epoch}``, ``{epoch_ms}``
    (seconds or milliseconds since 1970, UTC). A field that is repeated must have the same text everywhere. The whole
    path must match.

    Raises:
        UsageError: an unknown field, half a time, too long.
    """

    text: str
    _regex: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_regex", _compiled(self.text))

    @property
    def fields(self) -> frozenset[str]:
        """Names of its fields."""
        return frozenset(self._regex.groupindex)

    @property
    def has_local_time(self) -> bool:
        """Whether it reads the camera's clock, so that the time zone matters."""
        return "year" in self.fields

    def match(self, path: str) -> Found | None:
        """Return what a path says, or ``None`` where it does not match."""
        found = self._regex.fullmatch(path)
        if found is None:
            return None
        texts = found.groupdict()
        try:
            return Found(texts.get("camera"), _time(texts))
        except (ValueError, OverflowError) as error:
            return Found(texts.get("camera"), None, f"the path shows a time that does not exist: {error}")

    def match_end(self, path: str) -> Found | None:
        """The same for a longer path that must end as the pattern says: as many folders of it as the pattern has."""
        if "**" in self.text:
            return self.match(path)
        return self.match("/".join(path.split("/")[-self.text.count("/") - 1 :]))


def _time(texts: dict[str, str]) -> datetime | None:
    for name, unit in (("epoch", 1), ("epoch_ms", 1000)):
        if name in texts:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(texts[name]) * (1_000_000 // unit))
    if "year" not in texts:
        return None
    year, month, day, hour, minute, second = (int(texts.get(name, "0")) for name in (*_NEEDED, "minute", "second"))
    microsecond = int(texts.get("fraction", "0").ljust(6, "0")[:6])
    return datetime(year, month, day, hour, minute, second, microsecond)


def _compiled(text: str) -> re.Pattern[str]:
    if not text or len(text) > LONGEST:
        raise UsageError(f"pattern must have 1 to {LONGEST} characters, got {len(text)}")
    parts: list[str] = []
    seen: set[str] = set()
    stars = 0
    for name, anything, star, literal in _TOKEN.findall(text):
        stars += bool(anything or star)
        if anything:
            parts.append("(?:.*/)?" if anything.endswith("/") else ".*")
        elif star:
            parts.append("[^/]*")
        elif literal and literal not in "{}":
            parts.append(re.escape(literal))
        elif name in seen:
            parts.append(f"(?P={name})")
        else:
            parts.append(_group(text, name, literal))
            seen.add(name)
    if stars > MOST_STARS:
        raise UsageError(f"pattern {text!r:.120} has {stars} wildcards (* and **), more than {MOST_STARS}")
    _check_fields(text, seen)
    return re.compile("".join(parts), re.DOTALL)


def _group(text: str, name: str, brace: str) -> str:
    if brace or name not in FIELDS:
        meant = did_you_mean(name, FIELDS) or f"; known: {', '.join(FIELDS)}"
        said = f"a single {brace!r}" if brace else f"the unknown field {name!r:.40}"
        raise UsageError(f"pattern {text!r:.120} has {said}{meant}")
    return f"(?P<{name}>{_DIGITS.get(name, '[^/]+')})"


def _check_fields(text: str, seen: set[str]) -> None:
    epochs = seen & {"epoch", "epoch_ms"}
    clock = seen - {"camera"} - epochs
    absent = [name for name in _NEEDED if name not in seen]
    if (clock and epochs) or len(epochs) > 1:
        raise UsageError(f"pattern {text!r:.120} has two times: {', '.join(sorted(clock | epochs))}")
    if clock and absent:
        raise UsageError(f"pattern {text!r:.120} has half a time: it lacks {', '.join(f'{{{n}}}' for n in absent)}")
    for part, whole in (("second", "minute"), ("fraction", "second")):
        if part in seen and whole not in seen:
            raise UsageError(f"pattern {text!r:.120} has {{{part}}} without {{{whole}}}")
