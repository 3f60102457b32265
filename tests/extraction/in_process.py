"""Extraction without Ray and without a network, for tests that depend on neither.

Videos are really listed, indexed, decoded in a child, cut into units, stored and published. Only the cluster is
replaced by this process, and the network by a simple function of the pixels.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from wsvad.backbones import extractor
from wsvad.backbones.extractor import Features
from wsvad.backbones.i3d import GRID
from wsvad.backbones.registry import BACKBONES
from wsvad.backbones.weights import Weights, untrained_name
from wsvad.extraction import worker
from wsvad.weights import resolve
from wsvad.work import backend, cluster, ray_map, ray_runner
from wsvad.work.pool import GIB, Node, Pool
from wsvad.work.receipt import Receipt

NODES = [Node(2, 0, 16 * GIB)]
"""Nodes of the simulated cluster."""


class PixelMeans:
    """Replaces ``FeatureExtractor``: weighted means of the pixels, of each cell and of the whole clip.

    Flow is processed like pictures; the features of two streams are concatenated.
    """

    def __init__(
        self,
        given: Weights,
        flow_given: Weights | None = None,
        *,
        precision: str,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        architectures = tuple(w.architecture for w in (given, flow_given) if w)
        (self._spec,) = (spec for spec in BACKBONES.values() if spec.architectures == architectures)

    @property
    def batch_size(self) -> int:
        return extractor.CPU_BATCH

    def __call__(self, clips_BTHWC: np.ndarray | None, flow_BTHWC: np.ndarray | None = None) -> Features:
        given = {"rgb": clips_BTHWC, "flow": flow_BTHWC}
        assert tuple(name for name, clips in given.items() if clips is not None) == self._spec.streams
        parts = [self._of_one(clips) for clips in given.values() if clips is not None]
        return Features(*(np.concatenate(values, -1) for values in zip(*parts, strict=True)))

    def _of_one(self, clips_BTHWC: np.ndarray) -> Features:
        assert clips_BTHWC.dtype == np.uint8
        batch, frames, height, width = clips_BTHWC.shape[:4]
        assert height == width == self._spec.size
        cell, streams = self._spec.size // GRID, len(self._spec.streams)
        cells = clips_BTHWC[:, :, cell // 2 :: cell, cell // 2 :: cell].astype(np.float32)
        in_time = np.arange(1, frames + 1, dtype=np.float32)[:, None, None, None]
        means_BK = (cells * in_time).mean((1, 4)).reshape(batch, GRID * GRID) / 255
        cuboids = means_BK[..., None] * np.linspace(1, 2, self._spec.cuboid_dim // streams, dtype=np.float32)
        pooled = means_BK.mean(1)[:, None] * np.linspace(1, 2, self._spec.pooled_dim // streams, dtype=np.float32)
        return Features(pooled.astype(np.float16), cuboids.astype(np.float16))


class InProcess:
    """Replaces ``RayRunner``: processes one unit after the other in this process."""

    def __init__(
        self, make_stage: Any, config: Any, payload: Any, pool: Pool, *, pack_clips: int = 0, verbose: bool = False
    ) -> None:
        self._make = lambda: make_stage(config, payload, lambda unit_id, clips: None)

    def in_progress(self) -> Mapping[str, int]:
        return {}

    def __call__(self, units: Sequence[Any], alone: bool) -> Iterator[Receipt]:
        with contextlib.closing(self._make()) as stage:
            for unit in units:
                yield Receipt(**stage(unit.to_row()))


def map_here(function: Any, items: Sequence[Any], *, cpus_per_task: float) -> Generator[list[Any]]:
    """Replaces ``map_on_cluster``: one batch after the other in this process."""
    for item in items:
        yield function([item])


def patch_all(patch: pytest.MonkeyPatch) -> None:
    """Replace the cluster by this process; commands without ``--no-ray`` run there."""
    patch.setattr(backend, "_is_connected", lambda: True)
    patch.setattr(ray_runner, "RayRunner", InProcess)
    patch.setattr(ray_map, "map_on_cluster", map_here)
    patch.setattr(worker, "FeatureExtractor", PixelMeans)
    patch.setattr(resolve, "random_weights", lambda seed, net: Weights(untrained_name(seed, net), "", {}, net))
    patch.setattr(cluster, "connected", lambda address, verbose: contextlib.nullcontext())
    patch.setattr(cluster, "nodes", lambda: NODES)
    patch.setattr(cluster, "living_nodes", lambda: frozenset({"here"}))
