"""Convolution along time, computed as one matrix product."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class TemporalConv(nn.Conv1d):
    """``nn.Conv1d`` over the clips of ``[B, T, D]``, with zero padding that keeps T.

    Equal to ``nn.Conv1d`` except for rounding, with the same names of weights. With a few dozen clips and thousands of
    features the weights are larger than the features, for which the convolutions of PyTorch are slow on CPUs: a step
    takes two thirds of the time with a matrix product.

    Args:
        dim: D.
        outputs: number of output features.
        kernel_size: number of clips in the kernel, odd.
        dilation: distance of neighbouring clips of the kernel.
        bias: add a bias.
    """

    def __init__(self, dim: int, outputs: int, *, kernel_size: int, dilation: int = 1, bias: bool = True) -> None:
        super().__init__(dim, outputs, kernel_size, dilation=dilation, bias=bias)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map ``[B, T, D]`` to ``[B, T, outputs]``."""
        (kernel,), (dilation,) = self.kernel_size, self.dilation
        reach = dilation * (kernel - 1)
        padded = functional.pad(x_BTD, (0, 0, reach // 2, reach // 2))
        around_BTDk = padded.unfold(1, reach + 1, 1)[..., ::dilation]
        return functional.linear(around_BTDk.flatten(2), self.weight.flatten(1), self.bias)
