"""Conversion of a camera's local time to UTC, including ambiguous and missing times at clock changes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from wsvad.suggest import did_you_mean


@dataclass(frozen=True)
class Moment:
    """The UTC times that a local time may stand for."""

    kind: Literal["plain", "ambiguous", "missing"]
    """``ambiguous``: the time occurs twice because the clock was set back; ``missing``: it was skipped when the clock
    was set forward."""
    utc: tuple[datetime, ...]
    """UTC times, earliest first: two if ambiguous, else one. A missing time is read with the UTC offset that was valid
    before the change."""


@functools.cache
def _zones() -> frozenset[str]:
    # "localtime" means a different zone on each machine.
    return frozenset(available_timezones() - {"localtime"})


def zone_problem(name: str) -> str:
    """Return why a time zone name is invalid, or an empty string if it is valid."""
    if name in _zones():
        return ""
    # People remember the city: suggest Europe/Berlin for Berlin.
    place = name.rpartition("/")[2].lower()
    same_city = sorted(zone for zone in _zones() if zone.rpartition("/")[2].lower() == place)
    hint = f"; did you mean {same_city[0]!r}?" if same_city else did_you_mean(name, _zones())
    return f"time_zone must be an IANA name such as 'Europe/Berlin' or 'UTC', got {name!r:.80}{hint}"


def moments(local: datetime, zone: ZoneInfo) -> Moment:
    """Return the UTC times of a local time. Times within a day of the ends of the calendar are not supported."""
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return Moment("plain", (first,))
    if first.astimezone(zone).replace(tzinfo=None, fold=0) == local:
        return Moment("ambiguous", (first, second))
    return Moment("missing", (first,))
