"""I3D in its production form, rearranged for speed.

Only the precision of the arithmetic differs: in fp32 the maps equal those of the plain model up to rounding.
``docs/decisions/0001-i3d-fast-path.md`` has the measurements behind each choice:

* Tensors are channels-last. Batch norm is folded into the convolutions, and the ReLU is fused if PyTorch supports it.
* The first convolution reads uint8. Pixels become ``x - 127.5``, which bfloat16 represents exactly, and the scale
  1/127.5 is part of the weights. Its 7 columns x 3 colours become 21 input channels (22 in bfloat16, the last one zero,
  so that they form pairs), which leaves a 7x7x1 kernel. That runs at full speed, unlike one with 3 channels. Fp32 input
  is accepted too and multiplied by 127.5.
* bfloat16 weights are rounded so that the errors of neighbouring taps cancel, and biases stay fp32. This removes a
  quarter of the error.
* ``SAME`` padding is left to the kernels, which skip it; only a frame, a row and two columns are copied for it.
* Nothing is compiled: from the first clip on, these calls run at the speed of the machine's matrix multiplication.

Axes: as in ``i3d``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from wsvad.backbones.i3d import (
    ConvUnit,
    I3dFeatures,
    I3dMaps,
    MaxPoolSame,
    MixedBlock,
    Triple,
    pool_maps,
    same_padding,
)

Stage = Callable[[Tensor], Tensor]
_LAYOUT = torch.channels_last_3d
_ONE: Triple = (1, 1, 1)


def fold_batch_norm(unit: ConvUnit) -> tuple[Tensor, Tensor]:
    """Return the weight ``[out, in, T, H, W]`` and bias ``[out]`` of one convolution equal to convolution + norm."""
    mean, variance = unit.bn.running_mean, unit.bn.running_var
    assert mean is not None
    assert variance is not None
    scale = unit.bn.weight.double() / torch.sqrt(variance.double() + unit.bn.eps)
    weight = unit.conv3d.weight.double() * scale.reshape(-1, 1, 1, 1, 1)
    bias = unit.bn.bias.double() - mean.double() * scale
    return weight.float().detach(), bias.float().detach()


def round_weight(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """Round the weight ``[out, in, T, H, W]`` of a convolution to ``dtype``, carrying each tap's error to the next.

    Neighbouring pixels and frames are similar, so errors that cancel within a kernel hardly affect its output.
    """
    if dtype == weight.dtype:
        return weight
    taps = weight.flatten(2)
    out = torch.empty_like(taps, dtype=dtype)
    carried = torch.zeros_like(taps[..., 0])
    for tap in range(taps.shape[2]):
        wanted = taps[..., tap] + carried
        out[..., tap] = wanted
        carried = wanted - out[..., tap]
    return out.reshape(weight.shape)


def channel_multiple(dtype: torch.dtype, device: torch.device) -> int:
    """Return the multiple to which the input channels of a first convolution (7 columns x colours) are padded.

    Tensor cores of a GPU need multiples of 8 (24 for RGB), bfloat16 dot products pairs (22), fp32 no padding.
    """
    if device.type == "cuda":
        return 8
    return 2 if dtype == torch.bfloat16 else 1


class FusedConv:
    """Convolution, bias and ReLU: one oneDNN call on prepacked weights if PyTorch supports it, else three calls.

    ``padding`` is symmetric, in (time, height, width). ``bias`` is fp32 for any weight type (rounded to that type
    if a shortcut is added). Without ``relu`` the sum is returned unchanged. A CPU without any bfloat16 arithmetic
    computes the same sums in fp32, with the same rounded weights.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, padding: Triple, stride: Triple = _ONE, *, relu: bool = True
    ) -> None:
        self.padding, self.stride, self._relu = list(padding), list(stride), relu
        self._emulated = weight.device.type == "cpu" and weight.dtype == torch.bfloat16 and not _cpu_takes_bf16()
        if self._emulated:
            weight = weight.float()
        self.weight = weight.contiguous(memory_format=_LAYOUT)
        self.bias = bias
        self._fused = weight.device.type == "cpu" and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        self._packed: Tensor | None = None

    def __call__(self, x_BCTHW: Tensor, residual: Tensor | None = None) -> Tensor:
        """Map ``[B, in, T, H, W]`` to ``[B, out, …]``, non-negative.

        ``residual``, of the output's shape, is added before the ReLU; it may be overwritten.
        """
        if self._emulated:
            return self._run(x_BCTHW.float(), None if residual is None else residual.float()).bfloat16()
        return self._run(x_BCTHW, residual)

    def _run(self, x_BCTHW: Tensor, residual: Tensor | None) -> Tensor:
        if not self._fused:
            out_BCTHW = functional.conv3d(x_BCTHW, self.weight, None, self.stride, self.padding)
            out_BCTHW = out_BCTHW.add_(self.bias.reshape(-1, 1, 1, 1))
            out_BCTHW = out_BCTHW if residual is None else out_BCTHW.add_(residual)
            return out_BCTHW.relu_() if self._relu else out_BCTHW
        dilation, groups = list(_ONE), 1
        if self._packed is None:
            self._packed = torch.ops.aten.mkldnn_reorder_conv3d_weight(
                self.weight.to_mkldnn(), self.padding, self.stride, dilation, groups, x_BCTHW.shape
            )
        where = (self.padding, self.stride, dilation, groups)
        fused: Tensor
        if residual is None:
            fused = torch.ops.mkldnn._convolution_pointwise(
                x_BCTHW, self._packed, self.bias, *where, "relu" if self._relu else "none", [], ""
            )
        else:
            # Unlike the call above, this one requires a bias of the input's type.
            bias = self.bias.to(x_BCTHW.dtype)
            fused = torch.ops.mkldnn._convolution_pointwise_.binary(
                residual, x_BCTHW, self._packed, bias, *where, "add", None, "relu" if self._relu else None, [], None
            )
        return fused


def _cpu_takes_bf16() -> bool:
    return bool(hasattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported") and torch.ops.mkldnn._is_mkldnn_bf16_supported())


class Stem:
    """The 7x7x7 convolution, with columns x colours padded to a ``multiple`` of channels."""

    def __init__(self, unit: ConvUnit, multiple: int, dtype: torch.dtype, device: torch.device) -> None:
        weight, bias = fold_batch_norm(unit)
        weight = round_weight(weight / 127.5, dtype)
        out_channels, self._colours = weight.shape[:2]
        columns_as_channels = weight.permute(0, 4, 1, 2, 3).reshape(out_channels, 7 * self._colours, 7, 7, 1)
        spare = -columns_as_channels.shape[1] % multiple
        self._weight = functional.pad(columns_as_channels, (0, 0, 0, 0, 0, 0, 0, spare)).to(device)
        self._bias = bias.to(device)
        self._stride = unit.stride
        self._shape: tuple[int, ...] | None = None

    def __call__(self, clips_BTHWC: Tensor) -> Tensor:
        """Map uint8 ``[B, T, H, W, C]`` (representing [-1, 1]) or fp32 in [-1, 1] to ``[B, out, T', H', W']``."""
        if self._shape != clips_BTHWC.shape[:4]:
            self._allocate(*clips_BTHWC.shape[:4])
        if clips_BTHWC.dtype == torch.uint8:
            self._pixels.copy_(clips_BTHWC.flatten(3))
            self._pixels.sub_(127.5)
        else:
            torch.mul(clips_BTHWC.flatten(3), 127.5, out=self._pixels)
        self._taps.copy_(self._windows)
        return self._conv(self._taps.permute(0, 4, 1, 2, 3))

    def _allocate(self, clips: int, frames: int, height: int, width: int) -> None:
        """Allocate the work space, with zero frames, rows and columns around the pixels as padding."""
        step = self._stride
        (front, back), (top, bottom), (left, right) = (
            same_padding(size, 7, stride) for size, stride in zip((frames, height, width), step, strict=True)
        )
        row = (left + width + right + 1) * self._colours
        frames_padded, rows_padded = frames + back - front, height + bottom - top
        padded = self._weight.new_zeros(clips, frames_padded, rows_padded, row)
        self._pixels = padded[:, :frames, :height, left * self._colours : (left + width) * self._colours]
        self._windows = padded.as_strided(
            (clips, frames_padded, rows_padded, -(-width // step[2]), self._weight.shape[1]),
            (frames_padded * rows_padded * row, rows_padded * row, row, step[2] * self._colours, 1),
        )
        self._taps = torch.empty_like(self._windows, memory_format=torch.contiguous_format)
        self._conv = FusedConv(self._weight, self._bias, (front, top, 0), (step[0], step[1], 1))
        self._shape = (clips, frames, height, width)


def strided_pool(pool: MaxPoolSame) -> Stage:
    """Return an equivalent pool without a padded copy: windows may extend beyond the end, and evenly the start."""

    def run(x_BCTHW: Tensor) -> Tensor:
        sizes = zip(x_BCTHW.shape[2:], pool.kernel, pool.stride, strict=True)
        front = [same_padding(*axis)[0] for axis in sizes]
        return functional.max_pool3d(x_BCTHW, pool.kernel, pool.stride, front, ceil_mode=True)

    return run


def neighbourhood_max(x_BCTHW: Tensor) -> Tensor:
    """Maximum over 3x3x3 with stride 1, one axis after another: three times as fast as PyTorch's own on CPUs."""
    for axis in (4, 3, 2):
        size = x_BCTHW.shape[axis]
        out_BCTHW = x_BCTHW.clone(memory_format=torch.preserve_format)
        if size > 1:
            head, tail = out_BCTHW.narrow(axis, 0, size - 1), out_BCTHW.narrow(axis, 1, size - 1)
            torch.maximum(head, x_BCTHW.narrow(axis, 1, size - 1), out=head)
            torch.maximum(tail, x_BCTHW.narrow(axis, 0, size - 1), out=tail)
        x_BCTHW = out_BCTHW
    return x_BCTHW


class FoldedI3d:
    """I3D from uint8 clips to maps, with the weights of ``model`` at the time of construction.

    One instance serves one thread: it keeps its work space between calls.

    Args:
        model: The plain model of any width and number of input channels, or consecutive stages of it, in evaluation
            mode.
        dtype: ``torch.float32`` or ``torch.bfloat16``; sums inside a convolution are fp32 in both.
        device: Device to run on.
    """

    def __init__(self, model: nn.Module, *, dtype: torch.dtype, device: torch.device) -> None:
        self._dtype, self._device = dtype, device
        self._stages: list[tuple[str, Stage]] = [
            (name, self._fold(name, stage)) for name, stage in model.named_children() if name != "logits"
        ]

    def maps(self, clips_BTHWC: Tensor) -> I3dMaps:
        """Run the network.

        Args:
            clips_BTHWC: ``[B, T, H, W, in_channels]`` on this instance's device: uint8, which represents
                ``x / 127.5 - 1``, or fp32 as for the plain model.

        Returns:
            ``Mixed_4e`` and ``Mixed_5c`` in this instance's dtype.
        """
        x = clips_BTHWC
        kept: dict[str, Tensor] = {}
        for name, stage in self._stages:
            x = stage(x)
            if name in ("Mixed_4e", "Mixed_5c"):
                kept[name] = x
        return I3dMaps(kept["Mixed_4e"], kept["Mixed_5c"])

    def last(self, clips_BTHWC: Tensor) -> Tensor:
        """Return the output of the last stage in this instance's dtype; arguments as for :meth:`maps`."""
        x = clips_BTHWC
        for _name, stage in self._stages:
            x = stage(x)
        return x

    def features(self, clips_BTHWC: Tensor) -> I3dFeatures:
        """Run the network and average its maps; arguments as for :meth:`maps`, errors as for ``pool_maps``."""
        return pool_maps(self.maps(clips_BTHWC))

    def _fold(self, name: str, stage: nn.Module) -> Stage:
        if name == "Conv3d_1a_7x7" and isinstance(stage, ConvUnit):
            return Stem(stage, channel_multiple(self._dtype, self._device), self._dtype, self._device)
        if isinstance(stage, ConvUnit):
            return self._conv(stage)
        if isinstance(stage, MaxPoolSame):
            return strided_pool(stage)
        assert isinstance(stage, MixedBlock)
        return self._mixed(stage)

    def _conv(self, unit: ConvUnit) -> FusedConv:
        assert unit.stride == _ONE, "only then is SAME padding the same on both sides"
        weight, bias = fold_batch_norm(unit)
        time, height, width = (k // 2 for k in unit.kernel)
        return FusedConv(
            round_weight(weight, self._dtype).to(self._device), bias.to(self._device), (time, height, width)
        )

    def _mixed(self, block: MixedBlock) -> Stage:
        b0, b1a, b1b, b2a, b2b, b3b = map(self._conv, (block.b0, block.b1a, block.b1b, block.b2a, block.b2b, block.b3b))

        def run(x: Tensor) -> Tensor:
            return torch.cat((b0(x), b1b(b1a(x)), b2b(b2a(x)), b3b(neighbourhood_max(x))), 1)

        return run
