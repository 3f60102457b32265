"""Path patterns: parse the camera and the start time of a video from its path."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from wsvad.errors import UsageError
from wsvad.suggest import did_you_mean

MAX_LENGTH = 500
"""Maximum number of characters in a pattern."""
MAX_WILDCARDS = 3
"""Maximum number of ``*`` and ``**`` in a pattern: each one multiplies the matching time of an adversarial name."""
_DIGITS = {
    "year": "[0-9]{4}",
    "fraction": "[0-9]{1,9}",
    "epoch": "[0-9]{1,11}",
    "epoch_ms": "[0-9]{1,14}",
} | dict.fromkeys(("month", "day", "hour", "minute", "second"), "[0-9]{2}")
FIELDS = ("camera", *_DIGITS)
"""Names allowed in braces."""
_NEEDED = ("year", "month", "day", "hour")
_TOKEN = re.compile(r"\{([^{}/]*)\}|(\*\*/?)|(\*)|([^*{}]+|[{}])")


class PathFields(NamedTuple):
    """Fields parsed from a path."""

    camera: str | None
    """``None``: the pattern has no ``{camera}``."""
    local: datetime | None
    """Naive time on the camera's clock; aware, in UTC, if the path contains an epoch; ``None`` if there is no time."""
    problem: str = ""
    """Why the time in the path is invalid, such as month 13."""


@dataclass(frozen=True)
class Pattern:
    """A path with fields in braces; ``*`` matches any text without a slash, ``**`` any text.

    Fields: ``{camera}`` (any text without a slash), ``{year}`` (4 digits), ``{month} {day} {hour} {minute} {second}``
    (2 digits each), ``{fraction}`` (1 to 9 digits of a fraction of a second), or ``{epoch}``, ``{epoch_ms}`` (seconds
    or milliseconds since 1970, UTC). A repeated field must have the same text everywhere. The pattern must match the
    whole path.

    Raises:
        UsageError: the pattern has an unknown field or an incomplete time, or is too long.
    """

    text: str
    _regex: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_regex", _compiled(self.text))

    @property
    def fields(self) -> frozenset[str]:
        """Names of the fields in the pattern."""
        return frozenset(self._regex.groupindex)

    @property
    def has_local_time(self) -> bool:
        """Whether the pattern contains a local time, so that the time zone matters."""
        return "year" in self.fields

    def match(self, path: str) -> PathFields | None:
        """Return the fields of a path, or ``None`` if it does not match."""
        found = self._regex.fullmatch(path)
        if found is None:
            return None
        texts = found.groupdict()
        try:
            return PathFields(texts.get("camera"), _time(texts))
        except (ValueError, OverflowError) as error:
            return PathFields(texts.get("camera"), None, f"the path contains an invalid time: {error}")

    def match_end(self, path: str) -> PathFields | None:
        """Match the end of a longer path: its last components, as many as the pattern has."""
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
    if not text or len(text) > MAX_LENGTH:
        raise UsageError(f"pattern must have 1 to {MAX_LENGTH} characters, got {len(text)}")
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
    if stars > MAX_WILDCARDS:
        raise UsageError(f"pattern {text!r:.120} has {stars} wildcards (* and **), expected at most {MAX_WILDCARDS}")
    _check_fields(text, seen)
    return re.compile("".join(parts), re.DOTALL)


def _group(text: str, name: str, brace: str) -> str:
    if brace or name not in FIELDS:
        hint = did_you_mean(name, FIELDS) or f"; known: {', '.join(FIELDS)}"
        problem = f"a single {brace!r}" if brace else f"the unknown field {name!r:.40}"
        raise UsageError(f"pattern {text!r:.120} has {problem}{hint}")
    return f"(?P<{name}>{_DIGITS.get(name, '[^/]+')})"


def _check_fields(text: str, seen: set[str]) -> None:
    epochs = seen & {"epoch", "epoch_ms"}
    clock = seen - {"camera"} - epochs
    missing = [name for name in _NEEDED if name not in seen]
    if (clock and epochs) or len(epochs) > 1:
        raise UsageError(f"pattern {text!r:.120} has two times: {', '.join(sorted(clock | epochs))}")
    if clock and missing:
        names = ", ".join(f"{{{name}}}" for name in missing)
        raise UsageError(f"pattern {text!r:.120} has an incomplete time: {names} is missing")
    for part, whole in (("second", "minute"), ("fraction", "second")):
        if part in seen and whole not in seen:
            raise UsageError(f"pattern {text!r:.120} has {{{part}}} without {{{whole}}}")
