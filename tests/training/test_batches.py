"""Selection of the videos of a step, and their features as a batch."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsvad.errors import UsageError
from wsvad.training.batches import BalancedSampler, make_batch

WORLDS = st.sampled_from([1, 2, 3, 4])
COUNTS = st.integers(1, 25)


def labels_of(normal: int, anomalous: int, seed: int = 0) -> np.ndarray:
    """Labels in mixed order."""
    return np.random.default_rng(seed).permutation([0] * normal + [1] * anomalous)


@settings(deadline=None, max_examples=60)
@given(normal=COUNTS, anomalous=COUNTS, share=st.integers(1, 6), world=WORLDS, seed=st.integers(0, 9), step=COUNTS)
def test_workers_together_see_the_batch_of_one(
    normal: int, anomalous: int, share: int, world: int, seed: int, step: int
) -> None:
    """In its order, half by half, each half of its class."""
    labels, pairs = labels_of(normal, anomalous), share * world
    alone = BalancedSampler(labels, pairs=pairs, seed=seed).batch(step)
    parts = [
        BalancedSampler(labels, pairs=pairs, seed=seed, rank=rank, world_size=world).batch(step)
        for rank in range(world)
    ]
    together = np.concatenate([part[:share] for part in parts] + [part[share:] for part in parts])
    assert together.tolist() == alone.tolist()
    assert labels[alone].tolist() == [1] * pairs + [0] * pairs


@settings(deadline=None, max_examples=40)
@given(normal=COUNTS, anomalous=COUNTS, pairs=st.integers(1, 30), seed=st.integers(0, 9))
def test_every_epoch_of_a_class_holds_each_video_once(normal: int, anomalous: int, pairs: int, seed: int) -> None:
    """Also of the smaller class, which restarts, and if a batch is larger than a class."""
    labels = labels_of(normal, anomalous)
    sampler = BalancedSampler(labels, pairs=pairs, seed=seed)
    batches = np.array([sampler.batch(step) for step in range(2 * 25 // pairs + 2)])
    for half, label in ((batches[:, :pairs], 1), (batches[:, pairs:], 0)):
        members = np.flatnonzero(labels == label).tolist()
        stream = half.ravel()
        for epoch in range(len(stream) // len(members)):
            assert sorted(stream[epoch * len(members) :][: len(members)].tolist()) == members


def test_a_step_is_a_function_of_seed_and_step() -> None:
    """In any order and in any process; other seeds, epochs and classes give another order."""
    labels = [0] * 40 + [1] * 40
    sampler = BalancedSampler(labels, pairs=8, seed=3)
    forward = [sampler.batch(step).tolist() for step in range(40)]
    copy = pickle.loads(pickle.dumps(sampler))
    assert [copy.batch(step).tolist() for step in reversed(range(40))] == forward[::-1]
    epochs = np.array(forward)[:, :8].reshape(8, 40)
    assert len({tuple(epoch) for epoch in epochs.tolist()}) == 8
    assert [i - 40 for i in forward[0][:8]] != forward[0][8:]
    assert BalancedSampler(labels, pairs=8, seed=4).batch(0).tolist() != forward[0]


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([0, 0, 0], {}, "both classes, got 0 anomalous and 3 normal"),
        ([1], {}, "both classes, got 1 anomalous and 0 normal"),
        ([], {}, "both classes, got 0 anomalous and 0 normal"),
        ([0, 1, 2, -1], {}, "must be 0 .* or 1 .*, got -1, 2"),
        ([0, 1, None], {}, "got None"),
        ([0.0, 1.0, float("nan")], {}, "got nan"),
        ([0, 1], {"pairs": 0}, "got 0 pairs"),
        ([0, 1], {"pairs": 4, "world_size": 3}, "4 pairs for worker 0; use a multiple of 3"),
        ([0, 1], {"rank": 2, "world_size": 2}, "for worker 2"),
        ([0, 1], {"rank": -1}, "for worker -1"),
        ([0, 1], {"world_size": 0}, "0 workers"),
        ([0, 1], {"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_invalid_labels_and_pairs_are_refused(labels: list[int], options: dict[str, int], message: str) -> None:
    """Before the first step; the message has the values."""
    with pytest.raises(UsageError, match=message):
        BalancedSampler(labels, **{"pairs": 2, "seed": 0} | options)


@pytest.mark.parametrize("shape", [(4, 6), (4, 9, 5)])
def test_a_batch_holds_the_features_of_its_videos(shape: tuple[int, ...], tmp_path) -> None:
    """As float32 copies of a read-only memory map; compared with a loop."""
    stored = np.random.default_rng(0).standard_normal((10, *shape)).astype(np.float16)
    np.save(tmp_path / "a.npy", stored)
    cache = SimpleNamespace(features=np.load(tmp_path / "a.npy", mmap_mode="r"))
    labels = labels_of(5, 5)
    indices = BalancedSampler(labels, pairs=3, seed=0).batch(7)
    batch = make_batch(cache, indices, labels)
    assert [t.dtype for t in batch] == [torch.int64, torch.float32, torch.float32]
    assert batch.video_B.tolist() == indices.tolist()
    assert batch.labels_B.tolist() == [1, 1, 1, 0, 0, 0]
    assert batch.features.shape == (6, *shape)
    for row, index in zip(batch.features, indices, strict=True):
        np.testing.assert_array_equal(row.numpy(), stored[index].astype(np.float32))
    batch.features.zero_()
    assert (cache.features == stored).all()
