"""Seeded untrained weights of the compact network: the trunk as in ``untrained.py``, heads with He initialization."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wsvad.backbones.compact import CONTRAST, Readout, Trunk
from wsvad.backbones.untrained import untrained_state

COMPACT_RECIPE = 3
"""Like ``untrained.RECIPE``; also incremented by changes of the backbone that change its features."""


def untrained_compact_state(seed: int) -> dict[str, Tensor]:
    """Return the state dict of an untrained network in fp32, with feature means of 0 and deviations of 1.

    Args:
        seed: At least 0; the same seed gives the same weights.
    """
    state = {f"trunk.{name}": tensor for name, tensor in untrained_state(seed, Trunk, _to_input).items()}
    with torch.device("meta"):  # only names and shapes are needed
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


def _to_input(video_THWC: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
    """Return ``difference_from_mean`` of one colour as integers, and the value of 1 at the network's input."""
    values = video_THWC[..., :1].astype(np.float32)
    return values - np.rint(values.mean(0)), 1 / (255 * CONTRAST)
