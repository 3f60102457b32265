"""The compact network in its production form.

As in ``folded.py``, nothing is approximated. The upsampled picture is never materialized: bilinear upsampling is
linear, so a convolution of 7 taps with stride 4 over the upsampled picture equals one of 5 taps with stride 2 over the
picture itself. At the borders, where upsampling repeats the last pixel and the convolution pads with zeros, the taps
differ; the first and last row and column of the output are therefore computed separately.

Axes: as in ``compact``.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional

from wsvad.backbones.compact import UPSAMPLING, CompactNetwork, difference_from_mean
from wsvad.backbones.folded import FoldedI3d, FusedConv, channel_multiple, fold_batch_norm, round_weight
from wsvad.backbones.i3d import ConvUnit, I3dFeatures, same_padding

_TAPS = 7
_WINDOW = 5
"""Pixels covered by 7 taps over the upsampled picture."""
_STEP = 2


class UpsamplingStem:
    """The first convolution ``unit`` over a one-channel picture upsampled by 2, without upsampling it.

    One instance serves one thread: it keeps its work space between calls.

    Args:
        unit: 7x7x7, stride (T, 4, 4), one input channel.
        dtype: Type of the weights and of the result.
        device: Device to run on.
    """

    def __init__(self, unit: ConvUnit, *, dtype: torch.dtype, device: torch.device) -> None:
        assert unit.kernel == (_TAPS,) * 3
        assert unit.stride[1:] == (UPSAMPLING * _STEP,) * 2
        self._weight, self._bias = fold_batch_norm(unit)
        self._time_step = unit.stride[0]
        self._dtype, self._device = dtype, device
        self._parts: list[tuple[slice, slice, Tensor, FusedConv]] = []
        self._shape: torch.Size | None = None

    def __call__(self, video_BTHWC: Tensor) -> Tensor:
        """Map fp32 ``[B, T, H, W, 1]`` to ``[B, out, T', H/2, W/2]``, sizes rounded up."""
        if self._shape != video_BTHWC.shape:
            self._allocate(video_BTHWC.shape)
        self._pixels.copy_(video_BTHWC.squeeze(4))
        self._taps[..., :_WINDOW].copy_(self._windows)
        (_, _, _, conv), *borders = self._parts
        out_BCTHW: Tensor = conv(self._taps.permute(0, 4, 1, 2, 3))
        for rows, columns, taps_BTHWX, conv in borders:
            out_BCTHW[..., rows, columns] = conv(taps_BTHWX.permute(0, 4, 1, 2, 3))
        return out_BCTHW

    def _allocate(self, shape: torch.Size) -> None:
        """Allocate the work space, padded with zeros, and the weights of each border."""
        clips, frames, height, width = shape[:4]
        front, back = same_padding(frames, _TAPS, self._time_step)
        top, left = (same_padding(UPSAMPLING * side, _TAPS, UPSAMPLING * _STEP)[0] for side in (height, width))
        rows, columns = -(-height // _STEP), -(-width // _STEP)
        frames_padded = frames + back - front  # padding in front is left to the kernel
        # Windows start as many pixels before the picture as taps start before the upsampled one.
        rows_padded, columns_padded = (_STEP * (outputs - 1) + _WINDOW for outputs in (rows, columns))
        padded = torch.zeros(clips, frames_padded, rows_padded, columns_padded, dtype=self._dtype, device=self._device)
        self._pixels = padded[:, :frames, top : top + height, left : left + width]
        self._windows = padded.unfold(3, _WINDOW, _STEP)
        multiple = channel_multiple(self._dtype, self._device)
        channels = -(-_WINDOW // multiple) * multiple
        self._taps = torch.zeros((*self._windows.shape[:4], channels), dtype=self._dtype, device=self._device)
        self._parts = []
        for (row, reach_rows), (column, reach_columns) in product(
            _parts(height, rows, top), _parts(width, columns, left)
        ):
            weight_OXTY = torch.einsum("octhw,hy,wx->oxty", self._weight.double(), reach_rows, reach_columns)
            weight = functional.pad(weight_OXTY.float().unsqueeze(4), (0, 0) * 3 + (0, channels - _WINDOW))
            conv = FusedConv(
                round_weight(weight, self._dtype).to(self._device),
                self._bias.to(self._device),
                (front, 0, 0),
                (self._time_step, _STEP, 1),
            )
            self._parts.append((row, column, self._taps[:, :, _pixels(row), column], conv))
        self._shape = shape


def _parts(size: int, outputs: int, before: int) -> list[tuple[slice, Tensor]]:
    """Return ``(outputs, weights)`` of one axis: all outputs with interior weights, then the first and the last."""
    inside = _reach(None, 0, before)
    return [
        (slice(None), inside),
        (slice(0, 1), _reach(size, 0, before)),
        (slice(outputs - 1, outputs), _reach(size, outputs - 1, before)),
    ]


def _pixels(outputs: slice) -> slice:
    """Return the rows of the padded picture that these output rows depend on."""
    if outputs == slice(None):
        return outputs
    return slice(_STEP * outputs.start, _STEP * (outputs.stop - 1) + _WINDOW)


def _reach(size: int | None, output: int, before: int) -> Tensor:
    """Return ``[7, 5]``: the weight of each pixel of the window in each tap of an output.

    ``size`` is the length of the axis in pixels; ``None`` for an output away from the borders.
    """
    reach = torch.zeros(_TAPS, _WINDOW, dtype=torch.float64)
    start = _STEP * output - before
    for tap in range(_TAPS):
        at = UPSAMPLING * _STEP * output - before + tap
        if size is not None and not 0 <= at < UPSAMPLING * size:
            continue
        nearest, other = at // 2, at // 2 + (1 if at % 2 else -1)
        for pixel, share in ((nearest, 0.75), (other, 0.25)):
            seen = pixel if size is None else min(max(pixel, 0), size - 1)
            reach[tap, seen - start] += share
    return reach


class FoldedCompactNetwork:
    """The compact network in its production form.

    Args:
        model: Model with its weights, in evaluation mode.
        dtype: Type of the trunk, ``torch.float32`` or ``torch.bfloat16``.
        device: Device to run on.
    """

    def __init__(self, model: CompactNetwork, *, dtype: torch.dtype, device: torch.device) -> None:
        # Two trunks: a folded network keeps work space and packed weights for one shape. Recreating them for another
        # shape costs more than running the small picture.
        (_, stem), *others = model.trunk.named_children()
        assert isinstance(stem, ConvUnit)
        self._upsampling_stem = UpsamplingStem(stem, dtype=dtype, device=device)
        self._large = FoldedI3d(nn.Sequential(OrderedDict(others)), dtype=dtype, device=device)
        self._small = FoldedI3d(model.trunk, dtype=dtype, device=device)
        self._readout = copy.deepcopy(model.readout).to(device)

    def features(self, clips_BTHWC: Tensor) -> I3dFeatures:
        """Compute fp32 features of clips ``[B, T, 224, 224, 3]``, uint8, on the network's device."""
        small_BTHWC = difference_from_mean(clips_BTHWC).permute(0, 2, 3, 4, 1)
        large_BCTHW = self._large.last(self._upsampling_stem(small_BTHWC)).float()
        features: I3dFeatures = self._readout(large_BCTHW, self._small.last(small_BTHWC).float())
        return features
