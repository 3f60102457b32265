"""What figures depend on besides scores and truth; loads nothing heavy, for whoever only asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from wsvad.errors import UsageError
from wsvad.options import HIDDEN, Natural, Number, Option

TruthMode = Literal["true", "floor16", "pad16"]
"""Frames of a video: as they are, cut to whole blocks of 16, or filled up to them (published numbers)."""
ALPHA = 0.1
BETA = 0.1
MAX_RESAMPLES = 100_000
"""Resamples of a bootstrap: a number for each of them and each video is held at once."""


@dataclass(frozen=True)
class MetricOptions:
    """What the figures depend on besides scores and truth."""

    threshold: Annotated[Number, Option(metavar="S")] = 0.5
    """score from which on a clip or cuboid is flagged, in [0, 1] (0.5: Sultani et al. 2018)"""
    false_alarm_rate: Annotated[Number, Option(metavar="R")] = 0.01
    """of normal frames, above 0 and below 1: where the threshold and the detection rate for it are read off"""
    min_overlap: Annotated[Number, Option(metavar="SHARE")] = 0.0
    """of the smaller of cell and box, for a cuboid to be anomalous, in [0, 1]; 0: any"""
    alpha: Annotated[Number, Option(metavar="SHARE")] = ALPHA
    """of a track's regions to detect (TBDC), above 0 and at most 1"""
    beta: Annotated[Number, Option(metavar="IOU")] = BETA
    """from which on a region is detected (RBDC, TBDC), above 0 and at most 1"""
    resamples: Natural = 1000
    """of the bootstrap, 100 to 100,000; 0: no intervals"""
    seed: Natural = 0
    """of the bootstrap"""
    level: Annotated[float, HIDDEN] = 0.95
    """Of the intervals, in (0, 1)."""

    def __post_init__(self) -> None:
        for name in ("threshold", "min_overlap"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        for name in ("alpha", "beta"):
            if not 0 < getattr(self, name) <= 1:
                raise UsageError(f"{name} must be above 0 and at most 1, got {getattr(self, name)}")
        for name in ("false_alarm_rate", "level"):
            if not 0 < getattr(self, name) < 1:
                raise UsageError(f"{name} must be above 0 and below 1, got {getattr(self, name)}")
        if self.resamples != 0 and not 100 <= self.resamples <= MAX_RESAMPLES:
            raise UsageError(
                f"resamples must be 0 (no intervals) or at least 100 and at most {MAX_RESAMPLES}, got {self.resamples}"
            )
