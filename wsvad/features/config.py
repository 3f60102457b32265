"""Configuration of the features of a data set, and its fingerprint."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, get_args

from wsvad.backbones.names import DEFAULT_BACKBONE, Backbone, Precision
from wsvad.backbones.registry import BackboneSpec, backbone_spec
from wsvad.clips import ClipSpec
from wsvad.dataset.config import fingerprint_of
from wsvad.errors import UsageError
from wsvad.video.geometry import Geometry
from wsvad.video.names import FlowMethod, GeometryKind

TABLE_VERSION = 1
"""Incremented if the same input and options would give other rows; part of the fingerprint."""


@dataclass(frozen=True)
class FeatureConfig:
    """Everything that the values in a features table depend on, except the videos themselves."""

    kind: ClassVar[str] = "features"

    weights: str
    """Identity of the (first) network's weights: ``sha256:…`` of a file's tensors, or ``random:<seed>:<recipe>``."""
    backbone: Backbone = DEFAULT_BACKBONE
    """Name of the backbone: one network, or two side by side."""
    geometry: GeometryKind = "squash"
    """How a frame becomes the square input of the network: ``squash``, ``center`` or ``ten-crop``."""
    clips: ClipSpec = field(default_factory=ClipSpec)
    """Clip length, stride (frames), and handling of the last partial clip."""
    precision: Precision = "bf16"
    """Precision of the network's arithmetic; ``fp32`` is the reference."""
    cuboids: bool = True
    """Whether the ``[49, C]`` column is written."""
    unit_s: float = 600.0
    """Seconds of footage per unit of work, 1 to 3600. In the fingerprint because it determines unit ids."""
    flow_weights: str | None = None
    """Identity of the weights of the second of two streams; ``None`` if the backbone has one network."""
    flow: FlowMethod | None = None
    """Optical flow method; ``None`` if the backbone does not use flow."""

    def __post_init__(self) -> None:
        self._check_backbone(backbone_spec(self.backbone))
        if self.precision not in get_args(Precision):
            raise UsageError(f"precision must be one of {get_args(Precision)}, got {self.precision!r}")
        if self.geometry not in get_args(GeometryKind):
            raise UsageError(f"geometry must be one of {get_args(GeometryKind)}, got {self.geometry!r}")
        if not 1 <= self.unit_s <= 3600:
            raise UsageError(f"a unit must hold 1 to 3600 seconds of footage, got {self.unit_s}")

    def _check_backbone(self, spec: BackboneSpec) -> None:
        if spec.uses_flow != (self.flow is not None):
            wanted = f"how flow is computed: one of {get_args(FlowMethod)}" if spec.uses_flow else "no optical flow"
            raise UsageError(f"backbone {self.backbone} needs {wanted}, got {self.flow!r}")
        if self.flow is not None and self.flow not in get_args(FlowMethod):
            raise UsageError(f"flow must be one of {get_args(FlowMethod)}, got {self.flow!r}")
        if (len(spec.streams) > 1) != (self.flow_weights is not None):
            wanted = "weights for its second network" if len(spec.streams) > 1 else "no second weights"
            raise UsageError(f"backbone {self.backbone} needs {wanted}, got {self.flow_weights!r}")
        if self.clips.length < spec.min_frames:
            raise UsageError(
                f"backbone {self.backbone} needs clips of at least {spec.min_frames} frames, got {self.clips.length}"
            )

    @property
    def spec(self) -> BackboneSpec:
        """Specification of the backbone."""
        return backbone_spec(self.backbone)

    @property
    def frames(self) -> Geometry:
        """Geometry from frames to views, with the sizes of the backbone."""
        return Geometry(self.geometry, self.spec.size, self.spec.resize)

    @property
    def views(self) -> int:
        """Number of crops, and of rows, per clip: 1, or 10 for ``ten-crop``."""
        return self.frames.views

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON values, with the table version; unused flow options are omitted.

        A data set of RGB features therefore keeps the fingerprint that it had before flow was introduced.
        """
        plain = asdict(self)
        unused = [name for name in ("flow_weights", "flow") if plain[name] is None]
        return {"table_version": TABLE_VERSION, **{k: v for k, v in plain.items() if k not in unused}}

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> FeatureConfig:
        """Invert :meth:`to_dict`.

        Raises:
            UsageError: Another table version, or not a features configuration.
        """
        fields = dict(described)
        version = fields.pop("table_version", None)
        if version != TABLE_VERSION:
            raise UsageError(f"unsupported features table version {version!r}; this wsvad supports {TABLE_VERSION}")
        try:
            return cls(**fields | {"clips": ClipSpec(**fields["clips"])})
        except (KeyError, TypeError) as error:
            raise UsageError(f"not a features configuration of this wsvad: {error}") from error

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the canonical JSON of :meth:`to_dict`."""
        return fingerprint_of(self.to_dict())
