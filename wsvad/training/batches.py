"""Balanced batches of anomalous and normal videos: which videos a step sees, and their features as tensors.

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
    """What batches are taken from: ``SegmentCache``, or anything else with its array."""

    @property
    def features(self) -> np.ndarray:
        """float16 ``[videos, S, D]`` or ``[videos, S, K, C]``."""
        ...


class Batch(NamedTuple):
    """Videos with their labels. The first half is anomalous, the second normal; video i of each half is a pair."""

    video_B: torch.Tensor
    """int64 ``[B]``: index into the cache's videos."""
    labels_B: torch.Tensor
    """float32 ``[B]``: 1 anomalous, 0 normal."""
    features: torch.Tensor
    """float32 ``[B, S, D]`` or ``[B, S, K, C]``."""


class BalancedSampler:
    """The videos of every step: ``pairs`` anomalous and ``pairs`` normal ones, a pure function of (seed, step).

    Each class is an endless sequence of epochs. An epoch holds every video of the class once, in an order that follows
    from (seed, class, epoch), so the smaller class is shuffled anew each time it begins again; where a class has fewer
    videos than ``pairs``, or its epoch ends within a batch, a batch can hold a video twice. Worker ``rank`` of
    ``world_size`` takes its contiguous share of each half, so that together they see the batch that one alone would
    see.
    """

    def __init__(
        self, labels: Sequence[int] | np.ndarray, *, pairs: int, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        """Prepare the sequence; the position in it is the argument of :meth:`batch`.

        Args:
            labels: 0 or 1 of each video, in the order of the cache.
            pairs: anomalous videos of a global batch, and normal ones.
            seed: of the order, at least 0.
            rank: of this worker, from 0.
            world_size: workers; ``pairs`` must be a multiple.

        Raises:
            UsageError: a class without a video, another label, or ``pairs`` that cannot be shared out.
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
                f"expected pairs of videos that {world_size} workers share out evenly, got {pairs} pairs for worker "
                f"{rank}; use a multiple of {max(world_size, 1)}"
            )
        if seed < 0:
            raise UsageError(f"the seed must be at least 0, got {seed}")
        self.pairs, self.seed, self.rank, self.world_size = pairs, seed, rank, world_size

    def batch(self, step: int) -> np.ndarray:
        """Return this worker's videos of a step, int64 ``[2 * pairs / world_size]``: anomalous, then normal ones.

        Args:
            step: from 0; any order, any step again.
        """
        share = self.pairs // self.world_size
        begin = step * self.pairs + self.rank * share
        positions = np.arange(begin, begin + share)
        return np.concatenate([self._members(1, positions), self._members(0, positions)])

    def _members(self, label: int, positions: np.ndarray) -> np.ndarray:
        """The videos at some consecutive positions of a class's endless sequence."""
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
    """The order of a class in an epoch; kept, because many steps ask for the same one."""
    return np.random.Generator(np.random.PCG64([seed, label, epoch])).permutation(size)


def make_batch(cache: SegmentFeatures, indices: np.ndarray, labels: Sequence[int] | np.ndarray) -> Batch:
    """Gather a batch.

    Args:
        cache: features of all videos.
        indices: int ``[B]``, videos of the batch, see :meth:`BalancedSampler.batch`.
        labels: 0 or 1 of *all* videos of the cache.

    Returns:
        Tensors on the CPU that share no memory with the cache.
    """
    rows = torch.from_numpy(np.take(cache.features, indices, axis=0))
    return Batch(
        torch.from_numpy(np.asarray(indices, dtype=np.int64)),
        torch.from_numpy(np.asarray(labels)[indices].astype(np.float32)),
        rows.to(torch.float32),
    )
