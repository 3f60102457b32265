"""The newest footage of a camera, and the footage before it that it is held against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from wsvad.events.sources import Source

DAY_S = 86400.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Stretch:
    """The newest footage of a camera, and what there was before it."""

    camera: str
    begin_s: float | None
    """Seconds since 1970; None: no times are known. Likewise ``end_s``, exclusive."""
    end_s: float | None
    newest: tuple[Source, ...]
    """Videos that reach into it, or that are new."""
    earlier: tuple[Source, ...]
    """Videos that reach into the days that a reference is made of, or that are not new."""
    first_s: float = 0.0
    """When the camera's footage begins."""

    @property
    def clock(self) -> str:
        """``utc``, or ``offsets`` where no times are known."""
        return "offsets" if self.begin_s is None else "utc"

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last UTC day that it touches."""
        assert self.begin_s is not None
        assert self.end_s is not None
        last = np.nextafter(self.end_s, -np.inf)
        first_day, last_day = (_EPOCH + timedelta(days=int(s // DAY_S)) for s in (self.begin_s, last))
        return first_day.date(), last_day.date()


def utc(seconds: float | None) -> str | None:
    """Return a time as ISO 8601 in UTC, to the millisecond; ``None`` where it is not known."""
    if seconds is None:
        return None
    return (_EPOCH + timedelta(microseconds=round(seconds * 1e6))).isoformat(timespec="milliseconds")
