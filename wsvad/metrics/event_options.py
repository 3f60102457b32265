"""Options of event metrics. Imports nothing heavy, for use by the command line."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from wsvad.errors import UsageError
from wsvad.events.config import EventSettings
from wsvad.options import NaturalFloat, Number, Option, PositiveFloat, Uri


@dataclass(frozen=True, kw_only=True)
class EventOptions:
    """How scores become events, and the reported operating point."""

    event_high: Annotated[Number | None, Option(metavar="SCORE")] = None
    """operating point of F1 and delay: score threshold at which an event opens (default: see --event-rate)"""
    event_low: Annotated[Number | None, Option(metavar="SCORE")] = None
    """score threshold below which an event closes (default: 0.8 x --event-high)"""
    thresholds: Annotated[Uri | None, Option(metavar="FILE")] = None
    """calibrated thresholds file, whose pooled operating point and event settings replace these options"""
    event_rate: Annotated[PositiveFloat, Option(metavar="N")] = 1.0
    """default operating point: maximum false events per hour that normal validation videos must prove"""
    event_gap: Annotated[NaturalFloat, Option(metavar="S")] = 10.0
    """maximum gap in seconds between events that are merged"""
    event_smooth: Annotated[NaturalFloat, Option(metavar="S")] = 2.0
    """half width in seconds of the kernel that smooths scores; 0 disables it"""
    event_min_length: Annotated[NaturalFloat, Option(metavar="S")] = 1.0
    """minimum duration of an event in seconds; shorter ones are dropped"""

    def __post_init__(self) -> None:
        if self.event_low is not None and self.event_high is None:
            raise UsageError("--event-low requires --event-high")
        if self.thresholds is not None and self.event_high is not None:
            raise UsageError("use either --event-high or --thresholds for the operating point, not both")
        if self.thresholds is not None and self.post_processing() != EventOptions().post_processing():
            raise UsageError(
                "--event-gap, --event-smooth and --event-min-length cannot be used with --thresholds, which sets them"
            )
        self.settings()  # validates the values

    def post_processing(self) -> tuple[float, float, float]:
        """Return maximum gap, smoothing width and minimum duration in seconds."""
        return self.event_gap, self.event_smooth, self.event_min_length

    def settings(self) -> EventSettings:
        """Return the event settings; without an operating point their ``high`` is not meaningful."""
        gap, smooth, least = self.post_processing()
        high = EventSettings().high if self.event_high is None else self.event_high
        try:
            return EventSettings(high=high, low=self.event_low, gap_s=gap, smooth_s=smooth, min_length_s=least)
        except UsageError as error:
            raise UsageError(str(error).replace("--", "--event-")) from error

    def changed(self) -> dict[str, Any]:
        """Return the options that differ from the defaults, except the path of the file, whose content counts."""
        defaults = asdict(EventOptions())
        return {key: value for key, value in asdict(self).items() if value != defaults[key] and key != "thresholds"}
