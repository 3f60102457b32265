"""Configuration of a scores data set, and its fingerprint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from wsvad.dataset.config import fingerprint_of
from wsvad.errors import UsageError
from wsvad.models.windows import WINDOWS

TABLE_VERSION = 1
"""Incremented if the same features and checkpoint give other rows; part of the fingerprint."""


@dataclass(frozen=True)
class ScoreConfig:
    """Everything that the values in a scores table depend on, except the features themselves."""

    kind: ClassVar[str] = "scores"

    checkpoint: str
    """Digest of the checkpoint."""
    model: dict[str, Any] = field(hash=False)
    """``ModelConfig.to_dict()`` of its model."""
    features_fingerprint: str
    """Fingerprint of the scored features. They match those of the checkpoint, except that the crops may differ."""
    features: dict[str, Any] = field(hash=False)
    """``FeatureConfig.to_dict()`` of the scored features."""
    window: int
    """Number of clips that the model sees at once, at least 2; longer videos are scored in overlapping windows."""

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
    """Return the given window, or the default for models with these ``inputs``."""
    return WINDOWS[inputs] if window is None else window
