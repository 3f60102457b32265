"""Balanced batches of anomalous and normal videos.

Axes: B videos of a batch, S segments (a model's T), D features; K cuboids of C features.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import torch

from wsvad.errors import UsageError


class SegmentFeatures(Protocol):
    """Source of batches: ``SegmentCache``, or any object with the same array."""

    @property
    def features(self) -> np.ndarray:
        """float16 ``[videos, S, D]`` or ``[videos, S, K, C]``."""
        ...


class Batch(NamedTuple):
    """Videos with their labels. The first half is anomalous, the second normal; video i of both halves form a pair."""

    video_B: torch.Tensor
    """int64 ``[B]``: indices of videos in the cache."""
    labels_B: torch.Tensor
    """float32 ``[B]``: 1 anomalous, 0 normal."""
    features: torch.Tensor
    """float32 ``[B, S, D]`` or ``[B, S, K, C]``."""


class BalancedSampler:
    """Selects the videos of every step, ``pairs`` anomalous and ``pairs`` normal ones, from (seed, step) alone.

    Each class is an endless sequence of epochs. An epoch contains every video of the class once, in an order that
    depends on (seed, class, epoch), so that the smaller class is reshuffled each time it restarts. A batch can contain
    a video twice if the class has fewer than ``pairs`` videos or an epoch ends within the batch. Worker ``rank`` of
    ``world_size`` takes a contiguous part of each half, so that all workers together see the batch of a single worker.
    """

    def __init__(
        self, labels: Sequence[int] | np.ndarray, *, pairs: int, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        """Prepare the sequences. The sampler has no position; :meth:`batch` takes the step as its argument.

        Args:
            labels: 0 or 1 for each video, in the order of the cache.
            pairs: number of anomalous videos, and of normal videos, in a global batch.
            seed: seed of the order, at least 0.
            rank: index of this worker, from 0.
            world_size: number of workers; must divide ``pairs``.

        Raises:
            UsageError: a class has no video, a label is invalid, or ``pairs`` is not divisible by ``world_size``.
        """
        values = np.asarray(labels)
        odd = sorted({str(value) for value in values[~np.isin(values, (0, 1))].tolist()})
        if odd:
            raise UsageError(f"labels must be 0 (normal) or 1 (anomalous), got {', '.join(odd[:3])}")
        self._normal = np.flatnonzero(values == 0)
        self._anomalous = np.flatnonzero(values == 1)
        if not len(self._normal) or not len(self._anomalous):
            raise UsageError(
                "training needs videos of both classes, got "
                f"{len(self._anomalous)} anomalous and {len(self._normal)} normal"
            )
        if pairs < 1 or world_size < 1 or pairs % world_size or not 0 <= rank < world_size:
            raise UsageError(
                f"expected a number of pairs that {world_size} workers can divide evenly, got {pairs} pairs for worker "
                f"{rank}; use a multiple of {max(world_size, 1)}"
            )
        if seed < 0:
            raise UsageError(f"the seed must be at least 0, got {seed}")
        self.pairs, self.seed, self.rank, self.world_size = pairs, seed, rank, world_size

    def batch(self, step: int) -> np.ndarray:
        """Return this worker's videos of a step, int64 ``[2 * pairs / world_size]``, anomalous videos first.

        Args:
            step: from 0; steps may be requested in any order and repeatedly.
        """
        share = self.pairs // self.world_size
        begin = step * self.pairs + self.rank * share
        positions = np.arange(begin, begin + share)
        return np.concatenate([self._members(1, positions), self._members(0, positions)])

    def _members(self, label: int, positions: np.ndarray) -> np.ndarray:
        """Return the videos at consecutive positions of a class's endless sequence."""
        members = self._anomalous if label else self._normal
        epochs, places = np.divmod(positions, len(members))
        orders = [
            _order(self.seed, label, epoch, len(members))[places[epochs == epoch]]
            for epoch in range(int(epochs[0]), int(epochs[-1]) + 1)
        ]
        chosen: np.ndarray = members[np.concatenate(orders)]
        return chosen


@lru_cache(maxsize=8)
def _order(seed: int, label: int, epoch: int, size: int) -> np.ndarray:
    """Return the order of a class in an epoch; cached, because many steps need the same one."""
    return np.random.Generator(np.random.PCG64([seed, label, epoch])).permutation(size)


def make_batch(cache: SegmentFeatures, indices: np.ndarray, labels: Sequence[int] | np.ndarray) -> Batch:
    """Gather the features and labels of a batch.

    Args:
        cache: features of all videos.
        indices: int ``[B]``, indices of the videos, see :meth:`BalancedSampler.batch`.
        labels: 0 or 1 for *all* videos of the cache.

    Returns:
        Tensors on the CPU that share no memory with the cache.
    """
    rows = torch.from_numpy(np.take(cache.features, indices, axis=0))
    return Batch(
        torch.from_numpy(np.asarray(indices, dtype=np.int64)),
        torch.from_numpy(np.asarray(labels)[indices].astype(np.float32)),
        rows.to(torch.float32),
    )
