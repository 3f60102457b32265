"""Order of training clips, a function of (seed, step, rank), so that resuming does not change it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from wsvad.errors import UsageError
from wsvad.pretraining.config import VAL_SHARDS

Clips = Mapping[str, NDArray[np.generic]]
_MIXED = 3
"""Number of shards whose clips are shuffled together: 300 MB in memory."""


def worker_shards(shards: int, rank: int, world_size: int) -> list[int]:
    """Return the training shards of a worker; every worker has the same number.

    Raises:
        UsageError: Fewer shards than workers.
    """
    each = (shards - VAL_SHARDS) // world_size
    if not each:
        raise UsageError(f"expected a training shard for each of {world_size} workers, got {shards - VAL_SHARDS}")
    return [VAL_SHARDS + rank + world_size * number for number in range(each)]


def batches(
    own: list[int],
    read: Callable[[int], Clips],
    *,
    size: int,
    seed: int,
    rank: int,
    shard_clips: int,
    first_step: int = 0,
) -> Iterator[Clips]:
    """Yield batches without end: all shards in turn, a few at a time, with their clips shuffled anew in every pass.

    Args:
        own: Shards of this worker.
        read: Returns a shard.
        size: Clips per batch; an incomplete batch at the end of a group of shards is dropped.
        seed: Seed of the order.
        rank: Rank of the worker.
        shard_clips: Clips per shard.
        first_step: Number of batches to skip.
    """
    passed = 0
    for turn in _passes():
        # The first pass uses shards in ascending order, in which they are rendered, so that training need not wait.
        order = np.random.default_rng([seed, rank, turn]).permutation(own) if turn else np.array(own)
        for start in range(0, len(order), _MIXED):
            group = order[start : start + _MIXED]
            count = len(group) * shard_clips // size
            if passed + count <= first_step:
                passed += count
                continue
            shards = [read(int(number)) for number in group]
            clips = joined(shards)
            shuffled = np.random.default_rng([seed, rank, turn, start]).permutation(len(group) * shard_clips)
            for number in range(count):
                if passed >= first_step:
                    chosen = shuffled[number * size : (number + 1) * size]
                    yield {name: values[chosen] for name, values in clips.items()}
                passed += 1


def joined(shards: Sequence[Clips]) -> Clips:
    """Return the concatenated clips of shards."""
    return {name: np.concatenate([shard[name] for shard in shards]) for name in shards[0]}


def _passes() -> Iterator[int]:
    turn = 0
    while True:
        yield turn
        turn += 1
