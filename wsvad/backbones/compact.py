"""The embedded backbone: Inception-v1's graph at a quarter of its width, over what moves in a grey picture.

A detector that learns from weak labels will tell recordings apart by their scenery if it can. So this network never
sees any: from every pixel its own mean over the clip is taken away, and what stands still is nought. And what it
tells of a cuboid are not activations but its answers to 28 questions, which it was trained to answer on video whose
truth is exact: a small set of names in which a fight here and a fight there are alike.

``docs/i3d-compact.md`` is its model card: how it was trained, what came of it, what it is not good for.

Against public I3D (``i3d.py``): one channel in; every width divided by 4; the first convolution steps by 4 pixels
instead of 2; the graph ends with ``Mixed_4e``. It was trained on pictures of 224x224 pixels, and looks at them twice
enlarged, so that people of a dozen pixels, of whom surveillance is full, are of the size of those that it knows. The
map is 14x14 then, and a cuboid's answer is the highest of its four cells: an event is small.

Axes: B clips, T time, H height, W width, C channels, A answers (28), K cuboids (49, row by row), D pooled features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from wsvad.backbones.folded import FoldedI3d
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
COMPACT_CUBOID_DIM = len(LABELS) + len(MEASURES)
COMPACT_POOLED_DIM = 2 * COMPACT_CUBOID_DIM
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


class Answers(nn.Module):
    """Two heads over the map, and what their answers are on rendered video: their features count from there."""

    cells_mean: Tensor
    cells_deviation: Tensor
    pooled_mean: Tensor
    pooled_deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.labels = nn.Sequential(nn.Conv2d(MAP_DIM, _HIDDEN, 1), nn.ReLU(), nn.Conv2d(_HIDDEN, len(LABELS), 1))
        self.motion = nn.Sequential(nn.Conv3d(MAP_DIM, _HIDDEN, 1), nn.ReLU(), nn.Conv3d(_HIDDEN, len(MEASURES), 1))
        for name, size in (("cells", COMPACT_CUBOID_DIM), ("pooled", COMPACT_POOLED_DIM)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_deviation", torch.ones(size))

    def raw(self, map_BCTHW: Tensor) -> Tensor:
        """Return each cuboid's highest answers ``[B, 49, 28]``, labels first, for a map whose sides 7 divides."""
        labels_BAHW = self.labels(map_BCTHW.mean(2)).sigmoid()
        measures_BAHW = self.motion(map_BCTHW).mean(2)
        answers_BAHW = torch.cat([labels_BAHW, measures_BAHW], 1)
        return functional.adaptive_max_pool2d(answers_BAHW, GRID).flatten(2).transpose(1, 2)

    def forward(self, map_BCTHW: Tensor) -> I3dFeatures:
        """Turn a map into features, in deviations from what is usual."""
        cells_BKA = self.raw(map_BCTHW)
        pooled_BD = pooled(cells_BKA)
        return I3dFeatures(
            (pooled_BD - self.pooled_mean) / (self.pooled_deviation + _LEAST_DEVIATION),
            ((cells_BKA - self.cells_mean) / (self.cells_deviation + _LEAST_DEVIATION)).contiguous(),
        )

    def measure_usual(self, cells_BKA: Tensor) -> None:
        """Take what ``raw`` gave for clips as what is usual."""
        pooled_BD = pooled(cells_BKA)
        for name, values in (("cells", cells_BKA.flatten(0, 1)), ("pooled", pooled_BD)):
            getattr(self, f"{name}_mean").copy_(values.mean(0))
            getattr(self, f"{name}_deviation").copy_(values.std(0, correction=0))


def pooled(cells_BKA: Tensor) -> Tensor:
    """Return mean and maximum over the cuboids, ``[B, 56]``."""
    return torch.cat([cells_BKA.mean(1), cells_BKA.amax(1)], 1)


class CompactNetwork(nn.Module):
    """The plain fp32 network."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.answers = Answers()

    def forward(self, clips_BTHWC: Tensor) -> I3dFeatures:
        """Turn bytes ``[B, T, 224, 224, 3]`` into pooled features ``[B, 56]`` and cuboids ``[B, 49, 28]``."""
        features: I3dFeatures = self.answers(self.trunk(enlarged(changes(clips_BTHWC))))
        return features


class FoldedCompactNetwork:
    """The same, rearranged for speed (``folded.py``).

    Args:
        model: with its weights, in evaluation mode.
        dtype: ``torch.float32`` or ``torch.bfloat16``, of the trunk.
        device: where it runs.
    """

    def __init__(self, model: CompactNetwork, *, dtype: torch.dtype, device: torch.device) -> None:
        self._trunk = FoldedI3d(model.trunk, dtype=dtype, device=device)
        self._answers = model.answers.to(device)

    def features(self, clips_BTHWC: Tensor) -> I3dFeatures:
        """Turn bytes ``[B, T, 224, 224, 3]`` on that device into fp32 features."""
        video_BTHWC = enlarged(changes(clips_BTHWC)).permute(0, 2, 3, 4, 1)
        features: I3dFeatures = self._answers(self._trunk.last(video_BTHWC).float())
        return features
