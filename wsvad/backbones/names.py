"""Names of backbones, architectures, streams and precisions, in a module without imports of libraries."""

from __future__ import annotations

from typing import Literal

Stream = Literal["rgb", "flow"]
Backbone = Literal["i3d-compact", "i3d", "i3d-flow", "i3d-two-stream", "i3d-r50"]
Architecture = Literal["inception-compact", "inception-rgb", "inception-flow", "resnet50"]
Precision = Literal["fp32", "bf16"]

DEFAULT_BACKBONE: Backbone = "i3d-compact"
