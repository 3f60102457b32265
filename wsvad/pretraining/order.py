"""Which clips a worker sees at which step: a function of (seed, step, rank), so that resuming changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from wsvad.errors import UsageError
from wsvad.pretraining.config import VAL_SHARDS

Clips = Mapping[str, NDArray[np.generic]]
_MIXED = 3
"""Shards whose clips are shuffled together: 300 MB in memory."""


def own_shards(shards: int, rank: int, world_size: int) -> list[int]:
    """Return the numbers of the training shards of a worker; every worker has as many.

    Raises:
        UsageError: there is not one for each.
    """
    each = (shards - VAL_SHARDS) // world_size
    if not each:
        raise UsageError(f"{shards} shards, {VAL_SHARDS} of them for validation, do not give {world_size} workers one")
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
    """Yield batches without end: all shards in turn, a few at a time, their clips shuffled; every pass anew.

    Args:
        own: numbers of this worker's shards.
        read: returns a shard.
        size: clips in a batch; what does not fill one at the end of a group of shards is left for another pass.
        seed: of the order.
        rank: of the worker.
        shard_clips: clips in a shard.
        first_step: batches to pass over.
    """
    passed = 0
    for turn in _turns():
        # The first pass takes shards as they are numbered, which is how they are rendered: training need not wait.
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
    """Return the clips of some shards, one after another."""
    return {name: np.concatenate([shard[name] for shard in shards]) for name in shards[0]}


def _turns() -> Iterator[int]:
    turn = 0
    while True:
        yield turn
        turn += 1
