"""From the clock of a camera to UTC: time zones, and the two nights a year on which local time is not one to one."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from wsvad.suggest import did_you_mean


@dataclass(frozen=True)
class Moment:
    """What a local time may mean."""

    kind: Literal["plain", "ambiguous", "missing"]
    """``ambiguous``: the clock was set back and shows this time twice; ``missing``: it was set forward past it."""
    utc: tuple[datetime, ...]
    """The moments, earliest first: two where ambiguous, else one. A missing time is read with the offset that was valid
    before the change, as a clock would show it that was not set forward yet."""


@functools.cache
def _zones() -> frozenset[str]:
    # of a machine's own zone nobody else knows what it is
    return frozenset(available_timezones() - {"localtime"})


def zone_problem(name: str) -> str:
    """Say what is wrong with the name of a time zone; empty where nothing is."""
    if name in _zones():
        return ""
    # the place is what people remember: Berlin for Europe/Berlin
    place = name.rpartition("/")[2].lower()
    same = sorted(zone for zone in _zones() if zone.rpartition("/")[2].lower() == place)
    meant = f"; did you mean {same[0]!r}?" if same else did_you_mean(name, _zones())
    return f"time_zone must be a name of the IANA database such as 'Europe/Berlin' or 'UTC', got {name!r:.80}{meant}"


def moments(local: datetime, zone: ZoneInfo) -> Moment:
    """Return what a local time without a zone means in UTC; not for the very ends of the calendar."""
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return Moment("plain", (first,))
    if first.astimezone(zone).replace(tzinfo=None, fold=0) == local:
        return Moment("ambiguous", (first, second))
    return Moment("missing", (first,))
