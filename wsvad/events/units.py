"""Units of event detection: one camera and one UTC day, or one video whose recording time is unknown.

A unit's id is a digest of everything that determines its rows: a pure function of scores, cameras and settings. So a
day is recomputed exactly when something that affects it has changed: its own footage, or footage of a neighbouring day
near midnight.
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
    """A unit of work that is computed, stored and published as a whole."""

    camera: Camera
    day: date | None
    """In UTC; ``None``: the only source is a video without a known time, and all times are offsets from its start."""
    sources: tuple[Source, ...]
    """Every video that can affect the unit, sorted by start: those of the day, and those near its borders."""
    settings: EventSettings
    """Settings of the camera."""
    fingerprint: str
    """Fingerprint of the data set."""

    @property
    def name(self) -> str:
        """Name in tables: unique in the data set, and never used as a path."""
        return f"{self.day}/{self.camera.name}" if self.day else f"offsets/{self.sources[0].video_id}"

    @property
    def video_id(self) -> str:
        """Same as :attr:`name`, for code that works with units of any kind."""
        return self.name

    @property
    def begin_s(self) -> float:
        """Start of the day in seconds since 1970; minus infinity without a day."""
        return (self.day - _EPOCH).days * DAY_S if self.day else -math.inf

    @property
    def end_s(self) -> float:
        """End of the day in seconds since 1970, exclusive; infinity without a day."""
        return self.begin_s + DAY_S if self.day else math.inf

    @cached_property
    def content_id(self) -> str:
        """Digest (32 hex digits) of everything that determines the rows, apart from the data set's configuration."""
        return fingerprint_of(self.inputs())[:32]

    @cached_property
    def unit_id(self) -> str:
        """Name of the stored object, 32 hex digits."""
        return layout.unit_id(self.content_id, 0, 0, self.fingerprint)

    def inputs(self) -> dict[str, Any]:
        """Return everything that determines the rows as JSON values: day, videos with digests and starts, settings."""
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
    """Return the units of all cameras, sorted by camera and day.

    Args:
        by_camera: videos of each camera, sorted by start.
        cameras: settings of each camera.
        settings: event settings of cameras without their own thresholds.
        fingerprint: fingerprint of the data set.

    Raises:
        UsageError: the thresholds of a camera are invalid.
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
    """Return the event settings of a camera, with its own thresholds if it has any."""
    return settings if camera.high is None else replace(settings, high=camera.high, low=camera.low)


def _days(sources: Iterable[Source], reach_s: float) -> Iterator[tuple[date, list[Source]]]:
    """Yield each day with footage, with the videos that can affect it."""
    near: dict[int, list[Source]] = defaultdict(list)
    days: set[int] = set()
    for source in sources:
        last = max(source.begin_s, math.nextafter(source.end_s, -math.inf))  # midnight belongs to the next day
        days.update(range(_day(source.begin_s), _day(last) + 1))
        for day in range(_day(source.begin_s - reach_s), _day(source.end_s + reach_s) + 1):
            near[day].append(source)
    for day in sorted(days):
        yield _EPOCH + timedelta(days=day), near[day]


def _day(seconds: float) -> int:
    return math.floor(seconds / DAY_S)


def sources_of_day(units: Iterable[EventUnit], camera: str, day: date) -> tuple[Source, ...]:
    """Return the videos that can affect a camera's day; empty if the day has no footage."""
    return next((u.sources for u in units if u.camera.name == camera and u.day == day), ())


def affected_units(units: Iterable[EventUnit], video_ids: Collection[str]) -> list[EventUnit]:
    """Return the units that any of these videos can affect."""
    changed = set(video_ids)
    return [unit for unit in units if any(source.video_id in changed for source in unit.sources)]


def missing_units(units: Iterable[EventUnit], done: Collection[str]) -> list[EventUnit]:
    """Return the units whose ids are not in ``done``: new units, and those with changed inputs."""
    return [unit for unit in units if unit.unit_id not in done]
