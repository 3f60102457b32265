"""A seeded compact network that nobody trained: the trunk as in ``untrained.py``, heads of the same kind of weights."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wsvad.backbones.compact import CONTRAST, Readout, Trunk
from wsvad.backbones.untrained import untrained_state

COMPACT_RECIPE = 3
"""As ``untrained.RECIPE``; a change of the backbone that changes its features raises it, too."""


def untrained_compact_state(seed: int) -> dict[str, Tensor]:
    """Return the state dict of an untrained network, in fp32; what is usual is 0 to it, with a deviation of 1.

    Args:
        seed: not negative; the same seed gives the same numbers.
    """
    state = {f"trunk.{name}": tensor for name, tensor in untrained_state(seed, Trunk, _seen).items()}
    with torch.device("meta"):  # names and shapes are all that is wanted
        readout = Readout()
    for name, module in readout.named_modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            rng = np.random.Generator(np.random.PCG64([seed, zlib.crc32(f"readout.{name}".encode())]))
            shape = tuple(module.weight.shape)
            weight = rng.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(2 / np.prod(shape[1:])))
            state[f"readout.{name}.weight"] = torch.from_numpy(weight)
            state[f"readout.{name}.bias"] = torch.zeros(len(weight))
    for name, buffer in readout.named_buffers():
        state[f"readout.{name}"] = torch.full(buffer.shape, 1.0 if name.endswith("deviation") else 0.0)
    return state


def _seen(video_THWC: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
    """What ``changes`` makes of one colour, as whole numbers, and what 1 of them is worth at the network's input."""
    values = video_THWC[..., :1].astype(np.float32)
    return values - np.rint(values.mean(0)), 1 / (255 * CONTRAST)
