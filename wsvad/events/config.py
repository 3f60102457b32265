"""What decides which events a series of scores has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from wsvad.dataset.config import fingerprint_of
from wsvad.errors import UsageError
from wsvad.options import NaturalFloat, Option

TABLE_VERSION = 1
"""Raised when the same scores and settings would give other rows; part of the fingerprint."""
CUT_S = 3600.0
"""Length of the grid on which long events are cut; a day is a whole number of it."""
LONGEST_S = 600.0
"""Of ``gap_s`` and ``smooth_s``: with the grid they bound how far one clip can act on the events of another day."""


@dataclass(frozen=True, kw_only=True)
class EventSettings:
    """How scores become events: the operating point of a model, all of it."""

    high: Annotated[NaturalFloat, Option(name="--high", metavar="SCORE")] = 0.5
    """an event opens at a clip whose smoothed score is at least this, in [0, 1]"""
    low: Annotated[NaturalFloat | None, Option(name="--low", metavar="SCORE")] = None
    """and closes before the first clip that is below this (default: 0.8 x high)"""
    gap_s: Annotated[NaturalFloat, Option(name="--gap", metavar="S")] = 10.0
    """events with at most so many seconds between them are one, also across files of one camera; at most 600"""
    smooth_s: Annotated[NaturalFloat, Option(name="--smooth", metavar="S")] = 2.0
    """half width of the triangular kernel that smooths scores over time, in seconds; 0: not smoothed; at most 600"""
    min_length_s: Annotated[NaturalFloat, Option(name="--min-length", metavar="S")] = 1.0
    """events shorter than this are none"""

    def __post_init__(self) -> None:
        if not 0 <= self.high <= 1:
            raise UsageError(f"--high must be in [0, 1], got {self.high:g}")
        if self.low is not None and not 0 <= self.low <= self.high:
            raise UsageError(f"--low must be between 0 and --high ({self.high:g}), got {self.low:g}")
        for name, value in (("--gap", self.gap_s), ("--smooth", self.smooth_s)):
            if not 0 <= value <= LONGEST_S:
                raise UsageError(f"{name} must be between 0 and {LONGEST_S:g} s, got {value:g}")
        if not 0 <= self.min_length_s <= CUT_S:
            raise UsageError(f"--min-length must be between 0 and {CUT_S:g} s, got {self.min_length_s:g}")

    @property
    def low_level(self) -> float:
        """Score below which an event closes."""
        return 0.8 * self.high if self.low is None else self.low

    @property
    def reach_s(self) -> float:
        """Seconds beyond which no clip (of at most an hour) acts on the events that start at a point of time."""
        return 2 * CUT_S + self.gap_s + self.smooth_s

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values, the default of ``low`` resolved."""
        return {
            "high": self.high,
            "low": self.low_level,
            "gap_s": self.gap_s,
            "smooth_s": self.smooth_s,
            "min_length_s": self.min_length_s,
        }


@dataclass(frozen=True)
class EventsConfig:
    """Everything that the rows of an events data set depend on, besides the scores and the cameras of each unit."""

    kind: ClassVar[str] = "events"

    scores_fingerprint: str
    """Of the scores; another model has an events data set of its own."""
    checkpoint: str
    """Digest of the checkpoint that gave them."""
    features: dict[str, Any] = field(hash=False)
    """Configuration of the features: which frames a clip is, and where the grid of cuboids lies."""
    settings: EventSettings
    """Those of cameras that have none of their own."""

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON values, with the table version."""
        return {
            "table_version": TABLE_VERSION,
            "scores_fingerprint": self.scores_fingerprint,
            "scores_checkpoint": self.checkpoint,
            "features": self.features,
            "settings": self.settings.to_dict(),
        }

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the canonical JSON of :meth:`to_dict`."""
        return fingerprint_of(self.to_dict())
