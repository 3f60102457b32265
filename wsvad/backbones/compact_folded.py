"""The compact network, rearranged for speed: what runs in production.

As in ``folded.py`` nothing is approximated. The picture that is enlarged twice never comes to be: a convolution of 7
taps that steps by 4 over it is one of 5 taps that steps by 2 over the picture itself, for bilinear enlargement is
linear. At the borders, where the enlargement repeats the last pixel and the convolution sees nought, the taps are
others, so the first and last row and column of the output are made apart.

Axes: as in ``compact``.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional

from wsvad.backbones.compact import ENLARGED, CompactNetwork, changes
from wsvad.backbones.folded import FoldedI3d, FusedConv, channel_multiple, fold_batch_norm, rounded
from wsvad.backbones.i3d import ConvUnit, I3dFeatures, same_padding

_TAPS = 7
_WINDOW = 5
"""Pixels that 7 taps over the enlarged picture reach."""
_STEP = 2


class EnlargingStem:
    """The first convolution ``unit`` on a picture of one channel that is enlarged twice, without enlarging it.

    Args:
        unit: 7x7x7, stride (T, 4, 4), one channel in.
        dtype: of the weights and the result.
        device: where it runs.

    One instance serves one thread: it keeps its work space between calls.
    """

    def __init__(self, unit: ConvUnit, *, dtype: torch.dtype, device: torch.device) -> None:
        assert unit.kernel == (_TAPS,) * 3
        assert unit.stride[1:] == (ENLARGED * _STEP,) * 2
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
        """Make the work space, where zeros around the pixels stand for what is outside, and weights of each border."""
        clips, frames, height, width = shape[:4]
        front, back = same_padding(frames, _TAPS, self._time_step)
        top, left = (same_padding(ENLARGED * side, _TAPS, ENLARGED * _STEP)[0] for side in (height, width))
        rows, columns = -(-height // _STEP), -(-width // _STEP)
        frames_padded = frames + back - front  # the kernel itself skips what is in front
        # Windows begin as many pixels before the picture as taps begin before the enlarged one.
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
                rounded(weight, self._dtype).to(self._device),
                self._bias.to(self._device),
                (front, 0, 0),
                (self._time_step, _STEP, 1),
            )
            self._parts.append((row, column, self._taps[:, :, _pixels(row), column], conv))
        self._shape = shape


def _parts(size: int, outputs: int, before: int) -> list[tuple[slice, Tensor]]:
    """Return ``(outputs, reach)`` of one axis: all as if they were inside, then the first and the last as they are."""
    inside = _reach(None, 0, before)
    return [
        (slice(None), inside),
        (slice(0, 1), _reach(size, 0, before)),
        (slice(outputs - 1, outputs), _reach(size, outputs - 1, before)),
    ]


def _pixels(outputs: slice) -> slice:
    """Return the rows of the padded picture that these rows of the output reach."""
    if outputs == slice(None):
        return outputs
    return slice(_STEP * outputs.start, _STEP * (outputs.stop - 1) + _WINDOW)


def _reach(size: int | None, output: int, before: int) -> Tensor:
    """Return ``[7, 5]``: how much of each pixel of its window an output's tap takes, in a picture of that size."""
    reach = torch.zeros(_TAPS, _WINDOW, dtype=torch.float64)
    start = _STEP * output - before
    for tap in range(_TAPS):
        at = ENLARGED * _STEP * output - before + tap
        if size is not None and not 0 <= at < ENLARGED * size:
            continue
        nearest, other = at // 2, at // 2 + (1 if at % 2 else -1)
        for pixel, share in ((nearest, 0.75), (other, 0.25)):
            seen = pixel if size is None else min(max(pixel, 0), size - 1)
            reach[tap, seen - start] += share
    return reach


class FoldedCompactNetwork:
    """The compact network's fast form.

    Args:
        model: with its weights, in evaluation mode.
        dtype: ``torch.float32`` or ``torch.bfloat16``, of the trunk.
        device: where it runs.
    """

    def __init__(self, model: CompactNetwork, *, dtype: torch.dtype, device: torch.device) -> None:
        # Two of them: a folded network keeps work space and packed weights for one shape, and makes them anew for
        # another, which costs more than the small picture does.
        (_, stem), *others = model.trunk.named_children()
        assert isinstance(stem, ConvUnit)
        self._enlarging = EnlargingStem(stem, dtype=dtype, device=device)
        self._large = FoldedI3d(nn.Sequential(OrderedDict(others)), dtype=dtype, device=device)
        self._small = FoldedI3d(model.trunk, dtype=dtype, device=device)
        self._readout = copy.deepcopy(model.readout).to(device)

    def features(self, clips_BTHWC: Tensor) -> I3dFeatures:
        """Turn bytes ``[B, T, 224, 224, 3]`` on that device into fp32 features."""
        small_BTHWC = changes(clips_BTHWC).permute(0, 2, 3, 4, 1)
        large_BCTHW = self._large.last(self._enlarging(small_BTHWC)).float()
        features: I3dFeatures = self._readout(large_BCTHW, self._small.last(small_BTHWC).float())
        return features
