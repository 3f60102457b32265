"""Estimate the cost of an extraction, which decides whether a run needs Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wsvad.backbones.names import DEFAULT_BACKBONE, Backbone
from wsvad.extraction.units import Unit
from wsvad.features.config import FeatureConfig
from wsvad.video.flow import flow_megapixels
from wsvad.video.names import FlowMethod

SMALL_CLIPS = 1000.0
"""Maximum cost of a run in this process, in clips of the default backbone (16 frames, one crop).

This corresponds to 10 minutes of footage at 25 frames/s, or one minute for full I3D: about the time that a local Ray
needs to start with its workers, a minute or two on a small machine. The limit is deliberately low: a failure that would
end a worker ends the whole run if it happens in this process."""

FEW_VIDEOS = 64
"""Maximum number of new videos that are indexed before the choice. With more videos, Ray is started before hours of
indexing, so that a Ray that cannot start is noticed first."""

NETWORK_COST: Mapping[Backbone, float] = {
    "i3d-compact": 1.0,
    "i3d": 10.0,
    "i3d-flow": 9.0,
    "i3d-two-stream": 19.0,
    "i3d-r50": 6.0,
}
"""CPU time of a clip of 16 frames and one crop, in clips of the default backbone (docs/decisions/0005)."""

_MEGAPIXELS = 12.0
"""Megapixels decoded in the CPU time of one clip of the default backbone."""
_FLOW_COST: Mapping[FlowMethod, float] = {"tvl1": 116.0, "dis": 1.4}
"""CPU time of optical flow per megapixel, in clips of the default backbone (docs/decisions/0006)."""
_FRAMES = 16
"""Frames of the clips for which costs were measured."""


def cost(units: Sequence[Unit], features: FeatureConfig) -> float:
    """Return the CPU time of units, in clips of the default backbone.

    Decoding and flow run in the decoder's process, in parallel with the network, so the larger of the two counts.
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
    """Return whether the units should run in this process, and a phrase with the reason."""
    amount, clips = cost(units, features), sum(u.num_clips for u in units)
    small = amount <= SMALL_CLIPS
    size = "small" if small else "large"
    return small, f"{size} run: {clips} clips, cost {amount:.0f} clips of {DEFAULT_BACKBONE}, limit {SMALL_CLIPS:g}"
