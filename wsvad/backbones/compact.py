"""The embedded backbone: a quarter-width Inception-v1 over the motion in grey pictures.

A detector trained on weak labels tends to recognize recordings by their scenery. Two design decisions prevent that:

* The network does not see the scenery: the mean of each pixel over the clip is subtracted, so that static content is
  zero.
* The features of a cuboid start with 28 *answers*: predictions of named attributes (17 labels, 11 motion measures).
  The network was trained to predict them on rendered video with exact ground truth. A fight looks alike in these
  attributes wherever it takes place. For everything without a name, the activations behind the predictions follow.

``docs/i3d-compact.md`` is the model card: training, results, limitations.

Differences from public I3D (``i3d.py``): one input channel; every width divided by 4; the first convolution has stride
4 instead of 2; the graph ends with ``Mixed_4e``. The network was trained on pictures of 224x224 pixels. It processes
each clip at that size and upsampled by 2, so that people of a dozen pixels, common in surveillance, have the size of
those in training. The map of the large picture has 14x14 cells, and a cuboid takes the maximum of its four cells,
because an event is small. Answers come from the large picture, activations are the mean of both.

The answers of cuboids are relative to their mean on rendered video, where nearly all cuboids are quiet. All other
features are scaled but not shifted: models that use the norm of a clip's features as a measure of abnormality need a
small norm for quiet clips.

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
"""Labels of what happens in a cuboid; each answer is a probability, 0 to 1."""
MEASURES = (
    "mass", "right", "down", "speed", "spread", "peak", "change", "body_speed", "body_peak", "limbs", "crossing",
)  # fmt: skip
"""Measures of the moving pixels: their number; mean velocity; mean, deviation and peak of the speed; acceleration; mean
and peak speed in body heights; motion of limbs relative to the body; degree to which directions cancel. Logarithmic."""
WIDTH_DIVISOR = 4
MAP_DIM = CUBOID_DIM // WIDTH_DIVISOR
"""Channels of ``Mixed_4e``."""
ANSWERS = len(LABELS) + len(MEASURES)
COMPACT_CUBOID_DIM = ANSWERS + MAP_DIM
COMPACT_POOLED_DIM = 2 * ANSWERS
STEM_STRIDE = (2, 4, 4)
UPSAMPLING = 2
CONTRAST = 0.15
"""Difference in luma, as a fraction of white, that becomes 1 at the network's input."""
_LUMA = (0.299, 0.587, 0.114)
_HIDDEN = 96
_LEAST_DEVIATION = 1e-3


def difference_from_mean(clips_BTHWC: Tensor) -> Tensor:
    """Subtract the clip's mean picture.

    Args:
        clips_BTHWC: RGB ``[B, T, H, W, 3]`` or grey ``[B, T, H, W, 1]``, uint8.

    Returns:
        ``[B, 1, T, H, W]`` fp32, with mean 0 over T at every pixel.
    """
    first, *others = clips_BTHWC.unbind(4)
    if others:  # add one colour at a time: takes a third of the time of a matrix product with the weights
        grey_BTHW = first.float().mul_(_LUMA[0])
        for colour, share in zip(others, _LUMA[1:], strict=True):
            grey_BTHW.add_(colour, alpha=share)
    else:
        grey_BTHW = first.float()
    return grey_BTHW.sub(grey_BTHW.mean(1, keepdim=True)).div_(255 * CONTRAST).unsqueeze(1)


def upsampled(video_BCTHW: Tensor) -> Tensor:
    """Upsample one channel ``[B, 1, T, H, W]`` to twice the height and width."""
    size = [UPSAMPLING * side for side in video_BCTHW.shape[3:]]
    return functional.interpolate(video_BCTHW[:, 0], size, mode="bilinear", align_corners=False).unsqueeze(1)


class Trunk(nn.Module):
    """Stages of Inception up to ``Mixed_4e``, at a quarter of the width and with one input channel."""

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


class RawReadout(NamedTuple):
    """Answers and activations before scaling."""

    answers_BKA: Tensor
    activations_BKC: Tensor


class Readout(nn.Module):
    """Two heads over the maps. Features are scaled by their standard deviations on rendered video."""

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

    def raw(self, large_BCTHW: Tensor, small_BCTHW: Tensor) -> RawReadout:
        """Read the maps of the upsampled and of the original picture; the sides of both are multiples of 7."""
        labels_BAHW = self.labels(large_BCTHW.mean(2)).sigmoid()
        measures_BAHW = self.motion(large_BCTHW).mean(2)
        activations_BKC = (_cuboids(large_BCTHW.mean(2)) + _cuboids(small_BCTHW.mean(2))) / 2
        return RawReadout(_cuboids(torch.cat([labels_BAHW, measures_BAHW], 1)), activations_BKC)

    def forward(self, large_BCTHW: Tensor, small_BCTHW: Tensor) -> I3dFeatures:
        """Compute the scaled features of both maps."""
        raw = self.raw(large_BCTHW, small_BCTHW)
        answers_BKA = (raw.answers_BKA - self.answers_mean) / (self.answers_deviation + _LEAST_DEVIATION)
        activations_BKC = raw.activations_BKC / (self.activations_deviation + _LEAST_DEVIATION)
        return I3dFeatures(
            pooled(raw.answers_BKA) / (self.pooled_deviation + _LEAST_DEVIATION),
            torch.cat([answers_BKA, activations_BKC], 2),
        )

    def calibrate(self, raw: RawReadout) -> None:
        """Set mean and deviations to those of ``raw``, the unscaled features of many clips."""
        answers_NA, activations_NC = raw.answers_BKA.flatten(0, 1), raw.activations_BKC.flatten(0, 1)
        self.answers_mean.copy_(answers_NA.mean(0))
        self.answers_deviation.copy_(answers_NA.std(0, correction=0))
        self.pooled_deviation.copy_(pooled(raw.answers_BKA).std(0, correction=0))
        self.activations_deviation.copy_(activations_NC.std(0, correction=0))


def _cuboids(map_BCHW: Tensor) -> Tensor:
    """Return the maximum over each cuboid's cells, ``[B, 49, C]``."""
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
        """Compute pooled features ``[B, 56]`` and cuboids ``[B, 49, 160]`` of clips ``[B, T, 224, 224, 3]``, uint8."""
        features: I3dFeatures = self.readout(*self.maps(clips_BTHWC))
        return features

    def maps(self, clips_BTHWC: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maps of the upsampled and of the original picture, as expected by ``Readout``."""
        small_BCTHW = difference_from_mean(clips_BTHWC)
        return self.trunk(upsampled(small_BCTHW)), self.trunk(small_BCTHW)
