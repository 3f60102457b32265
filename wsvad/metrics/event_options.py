"""What figures of events depend on besides scores and truth; loads nothing heavy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from wsvad.errors import UsageError
from wsvad.events.config import EventSettings
from wsvad.options import NaturalFloat, Number, Option, PositiveFloat, Uri


@dataclass(frozen=True, kw_only=True)
class EventOptions:
    """How scores become events, and which operating point is shown."""

    event_high: Annotated[Number | None, Option(metavar="SCORE")] = None
    """operating point of F1 and delay: score at which an event opens (default: see --event-rate)"""
    event_low: Annotated[Number | None, Option(metavar="SCORE")] = None
    """score below which it closes (default: 0.8 of the one at which it opens)"""
    thresholds: Annotated[Uri | None, Option(metavar="FILE")] = None
    """operating point and event settings from a file of calibrated thresholds (the pooled ones), instead of these"""
    event_rate: Annotated[PositiveFloat, Option(metavar="N")] = 1.0
    """without either: false events an hour that the normal validation videos have to prove for the operating point"""
    event_gap: Annotated[NaturalFloat, Option(metavar="S")] = 10.0
    """events with at most so many seconds between them are one"""
    event_smooth: Annotated[NaturalFloat, Option(metavar="S")] = 2.0
    """half width in seconds of the kernel that smooths scores; 0: not smoothed"""
    event_min_length: Annotated[NaturalFloat, Option(metavar="S")] = 1.0
    """events shorter than this are none"""

    def __post_init__(self) -> None:
        if self.event_low is not None and self.event_high is None:
            raise UsageError("--event-low needs --event-high")
        if self.thresholds is not None and self.event_high is not None:
            raise UsageError("--event-high and --thresholds are two operating points; give one")
        if self.thresholds is not None and self.post_processing() != EventOptions().post_processing():
            raise UsageError(
                "--event-gap, --event-smooth and --event-min-length come with --thresholds: they belong to it"
            )
        self.settings()  # checks the bounds

    def post_processing(self) -> tuple[float, float, float]:
        """Gap, smoothing and least length in seconds."""
        return self.event_gap, self.event_smooth, self.event_min_length

    def settings(self) -> EventSettings:
        """Return the settings of events; without an operating point their ``high`` means nothing."""
        gap, smooth, least = self.post_processing()
        high = EventSettings().high if self.event_high is None else self.event_high
        try:
            return EventSettings(high=high, low=self.event_low, gap_s=gap, smooth_s=smooth, min_length_s=least)
        except UsageError as error:
            raise UsageError(str(error).replace("--", "--event-")) from error

    def changed(self) -> dict[str, Any]:
        """Return what differs from the defaults, but for the file's place: its content counts."""
        defaults = asdict(EventOptions())
        return {key: value for key, value in asdict(self).items() if value != defaults[key] and key != "thresholds"}
