"""Configuration of imported features, and its fingerprint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from wsvad.clips import ClipSpec
from wsvad.dataset.config import fingerprint_of
from wsvad.errors import UsageError

TABLE_VERSION = 1
"""Incremented if the same files and options would give other rows; part of the fingerprint."""
BACKBONE = "imported"
SEGMENTS = 32
"""Segments per video if features were pooled before they were published (Sultani et al. 2018)."""
MAX_VIEWS = 127
"""Maximum crops per clip: the column has 8 bits."""
MAX_DIM = 1 << 16
"""Maximum values per clip and crop."""


@dataclass(frozen=True)
class ImportedConfig:
    """Declared configuration of imported features; replaces ``FeatureConfig`` in data sets and checkpoints.

    The files themselves are not part of it, so that training and test sets published separately have the same
    configuration. The content ids of the videos identify the files, and each unit stores the digest of its input.
    """

    kind: ClassVar[str] = "features"

    source: str
    """Name of the network that computed the features, as given by the user; data sets match only if it is the same."""
    clips: ClipSpec | None
    """Clip length and stride in frames; ``None``: 32 segments per video."""
    views: int
    """Crops per clip."""
    pooled_dim: int
    """Values per clip and crop."""

    def __post_init__(self) -> None:
        if not self.source or self.source != self.source.strip() or not self.source.isprintable():
            raise UsageError(f"--source must be one line of text that names the network, got {self.source!r}")
        if not (1 <= self.views <= MAX_VIEWS and 1 <= self.pooled_dim <= MAX_DIM):
            raise UsageError(
                f"expected 1 to {MAX_VIEWS} crops of 1 to {MAX_DIM} values, got {self.views} of {self.pooled_dim}"
            )

    @property
    def weights(self) -> str:
        """Identity of the network as far as it is known: ``imported:<source>``."""
        return f"{BACKBONE}:{self.source}"

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON values, with the keys of ``FeatureConfig.to_dict``."""
        return {
            "table_version": TABLE_VERSION,
            "backbone": BACKBONE,
            "weights": self.weights,
            "geometry": BACKBONE,
            "clips": {"segments": SEGMENTS} if self.clips is None else asdict(self.clips),
            "precision": BACKBONE,
            "cuboids": False,
            "views": self.views,
            "pooled_dim": self.pooled_dim,
        }

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the canonical JSON of :meth:`to_dict`."""
        return fingerprint_of(self.to_dict())
