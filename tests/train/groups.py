"""Workers as threads of this process, and training runs made of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.train.factories import DIM
from wsvad.bags.batches import BalancedSampler, make_batch
from wsvad.models.choose import build_criterion, build_dynamic_labels, build_model, default_config
from wsvad.train.config import TrainConfig
from wsvad.train.group import Alone, Group
from wsvad.train.trainer import Bags, Trainer

_BUILDING = threading.Lock()


class Threads:
    """A group whose workers are threads: the sum goes through shared memory, in the order of ranks."""

    def __init__(self, rank: int, world_size: int, barrier: threading.Barrier, slots: list[Tensor | None]) -> None:
        self.rank, self.world_size = rank, world_size
        self._barrier, self._slots = barrier, slots

    def sum(self, tensor: Tensor) -> None:
        """Replace by the sum over all threads."""
        self._slots[self.rank] = tensor.clone()
        self._barrier.wait(60)
        tensor.copy_(sum(slot for slot in self._slots if slot is not None))
        self._barrier.wait(60)


def together(world_size: int, work: Callable[[Group], Any]) -> list[Any]:
    """Run ``work`` as every worker of a group of threads; return their results by rank."""
    barrier, slots = threading.Barrier(world_size), [None] * world_size
    with ThreadPoolExecutor(world_size) as pool:
        futures = [pool.submit(work, Threads(rank, world_size, barrier, slots)) for rank in range(world_size)]
        return [f.result() for f in futures]


class Cache:
    """Segments of twelve videos; odd ones are anomalous."""

    def __init__(self, cuboids: bool = False) -> None:
        rng = np.random.default_rng(1)
        self.features = rng.standard_normal((12, 8, *((4, DIM) if cuboids else (DIM,)))).astype(np.float16)
        self.labels = np.arange(12) % 2
        self.features[self.labels == 1, 3] += 2


def make_trainer(
    model: str = "sultani",
    group: Group | None = None,
    *,
    measures: dict[str, Callable[[Any], float]] | None = None,
    spoil: Callable[[int, Tensor], Tensor] = lambda step, features: features,
    settings: dict[str, Any] | None = None,
    **config: Any,
) -> Trainer:
    """A trainer on ``Cache``; ``spoil`` may change what a step sees."""
    group = group or Alone()
    options = TrainConfig(**{"steps": 10, "pairs": 4, "segments": 8, "eval_every": 3, **config})
    chosen = default_config(model, DIM, **(settings or {}))
    cache = Cache(cuboids=chosen.inputs == "cuboids")
    sampler = BalancedSampler(cache.labels, pairs=4, seed=options.seed, rank=group.rank, world_size=group.world_size)

    def batch(step: int) -> Any:
        made = make_batch(cache, sampler.batch(step), cache.labels)
        return made._replace(features=spoil(step, made.features))

    group.sum(torch.zeros(1))  # threads share torch's random numbers: none trains while another builds
    with _BUILDING:
        network = build_model(chosen, seed=options.seed)
    group.sum(torch.zeros(1))
    return Trainer(
        network,
        build_criterion(chosen),
        Bags(batch, lambda videos: make_batch(cache, videos, cache.labels).features, 12),
        options,
        group,
        torch.device("cpu"),
        labels=build_dynamic_labels(chosen, torch.from_numpy(cache.labels), segments=8),
        measures=measures,
    )
