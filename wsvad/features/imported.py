"""What decides the rows of imported features, and the fingerprint over it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from wsvad.clips import ClipSpec
from wsvad.dataset.config import fingerprint_of
from wsvad.errors import UsageError

TABLE_VERSION = 1
"""Raised when the same files and options would give other rows; part of the fingerprint."""
BACKBONE = "imported"
SEGMENTS = 32
"""Segments of a video whose features were pooled before they were published (Sultani et al. 2018)."""
MAX_VIEWS = 127
"""Crops of a clip, at most: the column has 8 bits."""
MAX_DIM = 1 << 16
"""Values of a clip and crop, at most."""


@dataclass(frozen=True)
class ImportedConfig:
    """What imported features are said to be; the place of ``FeatureConfig`` in data sets and checkpoints.

    The files themselves are not in it, so that training and test sets that are published apart are features of one
    configuration. Their identity is in the content ids of the videos, and the digest of what was read in each unit.
    """

    kind: ClassVar[str] = "features"

    source: str
    """What made the features, in the user's words; two data sets agree only if it is the same."""
    clips: ClipSpec | None
    """Clip length and stride in frames; ``None``: 32 segments a video."""
    views: int
    """Crops of a clip."""
    pooled_dim: int
    """Values of a clip and crop."""

    def __post_init__(self) -> None:
        if not self.source or self.source != self.source.strip() or not self.source.isprintable():
            raise UsageError(f"--source must be a line of text that names what made the features, got {self.source!r}")
        if not (1 <= self.views <= MAX_VIEWS and 1 <= self.pooled_dim <= MAX_DIM):
            raise UsageError(
                f"expected 1 to {MAX_VIEWS} crops of 1 to {MAX_DIM} values, got {self.views} of {self.pooled_dim}"
            )

    @property
    def weights(self) -> str:
        """The identity of the network as far as it is known here: ``imported:<source>``."""
        return f"{BACKBONE}:{self.source}"

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON values, with the keys that ``FeatureConfig.to_dict`` has, too."""
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
