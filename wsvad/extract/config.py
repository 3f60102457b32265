"""What decides the features of a data set, and the fingerprint over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, get_args

from wsvad.backbones.extractor import Precision
from wsvad.clips import ClipSpec
from wsvad.dataset.config import fingerprint_of
from wsvad.errors import UsageError
from wsvad.video.geometry import Geometry, GeometryKind

Backbone = Literal["i3d"]

TABLE_VERSION = 1
"""Raised when the same input and options would give other rows; part of the fingerprint."""


@dataclass(frozen=True)
class FeatureConfig:
    """Everything that the values in a features table depend on, besides the videos themselves."""

    kind: ClassVar[str] = "features"

    weights: str
    """Identity of the weights: ``sha256:…`` of a file's tensors, or ``random:<seed>:<recipe>``."""
    backbone: Backbone = "i3d"
    """The network."""
    geometry: GeometryKind = "squash"
    """How a frame becomes 224x224: ``squash``, ``center`` or ``ten-crop``."""
    clips: ClipSpec = field(default_factory=ClipSpec)
    """Clip length, stride (frames), and what becomes of the last partial clip."""
    precision: Precision = "bf16"
    """Arithmetic of the network. ``fp32`` is what fidelity is tested with."""
    cuboids: bool = True
    """Whether the ``[49, 528]`` column is written."""
    unit_s: float = 600.0
    """Footage in a unit of work, seconds of video, 1 to 3600. In the fingerprint because it decides unit ids."""

    def __post_init__(self) -> None:
        if self.backbone not in get_args(Backbone):
            raise UsageError(f"backbone must be one of {get_args(Backbone)}, got {self.backbone!r}")
        if self.precision not in get_args(Precision):
            raise UsageError(f"precision must be one of {get_args(Precision)}, got {self.precision!r}")
        if self.geometry not in get_args(GeometryKind):
            raise UsageError(f"geometry must be one of {get_args(GeometryKind)}, got {self.geometry!r}")
        if not 1 <= self.unit_s <= 3600:
            raise UsageError(f"a unit must hold 1 to 3600 seconds of footage, got {self.unit_s}")

    @property
    def views(self) -> int:
        """Crops of a clip, i.e. rows a clip: 1, or 10 for ``ten-crop``."""
        return Geometry(self.geometry).views

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON values, with the table version."""
        return {"table_version": TABLE_VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> FeatureConfig:
        """Undo :meth:`to_dict`.

        Raises:
            UsageError: it was written by another table version, or is no such configuration.
        """
        fields = dict(described)
        version = fields.pop("table_version", None)
        if version != TABLE_VERSION:
            raise UsageError(f"features of table version {version!r} cannot be made; this wsvad makes {TABLE_VERSION}")
        try:
            return cls(**fields | {"clips": ClipSpec(**fields["clips"])})
        except (KeyError, TypeError) as error:
            raise UsageError(f"no configuration of features that this wsvad can make: {error}") from error

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the canonical JSON of :meth:`to_dict`."""
        return fingerprint_of(self.to_dict())
