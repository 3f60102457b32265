"""Configuration of event detection: everything that determines the events of a series of scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from wsvad.dataset.config import fingerprint_of
from wsvad.errors import UsageError
from wsvad.options import NaturalFloat, Option

TABLE_VERSION = 1
"""Incremented when the same scores and settings would give other rows; part of the fingerprint."""
CUT_S = 3600.0
"""Spacing of the time grid at which long events are split, in seconds; it divides a day."""
MAX_GAP_S = 600.0
"""Maximum of ``gap_s`` and ``smooth_s``; with ``CUT_S`` it limits how far a clip affects the events of other days."""


@dataclass(frozen=True, kw_only=True)
class EventSettings:
    """How scores become events: the complete operating point of a model."""

    high: Annotated[NaturalFloat, Option(name="--high", metavar="SCORE")] = 0.5
    """score threshold, 0 to 1: an event opens at a clip whose smoothed score is at least this"""
    low: Annotated[NaturalFloat | None, Option(name="--low", metavar="SCORE")] = None
    """score threshold: an event closes before the first clip below this (default: 0.8 x --high)"""
    gap_s: Annotated[NaturalFloat, Option(name="--gap", metavar="S")] = 10.0
    """maximum gap in seconds between events that are merged, also across files of one camera; at most 600"""
    smooth_s: Annotated[NaturalFloat, Option(name="--smooth", metavar="S")] = 2.0
    """half width in seconds of the triangular kernel that smooths scores over time; 0 disables it; at most 600"""
    min_length_s: Annotated[NaturalFloat, Option(name="--min-length", metavar="S")] = 1.0
    """minimum duration of an event in seconds; shorter ones are dropped"""

    def __post_init__(self) -> None:
        if not 0 <= self.high <= 1:
            raise UsageError(f"--high must be in [0, 1], got {self.high:g}")
        if self.low is not None and not 0 <= self.low <= self.high:
            raise UsageError(f"--low must be between 0 and --high ({self.high:g}), got {self.low:g}")
        for name, value in (("--gap", self.gap_s), ("--smooth", self.smooth_s)):
            if not 0 <= value <= MAX_GAP_S:
                raise UsageError(f"{name} must be between 0 and {MAX_GAP_S:g} s, got {value:g}")
        if not 0 <= self.min_length_s <= CUT_S:
            raise UsageError(f"--min-length must be between 0 and {CUT_S:g} s, got {self.min_length_s:g}")

    @property
    def low_level(self) -> float:
        """Score below which an event closes."""
        return 0.8 * self.high if self.low is None else self.low

    @property
    def reach_s(self) -> float:
        """Seconds beyond which no clip (of at most an hour) affects the events that start at a given time."""
        return 2 * CUT_S + self.gap_s + self.smooth_s

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON values, with the default of ``low`` resolved."""
        return {
            "high": self.high,
            "low": self.low_level,
            "gap_s": self.gap_s,
            "smooth_s": self.smooth_s,
            "min_length_s": self.min_length_s,
        }


@dataclass(frozen=True)
class EventsConfig:
    """Everything that the rows of an events data set depend on, apart from each unit's scores and camera."""

    kind: ClassVar[str] = "events"

    scores_fingerprint: str
    """Fingerprint of the scores; each model has its own events data set."""
    checkpoint: str
    """Digest of the checkpoint that produced the scores."""
    features: dict[str, Any] = field(hash=False)
    """Configuration of the features: the frames of a clip, and the position of the grid of cuboids."""
    settings: EventSettings
    """Settings of cameras without their own."""

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as JSON values, with the table version."""
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
