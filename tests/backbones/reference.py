"""Weights made from a rule instead of training, and naive forms of what the network does, to compare with."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

DATA = Path(__file__).resolve().parents[1] / "data"


INCEPTION, RESNET = "i3d_inception_keys.txt", "i3d_r50_keys.txt"


def published_shapes(keys: str = INCEPTION) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the public weight files, as the public implementation lists them."""
    lines = (DATA / keys).read_text().splitlines()
    pairs = (line.split(" ", 1) for line in lines)
    return {name: tuple(int(n) for n in shape.strip("()").split(",") if n.strip()) for name, shape in pairs}


def rule_state(keys: str = INCEPTION) -> dict[str, Tensor]:
    """Return the weights that the reference numbers were computed with."""
    return {name: _rule(name, shape) for name, shape in published_shapes(keys).items()}


def _rule(name: str, shape: tuple[int, ...]) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.zeros((), dtype=torch.int64)
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    normal = rng.standard_normal(shape).astype(np.float32)
    if name.endswith("running_var"):
        values = np.exp(np.float32(0.2) * normal)
    elif name.endswith(".weight") and len(shape) == 1:
        values = 1 + np.float32(0.1) * normal
    elif name.endswith((".bias", ".running_mean")):
        values = np.float32(0.1) * normal
    else:
        values = normal * np.float32(np.sqrt(2 / np.prod(shape[1:])))
    return torch.from_numpy(values.astype(np.float32))


def cosine(left: Tensor, right: Tensor) -> float:
    """Return the cosine between two tensors as vectors, 1 where they point the same way."""
    a, b = left.double().flatten(), right.double().flatten()
    return float(a @ b / (a.norm() * b.norm()))


def as_video(clips_BTHWC: np.ndarray) -> Tensor:
    """Return clips of bytes as the plain model wants them: ``[B, 3, T, H, W]`` in [-1, 1]."""
    return torch.from_numpy(clips_BTHWC).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
