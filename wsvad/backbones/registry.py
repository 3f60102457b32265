"""Registry of backbones and architectures: streams, sizes, classes and weights.

A *backbone* is what the user chooses: one network, or two side by side. An *architecture* is the network that a weight
file belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from wsvad.backbones import resnet
from wsvad.backbones.compact import (
    COMPACT_CUBOID_DIM,
    COMPACT_POOLED_DIM,
    CompactNetwork,
)
from wsvad.backbones.compact_folded import FoldedCompactNetwork
from wsvad.backbones.compact_untrained import COMPACT_RECIPE, untrained_compact_state
from wsvad.backbones.folded import FoldedI3d
from wsvad.backbones.i3d import CUBOID_DIM, GRID, POOLED_DIM, I3dFeatures, InceptionI3d
from wsvad.backbones.names import Architecture, Backbone, Stream
from wsvad.backbones.resnet import ResNet50I3d
from wsvad.backbones.resnet_folded import FoldedResNet50I3d
from wsvad.backbones.resnet_untrained import untrained_resnet_state
from wsvad.backbones.untrained import RECIPE, untrained_state
from wsvad.errors import UsageError

CHANNELS: Mapping[Stream, int] = {"rgb": 3, "flow": 2}
"""Channels of a stream's clips: red, green, blue for ``rgb``; displacement to the right and down for ``flow``."""


class Network(Protocol):
    """A network on one device, ready to run."""

    def features(self, clips_BTHWC: Tensor) -> I3dFeatures:
        """Compute fp32 features of uint8 clips ``[B, T, size, size, channels]`` on the network's device."""
        ...


def _compact(model: nn.Module, dtype: torch.dtype, device: torch.device) -> Network:
    assert isinstance(model, CompactNetwork)
    return FoldedCompactNetwork(model, dtype=dtype, device=device)


def _inception(model: nn.Module, dtype: torch.dtype, device: torch.device) -> Network:
    assert isinstance(model, InceptionI3d)
    return FoldedI3d(model, dtype=dtype, device=device)


def _resnet(model: nn.Module, dtype: torch.dtype, device: torch.device) -> Network:
    assert isinstance(model, ResNet50I3d)
    return FoldedResNet50I3d(model, dtype=dtype, device=device)


@dataclass(frozen=True)
class ArchitectureSpec:
    """An architecture that a weight file can belong to."""

    title: str
    """Name in messages, used after "those of"."""
    public: str
    """Name of public weights for it."""
    model: Callable[[int | None], nn.Module]
    """Creates the plain fp32 model with a classifier of the given number of classes, or without one."""
    network: Callable[[nn.Module, torch.dtype, torch.device], Network]
    """Creates the production form of a model with its weights, in evaluation mode."""
    untrained: Callable[[int], dict[str, Tensor]]
    """Creates the state of an untrained network without a classifier from a seed."""
    classifier_bias: str = "logits.conv3d.bias"
    """Name of the classifier's bias, whose length is the number of classes."""
    recipe: int = RECIPE
    """Version of the result of ``untrained``, and of the features computed with it."""

    @property
    def classifier(self) -> str:
        """Prefix of the parameter names of the classifier, which features do not depend on."""
        return self.classifier_bias.partition(".")[0] + "."


def _flow_model(num_classes: int | None = None) -> InceptionI3d:
    return InceptionI3d(num_classes, in_channels=CHANNELS["flow"])


ARCHITECTURES: Mapping[Architecture, ArchitectureSpec] = {
    "inception-compact": ArchitectureSpec(
        "the compact I3D of this project",
        public="embedded",
        model=lambda _classes: CompactNetwork(),
        network=_compact,
        untrained=untrained_compact_state,
        recipe=COMPACT_RECIPE,
    ),
    "inception-rgb": ArchitectureSpec(
        "an RGB I3D on Inception-v1",
        public="rgb_imagenet",
        model=InceptionI3d,
        network=_inception,
        untrained=untrained_state,
    ),
    "inception-flow": ArchitectureSpec(
        "a flow I3D on Inception-v1",
        public="flow_imagenet",
        model=_flow_model,
        network=_inception,
        untrained=lambda seed: untrained_state(seed, _flow_model),
    ),
    "resnet50": ArchitectureSpec(
        "an RGB I3D on ResNet-50",
        public="i3d_r50_kinetics",
        model=ResNet50I3d,
        network=_resnet,
        untrained=untrained_resnet_state,
        classifier_bias="fc.bias",
    ),
}


@dataclass(frozen=True)
class BackboneSpec:
    """Inputs and outputs of a backbone."""

    name: Backbone
    streams: tuple[Stream, ...]
    """Input streams, with one network each, in the order in which their features are concatenated."""
    architectures: tuple[Architecture, ...]
    """Architecture of each stream's network."""
    pooled_dim: int
    """D: pooled features per clip, summed over streams."""
    cuboid_dim: int
    """C: features per cuboid, summed over streams."""
    size: int = 224
    """Height and width of the input frames in pixels."""
    resize: int = 256
    """Shorter side in pixels before crops are taken; ignored by ``squash``."""
    min_frames: int = 1
    """Minimum frames per clip."""

    @property
    def cuboid_shape(self) -> tuple[int, int]:
        """``(49, C)``."""
        return GRID * GRID, self.cuboid_dim

    @property
    def uses_flow(self) -> bool:
        """True if the backbone needs optical flow."""
        return "flow" in self.streams


BACKBONES: Mapping[Backbone, BackboneSpec] = {
    spec.name: spec
    for spec in (
        BackboneSpec(
            "i3d-compact",
            ("rgb",),
            ("inception-compact",),
            COMPACT_POOLED_DIM,
            COMPACT_CUBOID_DIM,
        ),
        BackboneSpec("i3d", ("rgb",), ("inception-rgb",), POOLED_DIM, CUBOID_DIM),
        BackboneSpec("i3d-flow", ("flow",), ("inception-flow",), POOLED_DIM, CUBOID_DIM),
        BackboneSpec(
            "i3d-two-stream", ("rgb", "flow"), ("inception-rgb", "inception-flow"), 2 * POOLED_DIM, 2 * CUBOID_DIM
        ),
        BackboneSpec(
            "i3d-r50", ("rgb",), ("resnet50",), resnet.POOLED_DIM, resnet.CUBOID_DIM, min_frames=resnet.MIN_FRAMES
        ),
    )
}


def backbone_spec(name: str) -> BackboneSpec:
    """Return the backbone of that name.

    Raises:
        UsageError: No such backbone.
    """
    for known, spec in BACKBONES.items():
        if known == name:
            return spec
    raise UsageError(f"backbone must be one of {', '.join(BACKBONES)}, got {name!r}")


def architecture_spec(name: str) -> ArchitectureSpec:
    """Return the architecture of that name.

    Raises:
        UsageError: No such architecture.
    """
    for known, spec in ARCHITECTURES.items():
        if known == name:
            return spec
    raise UsageError(f"architecture must be one of {', '.join(ARCHITECTURES)}, got {name!r}")


def meta_network(architecture: Architecture, num_classes: int | None = None) -> nn.Module:
    """Return a network on the meta device: names and shapes without memory, to compare with or to fill."""
    with torch.device("meta"):
        return architecture_spec(architecture).model(num_classes)


def matching_fractions(tensors: Mapping[str, object]) -> dict[Architecture, float]:
    """Return, for each architecture, the fraction of its parameters that are present with their shapes, 0 to 1."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items() if isinstance(tensor, Tensor)}
    shares: dict[Architecture, float] = {}
    for architecture in ARCHITECTURES:
        wanted = {name: tuple(p.shape) for name, p in meta_network(architecture).named_parameters()}
        shares[architecture] = sum(shapes.get(name) == shape for name, shape in wanted.items()) / len(wanted)
    return shares
