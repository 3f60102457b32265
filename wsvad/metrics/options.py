"""Options of metrics. Imports nothing heavy, for use by the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from wsvad.errors import UsageError
from wsvad.options import HIDDEN, Natural, Number, Option

TruthMode = Literal["true", "floor16", "pad16"]
"""Length of frame truth: exact, or truncated or padded to blocks of 16 frames, as in published numbers."""
ALPHA = 0.1
BETA = 0.1
MAX_RESAMPLES = 100_000
"""Maximum number of bootstrap resamples, since one number per resample and video is held in memory."""


@dataclass(frozen=True)
class MetricOptions:
    """Everything that metrics depend on apart from scores and ground truth."""

    threshold: Annotated[Number, Option(metavar="S")] = 0.5
    """decision threshold of clip and cuboid scores, 0 to 1 (0.5: Sultani et al. 2018)"""
    false_alarm_rate: Annotated[Number, Option(metavar="R")] = 0.01
    """false alarm rate over normal frames at which threshold and detection rate are reported, between 0 and 1"""
    min_overlap: Annotated[Number, Option(metavar="SHARE")] = 0.0
    """minimum overlap of an anomalous cuboid and a box, as a fraction of the smaller one, 0 to 1; 0: any overlap"""
    alpha: Annotated[Number, Option(metavar="SHARE")] = ALPHA
    """minimum fraction of detected regions of a detected track (TBDC), above 0, at most 1"""
    beta: Annotated[Number, Option(metavar="IOU")] = BETA
    """minimum IoU of a detected region (RBDC, TBDC), above 0, at most 1"""
    resamples: Natural = 1000
    """number of bootstrap resamples, 100 to 100,000; 0: no intervals"""
    seed: Natural = 0
    """random seed of the bootstrap"""
    level: Annotated[float, HIDDEN] = 0.95
    """Confidence level of intervals, in (0, 1)."""

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
