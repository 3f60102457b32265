"""How much there is to extract: what decides whether a run needs more than this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wsvad.backbones.names import DEFAULT_BACKBONE, Backbone
from wsvad.extraction.units import Unit
from wsvad.features.config import FeatureConfig
from wsvad.video.flow import flow_megapixels
from wsvad.video.names import FlowMethod

SMALL_CLIPS = 1000.0
"""Work up to which a run stays in this process, in clips of the default backbone (16 frames, one crop).

That is 10 minutes of footage at 25 frames/s, or one minute for full I3D: about as long as it takes to start a local Ray
and its workers, a minute or two on a small machine. It is small on purpose: what would take a worker down takes a run
in this process down."""

FEW_VIDEOS = 64
"""New videos up to which a run may index first and choose then. With more, Ray is started before hours of indexing, so
that a Ray that cannot start is found out first."""

NETWORK_COST: Mapping[Backbone, float] = {
    "i3d-compact": 1.0,
    "i3d": 10.0,
    "i3d-flow": 9.0,
    "i3d-two-stream": 19.0,
    "i3d-r50": 6.0,
}
"""Processor time of a clip of 16 frames and one crop, in clips of the default backbone (docs/decisions/0005)."""

_MEGAPIXELS = 12.0
"""Millions of pixels that are decoded in the processor time of one clip of the default backbone."""
_FLOW_COST: Mapping[FlowMethod, float] = {"tvl1": 116.0, "dis": 1.4}
"""Processor time of optical flow over a million pixels, in clips of the default backbone (docs/decisions/0006)."""
_FRAMES = 16
"""Frames of the clips that costs are known of."""


def cost(units: Sequence[Unit], features: FeatureConfig) -> float:
    """Return the processor time of units, in clips of the default backbone.

    Decoding and flow run beside the network, in the decoder's process, so the larger of the two counts.
    """
    return sum(_cost(unit, features) for unit in units)


def _cost(unit: Unit, features: FeatureConfig) -> float:
    length, index = features.clips.length, unit.index
    network = unit.num_clips * features.views * NETWORK_COST[features.backbone] * length / _FRAMES
    frames = min(unit.num_clips * features.clips.stride, index.num_frames)
    decoding = frames * index.width * index.height / 1e6 / _MEGAPIXELS
    if features.flow is not None:
        seen = min(frames, unit.num_clips * length)
        decoding += seen * flow_megapixels(features.frames, index.width, index.height) * _FLOW_COST[features.flow]
    return max(network, decoding)


def is_small(units: Sequence[Unit], features: FeatureConfig) -> tuple[bool, str]:
    """Return whether this process should do the units, and a phrase that says why."""
    amount, clips = cost(units, features), sum(u.num_clips for u in units)
    small = amount <= SMALL_CLIPS
    much = "little" if small else "much"
    return small, f"{much} to do: {clips} clips, the work of {amount:.0f} of {DEFAULT_BACKBONE}, limit {SMALL_CLIPS:g}"
