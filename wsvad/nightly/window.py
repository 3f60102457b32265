"""The newest footage of a camera, and the earlier footage that it is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from wsvad.events.sources import Source

DAY_S = 86400.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Window:
    """The newest footage of a camera and its earlier footage."""

    camera: str
    begin_s: float | None
    """Start in Unix time (s); None: recording times are unknown."""
    end_s: float | None
    """End in Unix time (s), exclusive; None: recording times are unknown."""
    newest: tuple[Source, ...]
    """Videos that overlap the window; without times, new videos."""
    earlier: tuple[Source, ...]
    """Videos that overlap the days covered by a reference; without times, videos that are not new."""
    first_s: float = 0.0
    """Start of the camera's first footage in Unix time (s)."""

    @property
    def clock(self) -> str:
        """``utc``, or ``offsets`` if recording times are unknown."""
        return "offsets" if self.begin_s is None else "utc"

    @property
    def days(self) -> tuple[date, date]:
        """First and last UTC day of the window."""
        assert self.begin_s is not None
        assert self.end_s is not None
        last = np.nextafter(self.end_s, -np.inf)
        first_day, last_day = (_EPOCH + timedelta(days=int(s // DAY_S)) for s in (self.begin_s, last))
        return first_day.date(), last_day.date()


def utc(seconds: float | None) -> str | None:
    """Return a Unix time (s) as ISO 8601 in UTC with milliseconds; ``None`` if it is unknown."""
    if seconds is None:
        return None
    return (_EPOCH + timedelta(microseconds=round(seconds * 1e6))).isoformat(timespec="milliseconds")
