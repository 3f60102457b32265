"""The embedded backbone: Inception-v1's graph at a quarter of its width, over what moves in a grey picture.

A detector that learns from weak labels will tell recordings apart by their scenery if it can. So this network never
sees any: from every pixel its own mean over the clip is taken away, and what stands still is nought. And what it
tells of a cuboid begins with its answers to 28 questions, which it was trained to answer on video whose truth is
exact: a small set of names in which a fight here and a fight there are alike. For what has no name, the activations
that it answers from follow.

``docs/i3d-compact.md`` is its model card: how it was trained, what came of it, what it is not good for.

Against public I3D (``i3d.py``): one channel in; every width divided by 4; the first convolution steps by 4 pixels
instead of 2; the graph ends with ``Mixed_4e``. It was trained on pictures of 224x224 pixels, and looks at them as they
are and enlarged twice, so that people of a dozen pixels, of whom surveillance is full, are of the size of those that
it knows. The large picture's map has 14x14 cells, and a cuboid has the highest value of its four: an event is small.
Answers are the large picture's, activations the mean of both.

Cuboids' answers count from their mean on rendered video, where nearly all cuboids are quiet. All else is scaled, not
moved: models that take the length of a clip's features for how unusual it is must find quiet clips short.

Axes: B clips, T time, H height, W width, C activations (132), A answers (28), K cuboids (49, row by row), D pooled
features (56).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wsvad.backbones.i3d import CUBOID_DIM, GRID, I3dFeatures, inception_stages

LABELS = (
    "person", "vehicle", "small", "walk", "run", "gesture", "bend", "exercise", "fight", "contact", "fall", "down",
    "chase", "drive", "collision", "erratic", "appear",
)  # fmt: skip
"""What may be going on; an answer is how likely it is, 0 to 1."""
MEASURES = (
    "mass", "right", "down", "speed", "spread", "peak", "change", "body_speed", "body_peak", "limbs", "crossing",
)  # fmt: skip
"""Of what moves: how much; mean velocity; mean, deviation and peak of the speed; acceleration; mean and peak speed in
body heights; motion of the limbs against the body's own; how far directions cancel. On a scale of logarithms."""
WIDTH_DIVISOR = 4
MAP_DIM = CUBOID_DIM // WIDTH_DIVISOR
"""Channels of ``Mixed_4e``."""
ANSWERS = len(LABELS) + len(MEASURES)
COMPACT_CUBOID_DIM = ANSWERS + MAP_DIM
COMPACT_POOLED_DIM = 2 * ANSWERS
STEM_STRIDE = (2, 4, 4)
ENLARGED = 2
CONTRAST = 0.15
"""Change of luma, of 1, that becomes 1 at the network's input."""
_LUMA = (0.299, 0.587, 0.114)
_HIDDEN = 96
_LEAST_DEVIATION = 1e-3


def changes(clips_BTHWC: Tensor) -> Tensor:
    """Turn pictures into what differs from the clip's own mean picture.

    Args:
        clips_BTHWC: RGB ``[B, T, H, W, 3]`` or grey ``[B, T, H, W, 1]`` bytes.

    Returns:
        ``[B, 1, T, H, W]`` fp32, mean 0 over T at every pixel.
    """
    first, *others = clips_BTHWC.unbind(4)
    if others:  # one colour onto another: a third of the time of a product with the weights
        grey_BTHW = first.float().mul_(_LUMA[0])
        for colour, share in zip(others, _LUMA[1:], strict=True):
            grey_BTHW.add_(colour, alpha=share)
    else:
        grey_BTHW = first.float()
    return grey_BTHW.sub(grey_BTHW.mean(1, keepdim=True)).div_(255 * CONTRAST).unsqueeze(1)


def enlarged(video_BCTHW: Tensor) -> Tensor:
    """Return one channel ``[B, 1, T, H, W]`` with twice the height and width."""
    size = [ENLARGED * side for side in video_BCTHW.shape[3:]]
    return functional.interpolate(video_BCTHW[:, 0], size, mode="bilinear", align_corners=False).unsqueeze(1)


class Trunk(nn.Module):
    """Inception's stages up to ``Mixed_4e``, narrow and of one channel."""

    def __init__(self) -> None:
        super().__init__()
        for name, stage in inception_stages(1, WIDTH_DIVISOR, STEM_STRIDE):
            self.add_module(name, stage)
            if name == "Mixed_4e":
                break

    def forward(self, video_BCTHW: Tensor) -> Tensor:
        """Map ``[B, 1, T, H, W]`` to ``[B, 132, T/4, H/32, W/32]``, sizes rounded up."""
        for stage in self.children():
            video_BCTHW = stage(video_BCTHW)
        return video_BCTHW


class Raw(NamedTuple):
    """What is read from the maps, on the scale that it has there."""

    answers_BKA: Tensor
    activations_BKC: Tensor


class Readout(nn.Module):
    """Two heads over the maps, and what is usual on rendered video: features are counted in its deviations."""

    answers_mean: Tensor
    answers_deviation: Tensor
    pooled_deviation: Tensor
    activations_deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.labels = nn.Sequential(nn.Conv2d(MAP_DIM, _HIDDEN, 1), nn.ReLU(), nn.Conv2d(_HIDDEN, len(LABELS), 1))
        self.motion = nn.Sequential(nn.Conv3d(MAP_DIM, _HIDDEN, 1), nn.ReLU(), nn.Conv3d(_HIDDEN, len(MEASURES), 1))
        self.register_buffer("answers_mean", torch.zeros(ANSWERS))
        self.register_buffer("answers_deviation", torch.ones(ANSWERS))
        self.register_buffer("pooled_deviation", torch.ones(COMPACT_POOLED_DIM))
        self.register_buffer("activations_deviation", torch.ones(MAP_DIM))

    def raw(self, large_BCTHW: Tensor, small_BCTHW: Tensor) -> Raw:
        """Read the maps of the enlarged and of the plain picture; 7 divides the sides of both."""
        labels_BAHW = self.labels(large_BCTHW.mean(2)).sigmoid()
        measures_BAHW = self.motion(large_BCTHW).mean(2)
        activations_BKC = (_cuboids(large_BCTHW.mean(2)) + _cuboids(small_BCTHW.mean(2))) / 2
        return Raw(_cuboids(torch.cat([labels_BAHW, measures_BAHW], 1)), activations_BKC)

    def forward(self, large_BCTHW: Tensor, small_BCTHW: Tensor) -> I3dFeatures:
        """Turn both maps into features."""
        raw = self.raw(large_BCTHW, small_BCTHW)
        answers_BKA = (raw.answers_BKA - self.answers_mean) / (self.answers_deviation + _LEAST_DEVIATION)
        activations_BKC = raw.activations_BKC / (self.activations_deviation + _LEAST_DEVIATION)
        return I3dFeatures(
            pooled(raw.answers_BKA) / (self.pooled_deviation + _LEAST_DEVIATION),
            torch.cat([answers_BKA, activations_BKC], 2),
        )

    def measure_usual(self, raw: Raw) -> None:
        """Take what ``raw`` gave for clips as what is usual."""
        answers_NA, activations_NC = raw.answers_BKA.flatten(0, 1), raw.activations_BKC.flatten(0, 1)
        self.answers_mean.copy_(answers_NA.mean(0))
        self.answers_deviation.copy_(answers_NA.std(0, correction=0))
        self.pooled_deviation.copy_(pooled(raw.answers_BKA).std(0, correction=0))
        self.activations_deviation.copy_(activations_NC.std(0, correction=0))


def _cuboids(map_BCHW: Tensor) -> Tensor:
    """Return the highest of each cuboid's cells, ``[B, 49, C]``."""
    return functional.adaptive_max_pool2d(map_BCHW, GRID).flatten(2).transpose(1, 2)


def pooled(answers_BKA: Tensor) -> Tensor:
    """Return mean and maximum over the cuboids, ``[B, 56]``."""
    return torch.cat([answers_BKA.mean(1), answers_BKA.amax(1)], 1)


class CompactNetwork(nn.Module):
    """The plain fp32 network."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.readout = Readout()

    def forward(self, clips_BTHWC: Tensor) -> I3dFeatures:
        """Turn bytes ``[B, T, 224, 224, 3]`` into pooled features ``[B, 56]`` and cuboids ``[B, 49, 160]``."""
        features: I3dFeatures = self.readout(*self.maps(clips_BTHWC))
        return features

    def maps(self, clips_BTHWC: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maps of the enlarged and of the plain picture, as ``Readout`` takes them."""
        small_BCTHW = changes(clips_BTHWC)
        return self.trunk(enlarged(small_BCTHW)), self.trunk(small_BCTHW)
