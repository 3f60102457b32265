"""The order of training clips."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from wsvad.errors import UsageError
from wsvad.pretraining.clip_order import Clips, batches, worker_shards

SHARD = 10


def _read(number: int) -> Clips:
    return {"id": np.arange(SHARD) + SHARD * number, "twice": 2 * (np.arange(SHARD) + SHARD * number)}


def _steps(count: int, *, first: int = 0, rank: int = 0, world: int = 1) -> list[np.ndarray]:
    own = worker_shards(8, rank, world)
    source = batches(own, _read, size=5, seed=0, rank=rank, shard_clips=SHARD, first_step=first)
    return [np.asarray(batch["id"]) for batch in islice(source, count)]


def test_a_pass_shows_every_training_clip_once() -> None:
    """Validation clips are not among them."""
    assert sorted(np.concatenate(_steps(14))) == list(range(10, 80))  # shard 0 is for validation
    assert sorted(np.concatenate(_steps(14, first=14))) == list(range(10, 80))


def test_passes_differ_and_resuming_does_not_change_them() -> None:
    """Batches after a given step are the same as without interruption."""
    whole = np.concatenate(_steps(40))
    for first in (1, 6, 13, 14, 29):
        np.testing.assert_array_equal(np.concatenate(_steps(40 - first, first=first)), whole[5 * first :])
    assert (whole[:70] != whole[70:140]).any()


def test_workers_train_on_different_clips() -> None:
    """Every clip belongs to at most one worker."""
    a, b = (set(np.concatenate(_steps(6, rank=rank, world=2)).tolist()) for rank in (0, 1))
    assert len(a) == len(b) == 30
    assert not a & b


def test_arrays_of_a_batch_are_aligned() -> None:
    """All arrays of a batch refer to the same clips."""
    (batch,) = islice(batches([1, 2], _read, size=4, seed=0, rank=0, shard_clips=SHARD), 1)
    np.testing.assert_array_equal(2 * np.asarray(batch["id"]), batch["twice"])


def test_more_workers_than_shards_are_refused() -> None:
    """The message states both numbers."""
    with pytest.raises(UsageError, match="each of 9 workers"):
        worker_shards(8, 0, 9)
