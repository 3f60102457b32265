"""Units of events: one camera and one UTC day each, or one video whose time is not known.

A unit's name is the digest of all that decides its rows. A pure function of scores, cameras and settings, so that a day
is done again exactly when something that can act on it has changed: its own footage, or that of a neighbour near
midnight.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from wsvad.cameras.config import Camera
from wsvad.dataset import layout
from wsvad.dataset.config import fingerprint_of
from wsvad.events.config import EventSettings
from wsvad.events.sources import Source

DAY_S = 86400.0
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class EventUnit:
    """What is computed, written and published as a whole."""

    camera: Camera
    day: date | None
    """In UTC; ``None``: the only source is a video without a known time, and all times are offsets from its start."""
    sources: tuple[Source, ...]
    """Every video that can act on the unit, in the order of starts: those of the day, and those near its borders."""
    settings: EventSettings
    """The camera's."""
    fingerprint: str
    """Of the data set."""

    @property
    def name(self) -> str:
        """What tables call it: unique in the data set, and never a path."""
        return f"{self.day}/{self.camera.name}" if self.day else f"offsets/{self.sources[0].video_id}"

    @property
    def video_id(self) -> str:
        """The name, for the parts of the package that call what a unit is of a video."""
        return self.name

    @property
    def begin_s(self) -> float:
        """Seconds since 1970 at which the day begins; without a day, before everything."""
        return (self.day - _EPOCH).days * DAY_S if self.day else -math.inf

    @property
    def end_s(self) -> float:
        """Seconds since 1970 at which the day ends, exclusive."""
        return self.begin_s + DAY_S if self.day else math.inf

    @cached_property
    def content_id(self) -> str:
        """32 hex digits over everything that decides the rows, besides the data set's configuration."""
        return fingerprint_of(self.inputs())[:32]

    @cached_property
    def unit_id(self) -> str:
        """32 hex digits: the name of its object."""
        return layout.unit_id(self.content_id, 0, 0, self.fingerprint)

    def inputs(self) -> dict[str, Any]:
        """Return what decides the rows as plain JSON values: the day, its videos with digests and starts, settings."""
        return {
            "camera": self.camera.name,
            "day": str(self.day) if self.day else None,
            "settings": self.settings.to_dict(),
            "masks": [list(mask) for mask in self.camera.masks],
            "videos": [source.to_dict() for source in self.sources],
        }


def plan_units(
    by_camera: Mapping[str, Sequence[Source]],
    cameras: Mapping[str, Camera],
    settings: EventSettings,
    fingerprint: str,
) -> list[EventUnit]:
    """Return the units of all cameras, by camera and day.

    Args:
        by_camera: videos of each camera, in the order of starts.
        cameras: what holds for each.
        settings: of cameras without thresholds of their own.
        fingerprint: of the data set.

    Raises:
        UsageError: thresholds of a camera that cannot be.
    """
    units: list[EventUnit] = []
    for name, sources in by_camera.items():
        own = settings_of(cameras[name], settings)
        timed = [source for source in sources if source.start_utc_us is not None]
        for day, near in _days(timed, own.reach_s):
            units.append(EventUnit(cameras[name], day, tuple(near), own, fingerprint))
        for source in (s for s in sources if s.start_utc_us is None):
            units.append(EventUnit(cameras[name], None, (source,), own, fingerprint))
    return units


def settings_of(camera: Camera, settings: EventSettings) -> EventSettings:
    """Return a camera's settings: its own thresholds where it has some."""
    return settings if camera.high is None else replace(settings, high=camera.high, low=camera.low)


def _days(sources: Iterable[Source], reach_s: float) -> Iterator[tuple[date, list[Source]]]:
    """Yield each day that has footage, with the videos that can act on it."""
    near: dict[int, list[Source]] = defaultdict(list)
    days: set[int] = set()
    for source in sources:
        last = max(source.begin_s, math.nextafter(source.end_s, -math.inf))  # a video that ends at midnight
        days.update(range(_day(source.begin_s), _day(last) + 1))
        for day in range(_day(source.begin_s - reach_s), _day(source.end_s + reach_s) + 1):
            near[day].append(source)
    for day in sorted(days):
        yield _EPOCH + timedelta(days=day), near[day]


def _day(seconds: float) -> int:
    return math.floor(seconds / DAY_S)


def inputs_of(units: Iterable[EventUnit], camera: str, day: date) -> tuple[Source, ...]:
    """Return the videos that can act on a camera's day; none where it has no footage."""
    return next((u.sources for u in units if u.camera.name == camera and u.day == day), ())


def affected(units: Iterable[EventUnit], video_ids: Collection[str]) -> list[EventUnit]:
    """Return the units on which any of these videos can act."""
    changed = set(video_ids)
    return [unit for unit in units if any(source.video_id in changed for source in unit.sources)]


def needed(units: Iterable[EventUnit], done: Collection[str]) -> list[EventUnit]:
    """Return the units whose objects, by unit id, are not there: new ones, and those whose inputs changed."""
    return [unit for unit in units if unit.unit_id not in done]
