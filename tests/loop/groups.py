"""Groups of worker processes connected by gloo, and training runs in them."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed
from ray import cloudpickle
from torch import Tensor

from tests.training.factories import DIM
from wsvad.loop.group import Distributed, Group, SingleWorker
from wsvad.models.contract import MilModel
from wsvad.models.registry import build_criterion, build_dynamic_labels, build_model, default_config
from wsvad.training.batches import BalancedSampler, make_batch
from wsvad.training.config import TrainConfig
from wsvad.training.trainer import Bags, Trainer

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.loop.groups", "torch._dynamo"])  # imported once, not by every worker


def together(world_size: int, work: Callable[[Group], Any]) -> list[Any]:
    """Run ``work`` in every worker of a process group, as on Ray Train; return the results by rank."""
    told = cloudpickle.dumps(work)
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(world_size, _PROCESSES) as pool:
        futures = [pool.submit(_worker, told, rank, world_size, f"{folder}/store") for rank in range(world_size)]
        return [cloudpickle.loads(f.result()) for f in futures]


def _worker(told: bytes, rank: int, world_size: int, store: str) -> bytes:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=world_size, timeout=timedelta(seconds=120)
    )
    try:
        result: bytes = cloudpickle.dumps(cloudpickle.loads(told)(Distributed()))
    finally:
        torch.distributed.destroy_process_group()
    return result


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
    change: Callable[[MilModel], object] = lambda network: None,
    share: Callable[[np.ndarray], np.ndarray] | None = None,
    **config: Any,
) -> Trainer:
    """Return a trainer on ``Cache``.

    Args:
        model: name of the model.
        group: group of the worker; ``None``: a single worker.
        measures: as in ``Trainer``.
        spoil: optional function that modifies the batch of a step.
        settings: settings of the model.
        change: optional function that modifies the network.
        share: selects a worker's videos of the whole batch, instead of the sampler.
        config: options of ``TrainConfig``.
    """
    group = group or SingleWorker()
    options = TrainConfig(**{"steps": 10, "pairs": 4, "segments": 8, "eval_every": 3, **config})
    chosen = default_config(model, DIM, **(settings or {}))
    cache = Cache(cuboids=chosen.inputs == "cuboids")
    place = {} if share else {"rank": group.rank, "world_size": group.world_size}
    sampler = BalancedSampler(cache.labels, pairs=4, seed=options.seed, **place)

    def batch(step: int) -> Any:
        videos = sampler.batch(step)
        made = make_batch(cache, share(videos) if share else videos, cache.labels)
        return made._replace(features=spoil(step, made.features))

    network = build_model(chosen, seed=options.seed)
    change(network)
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
