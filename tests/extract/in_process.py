"""Extraction without Ray and without a network: for what does not depend on either, which is nearly all of it.

Videos are listed, indexed, decoded in a child, cut into units, written, published: all of it is the real thing. Only
the cluster is this process, and the network's numbers are a plain function of the pixels.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from wsvad.backbones import extractor
from wsvad.backbones.extractor import Features
from wsvad.backbones.i3d import CUBOID_DIM, GRID, POOLED_DIM
from wsvad.backbones.weights import Weights, untrained_name
from wsvad.cluster import GIB, Node, Pool
from wsvad.extract import job, weights, worker
from wsvad.work import workplace
from wsvad.work.receipt import Receipt

NODES = [Node(2, 0, 16 * GIB)]
"""What the cluster is said to be."""


class PixelMeans:
    """Stands in for ``FeatureExtractor``: weighted means of the pixels, of each cell and of the whole clip."""

    def __init__(self, given: Weights, *, precision: str, device: str = "cpu", threads: int | None = None) -> None:
        self._cuboids = np.linspace(1, 2, CUBOID_DIM, dtype=np.float32)
        self._pooled = np.linspace(1, 2, POOLED_DIM, dtype=np.float32)

    @property
    def batch_size(self) -> int:
        return extractor.CPU_BATCH

    def __call__(self, clips_BTHWC: np.ndarray) -> Features:
        assert clips_BTHWC.dtype == np.uint8
        batch, frames = clips_BTHWC.shape[:2]
        assert clips_BTHWC.shape[2:] == (32 * GRID, 32 * GRID, 3)
        cells = clips_BTHWC[:, :, 16::32, 16::32].astype(np.float32)
        in_time = np.arange(1, frames + 1, dtype=np.float32)[:, None, None, None]
        means_BK = (cells * in_time).mean((1, 4)).reshape(batch, GRID * GRID) / 255
        cuboids = means_BK[..., None] * self._cuboids
        pooled = means_BK.mean(1)[:, None] * self._pooled
        return Features(pooled.astype(np.float16), cuboids.astype(np.float16))


class InProcess:
    """Stands in for ``UnitRunner``: one unit after the other, here."""

    def __init__(self, make_stage: Any, config: Any, payload: Any, pool: Pool, *, verbose: bool = False) -> None:
        self._make = lambda: make_stage(config, payload, lambda unit_id, clips: None)

    def in_progress(self) -> Mapping[str, int]:
        return {}

    def __call__(self, units: Sequence[Any], alone: bool) -> Iterator[Receipt]:
        with contextlib.closing(self._make()) as stage:
            for unit in units:
                yield Receipt(**stage(unit.to_row()))


def patch_all(patch: pytest.MonkeyPatch) -> None:
    """Put this process in the place of the cluster."""
    patch.setattr(job, "UnitRunner", InProcess)
    patch.setattr(worker, "FeatureExtractor", PixelMeans)
    patch.setattr(weights, "random_weights", lambda seed: Weights(untrained_name(seed), "", {}))
    patch.setattr(workplace, "connected", lambda address, verbose: contextlib.nullcontext())
    patch.setattr(workplace, "nodes", lambda: NODES)
    patch.setattr(job, "living_nodes", lambda: frozenset({"here"}))
