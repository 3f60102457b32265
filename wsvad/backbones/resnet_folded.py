"""The ResNet-50 I3D in its production form, with the methods described in ``folded``.

Differences:

* Pixels become ``x - 115``, which bfloat16 represents exactly, unlike ``x - 114.75``. The difference of a quarter is
  part of the bias, and of the padding: frames, rows and columns of -0.25.
* The shortcut is added, and the ReLU applied, inside the last convolution of a block, in the memory of the shortcut.

Axes: as in ``resnet``.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from wsvad.backbones.folded import FusedConv, Stage, channel_multiple, round_weight
from wsvad.backbones.i3d import I3dFeatures, I3dMaps, Triple, pool_maps
from wsvad.backbones.resnet import (
    DEVIATION,
    MEAN,
    POOL1,
    POOL2,
    Bottleneck,
    ResNet50I3d,
    ResNetMaps,
    check_frames,
)

PIXEL_OFFSET = 115
"""The integer next to the mean; it is subtracted from pixels."""


def fold(conv: nn.Conv3d, norm: nn.BatchNorm3d) -> tuple[Tensor, Tensor]:
    """Return the weight ``[out, in, T, H, W]`` and bias ``[out]`` of one convolution equal to convolution + norm."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    scale = norm.weight.double() / torch.sqrt(variance.double() + norm.eps)
    weight = conv.weight.double() * scale.reshape(-1, 1, 1, 1, 1)
    bias = norm.bias.double() - mean.double() * scale
    return weight.float().detach(), bias.float().detach()


class Stem:
    """The 5x7x7 convolution with stride 2 over uint8; its channels are 7 columns x 3 colours, padded with zeros."""

    def __init__(self, conv: nn.Conv3d, norm: nn.BatchNorm3d, dtype: torch.dtype, device: torch.device) -> None:
        weight, bias = fold(conv, norm)
        weight = round_weight(weight / DEVIATION, dtype)
        self._bias = (bias + (PIXEL_OFFSET - MEAN) * weight.float().sum((1, 2, 3, 4))).to(device)
        out_channels, colours, *taps = weight.shape
        self._reach = [size // 2 for size in taps]
        columns_as_channels = weight.permute(0, 4, 1, 2, 3).reshape(out_channels, taps[2] * colours, *taps[:2], 1)
        spare = -columns_as_channels.shape[1] % channel_multiple(dtype, device)
        self._weight = functional.pad(columns_as_channels, (0, 0, 0, 0, 0, 0, 0, spare)).to(device)
        self._conv = FusedConv(self._weight, self._bias, (0, 0, 0), (2, 2, 1))
        self._shape: torch.Size | None = None

    def __call__(self, clips_BTHWC: Tensor) -> Tensor:
        """Map uint8 ``[B, T, H, W, 3]`` to ``[B, 64, ceil(T/2), ceil(H/2), ceil(W/2)]``."""
        if self._shape != clips_BTHWC.shape:
            self._allocate(clips_BTHWC.shape)
        self._pixels.copy_(clips_BTHWC.flatten(3))
        self._pixels.sub_(PIXEL_OFFSET)
        self._taps.copy_(self._windows)
        return self._conv(self._taps.permute(0, 4, 1, 2, 3))

    def _allocate(self, shape: torch.Size) -> None:
        """Allocate the work space: pixels, the padding around them, and a column with zero weight."""
        clips, frames, height, width, colours = shape
        front, top, left = self._reach
        row = (width + 2 * left + 1) * colours
        padded = self._weight.new_full((clips, frames + 2 * front, height + 2 * top, row), MEAN - PIXEL_OFFSET)
        columns = slice(left * colours, (left + width) * colours)
        self._pixels = padded[:, front : front + frames, top : top + height, columns]
        self._windows = padded.as_strided(
            (*padded.shape[:3], -(-width // 2), self._weight.shape[1]), (*padded.stride()[:3], 2 * colours, 1)
        )
        self._taps = torch.empty_like(self._windows, memory_format=torch.contiguous_format)
        self._shape = shape


class FoldedResNet50I3d:
    """The ResNet-50 I3D from uint8 clips to maps, with the weights of ``model`` at the time of construction.

    One instance serves one thread: it keeps its work space between calls.

    Args:
        model: The plain model, in evaluation mode.
        dtype: ``torch.float32`` or ``torch.bfloat16``; sums inside a convolution are fp32 in both.
        device: Device to run on.
    """

    def __init__(self, model: ResNet50I3d, *, dtype: torch.dtype, device: torch.device) -> None:
        self._dtype, self._device = dtype, device
        self._stem = Stem(model.conv1, model.bn1, dtype, device)
        self._layer1, self._layer2, self._layer3, self._layer4 = (
            [self._block(cast(Bottleneck, block)) for block in layer]
            for layer in (model.layer1, model.layer2, model.layer3, model.layer4)
        )

    def maps(self, clips_BTHWC: Tensor) -> ResNetMaps:
        """Run the network.

        Args:
            clips_BTHWC: RGB ``[B, T, H, W, 3]``, uint8, at least 7 frames, on this instance's device.

        Returns:
            ``res4`` and ``res5`` in this instance's dtype.

        Raises:
            UsageError: Too few frames.
        """
        check_frames(clips_BTHWC.shape[1])
        x = functional.max_pool3d(self._stem(clips_BTHWC), POOL1, 2)
        x = functional.max_pool3d(_through(self._layer1, x), POOL2)
        res4 = _through(self._layer3, _through(self._layer2, x))
        return ResNetMaps(res4, _through(self._layer4, res4))

    def features(self, clips_BTHWC: Tensor) -> I3dFeatures:
        """Run the network and average its maps; arguments and errors as for :meth:`maps` and ``pool_maps``."""
        return pool_maps(I3dMaps(*self.maps(clips_BTHWC)))

    def _block(self, block: Bottleneck) -> Stage:
        conv1, conv2 = self._conv(block.conv1, block.bn1), self._conv(block.conv2, block.bn2)
        conv3 = self._conv(block.conv3, block.bn3)
        if block.downsample is None:
            # The block's input is its shortcut; it may be overwritten because it is not used afterwards.
            return lambda x: conv3(conv2(conv1(x)), x)
        shortcut = self._conv(*cast(tuple[nn.Conv3d, nn.BatchNorm3d], tuple(block.downsample)), relu=False)
        return lambda x: conv3(conv2(conv1(x)), shortcut(x))

    def _conv(self, conv: nn.Conv3d, norm: nn.BatchNorm3d, *, relu: bool = True) -> FusedConv:
        weight, bias = fold(conv, norm)
        padding, stride = cast(Triple, conv.padding), cast(Triple, conv.stride)
        weight = round_weight(weight, self._dtype).to(self._device)
        return FusedConv(weight, bias.to(self._device), padding, stride, relu=relu)


def _through(blocks: list[Stage], x_BCTHW: Tensor) -> Tensor:
    for block in blocks:
        x_BCTHW = block(x_BCTHW)
    return x_BCTHW
