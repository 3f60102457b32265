"""What decides the scores of a data set, and the fingerprint over it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from wsvad.dataset.config import fingerprint_of
from wsvad.errors import UsageError
from wsvad.models.windows import WINDOWS

TABLE_VERSION = 1
"""Raised when the same features and checkpoint would give other rows; part of the fingerprint."""


@dataclass(frozen=True)
class ScoreConfig:
    """Everything that the values in a scores table depend on, besides the features themselves."""

    kind: ClassVar[str] = "scores"

    checkpoint: str
    """Digest of the checkpoint."""
    model: dict[str, Any] = field(hash=False)
    """``ModelConfig.to_dict`` of its model."""
    features_fingerprint: str
    """Of the features that are scored; the crops of a clip apart, they are made as those that the checkpoint knows."""
    features: dict[str, Any] = field(hash=False)
    """``FeatureConfig.to_dict`` of them."""
    window: int
    """Clips that the model sees at once, at least 2; longer videos are scored in overlapping windows."""

    def __post_init__(self) -> None:
        if self.window < 2:
            raise UsageError(f"a window must hold at least 2 clips, got {self.window}")

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON values, with the table version."""
        return {
            "table_version": TABLE_VERSION,
            "checkpoint": self.checkpoint,
            "model": self.model,
            "features_fingerprint": self.features_fingerprint,
            "features": self.features,
            "window": self.window,
        }

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the canonical JSON of :meth:`to_dict`."""
        return fingerprint_of(self.to_dict())


def window_of(inputs: str, window: int | None) -> int:
    """Return the window asked for, or the default for models with these ``inputs``."""
    return WINDOWS[inputs] if window is None else window
