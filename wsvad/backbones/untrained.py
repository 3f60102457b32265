"""Seeded untrained weights with batch norm calibrated so that activations have unit scale at every layer.

He initialization (He et al. 2015) preserves the scale of activations in theory; in a network this deep, on natural
images, it drifts. Each batch norm therefore gets the mean and variance of its convolution on a synthetic video,
layer by layer, as if learned from data.

The weights are the same on every machine and for any number of threads, which their digest relies on: during
calibration weights and activations are small integers, so that fp32 sums are exact in any order.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wsvad.backbones.i3d import ConvUnit, InceptionI3d

RECIPE = 1
"""Version of the recipe; incremented by any change here that changes a weight."""

FRAMES = 16
SIDE = 224
"""Size of the calibration clip: that of real clips, because padding has more influence in smaller maps."""
STEM = "Conv3d_1a_7x7"
"""The convolution over pixels."""
PATCHES = 4
"""Patches along each side of the clip, each with its own waves, brightness and motion."""
WAVES = 6
"""Waves per patch."""
WEIGHT_STEPS = 16
"""Steps per standard deviation of a weight: 99.99 % are within +-62 steps."""
ACTIVATION_STEPS = 32
"""Steps per standard deviation of an activation: sums of 5,184 products stay far below 2**24."""


Video = NDArray[np.uint8]
NetworkInput = tuple[NDArray[np.float32], float]


def moving_textures(seed: int) -> NDArray[np.uint8]:
    """Return a clip of patches with coarse and fine coloured waves; half of the patches are static, half drift.

    Args:
        seed: The same seed gives the same pixels.

    Returns:
        RGB ``[16, 224, 224, 3]``, uint8.
    """
    rng = np.random.Generator(np.random.PCG64([seed, 0]))
    size = SIDE // PATCHES
    time, row, column = np.meshgrid(np.arange(FRAMES), np.arange(size), np.arange(size), indexing="ij")
    video = np.empty((FRAMES, SIDE, SIDE, 3), np.uint8)
    for index in range(PATCHES * PATCHES):
        top, left = (size * position for position in divmod(index, PATCHES))
        speed = rng.uniform(0.5, 4.0) * (index % 2)
        patch = np.zeros((FRAMES, size, size, 3))
        for period in rng.uniform(1.0, 4.5, WAVES):
            angle, phase = rng.uniform(0, 2 * np.pi, 2)
            along = column * np.cos(angle) + row * np.sin(angle) - speed * time
            wave = np.cos(along * (2 * np.pi / 2**period) + phase)
            patch += wave[..., None] * rng.normal(1.0, 0.3, 3) * 2 ** (period / 2)
        pixels = patch * (rng.uniform(10, 50) / patch.std()) + rng.uniform(50, 200)
        video[:, top : top + size, left : left + size] = np.clip(np.rint(pixels), 0, 255)
    return video


def untrained_state(
    seed: int, make: Callable[[], nn.Module] | None = None, to_input: Callable[[Video], NetworkInput] | None = None
) -> dict[str, Tensor]:
    """Return the state dict of an untrained, calibrated network, in fp32.

    Args:
        seed: At least 0; the same seed gives the same weights.
        make: Creates the network, of any width and number of input channels: consecutive stages without a classifier;
            ``None``: the full RGB network.
        to_input: Converts a clip ``[T, H, W, 3]``, uint8, to the network's input as small integers
            ``[T, H, W, channels]``, and returns the value that 1 represents. ``None``: colours in [-1, 1].
    """
    with torch.device("meta"):
        model = InceptionI3d(num_classes=None) if make is None else make()
        state = model.state_dict()
    input_THWC, step = (to_input or _colours)(moving_textures(seed))
    model = model.to_empty(device="cpu")
    for name, unit in model.named_modules():
        if isinstance(unit, ConvUnit):
            _prepare(name, unit, seed, step if name == STEM else 1 / ACTIVATION_STEPS, state)
    stem = model.get_submodule(STEM)
    assert isinstance(stem, ConvUnit)
    integers = torch.from_numpy(input_THWC)[..., : stem.conv3d.in_channels].permute(3, 0, 1, 2).unsqueeze(0)
    with torch.no_grad(), one_thread():
        for stage in model.children():
            integers = stage(integers)
    return state


def _colours(video_THWC: Video) -> NetworkInput:
    return 2 * video_THWC.astype(np.float32) - 255, 1 / 255


@contextmanager
def one_thread() -> Iterator[None]:
    """Run PyTorch on one thread: several workers that start at the same time on one machine slow each other down."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _prepare(name: str, unit: ConvUnit, seed: int, input_step: float, state: dict[str, Tensor]) -> None:
    """Give a unit integer weights, and replace its batch norm by a hook that calibrates and writes ``state``."""
    weight, norm = f"{name}.conv3d.weight", f"{name}.bn"
    set_integer_weights(name, unit.conv3d, seed, input_step, unit.bn.eps, weight, norm, state)
    unit.register_module("bn", nn.Identity())


def set_integer_weights(
    name: str,
    conv: nn.Conv3d,
    seed: int,
    input_step: float,
    eps: float,
    weight: str,
    norm: str,
    state: dict[str, Tensor],
) -> None:
    """Give a convolution integer weights, and a hook that replaces its batch norm, calibrates and writes ``state``.

    Args:
        name: Name of the convolution; with ``seed`` it determines the weights.
        conv: Convolution without a bias.
        seed: As for ``untrained_state``.
        input_step: Value that 1 in the convolution's input represents.
        eps: Epsilon of the batch norm.
        weight: Name of the convolution's weight in ``state``.
        norm: Name of the batch norm in ``state``.
        state: Receives the weight at once, and the batch norm's statistics when the convolution runs.
    """
    rng = np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))
    shape = conv.weight.shape
    steps = torch.from_numpy(np.rint(rng.standard_normal(shape, dtype=np.float32) * WEIGHT_STEPS))
    weight_step = float(np.sqrt(2 / shape[1:].numel())) / WEIGHT_STEPS
    state[weight] = steps * weight_step
    conv.weight = nn.Parameter(steps.contiguous(memory_format=torch.channels_last_3d), requires_grad=False)
    conv.register_forward_hook(_normalise(norm, eps, weight_step * input_step, state))


def _normalise(
    name: str, eps: float, step: float, state: dict[str, Tensor]
) -> Callable[[nn.Module, object, Tensor], Tensor]:
    """Return a hook that normalizes the output of a convolution, rounds it to steps and records the statistics.

    ``step`` is the value that 1 in the convolution's output represents. Every operation is exact or rounds single
    numbers, so that the result does not depend on the order of summation.
    """

    def hook(_module: nn.Module, _inputs: object, out_BCTHW: Tensor) -> Tensor:
        channels = out_BCTHW.shape[1]
        values = out_BCTHW.transpose(0, 1).reshape(channels, -1)
        count = values.shape[1]
        mean = values.sum(1, dtype=torch.float64) / count
        variance = values.double().square().sum(1) / count - mean.square()
        state[f"{name}.weight"] = torch.ones(channels)
        state[f"{name}.bias"] = torch.zeros(channels)
        state[f"{name}.running_mean"] = (mean * step).float()
        state[f"{name}.running_var"] = (variance * step**2).float()
        state[f"{name}.num_batches_tracked"] = torch.zeros((), dtype=torch.int64)
        scale = ACTIVATION_STEPS / torch.sqrt(variance + eps / step**2)
        shape = (1, channels, 1, 1, 1)
        return out_BCTHW.sub_(mean.float().reshape(shape)).mul_(scale.float().reshape(shape)).round_()

    return hook
