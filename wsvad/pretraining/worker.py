"""One worker of the training: renders its part of the clips, trains on them, saves checkpoints and the curve."""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import torch

from wsvad.loop.group import Group
from wsvad.loop.saving import resume, save
from wsvad.pretraining.clip_order import Clips, batches, joined, worker_shards
from wsvad.pretraining.config import VAL_SHARDS, PretrainConfig
from wsvad.pretraining.shards import read_shard, render_shard
from wsvad.pretraining.trainer import PretrainTrainer
from wsvad.storage import StoreOptions, open_store

log = logging.getLogger(__name__)

CURVE, CLIPS = "curve.csv", "clips"
_KEEP = 2
_STOP_CHECK_STEPS = 10


@dataclass(frozen=True)
class PretrainPlan:
    """Parameters of a worker."""

    config: PretrainConfig
    out: str
    """URI of the run, accessible to every worker; checkpoints, curve and events are stored there."""
    clips: str
    """Folder of the rendered clips on each worker's own node; existing shards are not rendered again."""
    renderers: int = 1
    """Number of processes per worker that render in parallel with training."""
    store: StoreOptions = field(default_factory=StoreOptions)
    device: str = "cpu"
    threads: int = 1


def run_pretraining(
    plan: PretrainPlan,
    group: Group,
    on_row: Callable[[dict[str, float]], None] = lambda row: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> str:
    """Train from the newest checkpoint to the end of the recipe.

    Args:
        plan: Parameters, the same for every worker.
        group: This worker's group.
        on_row: Called with every row of the curve that this call adds.
        should_stop: Called by all workers every 10 steps, after the same steps, with the same result for all; if it
            returns True, they save a checkpoint and stop.

    Returns:
        ``steps``, or ``""`` if it was stopped.

    Raises:
        TrainingError: A loss is not finite.
        UsageError: There are fewer shards than workers.
    """
    torch.set_num_threads(plan.threads)
    config, device, store = plan.config, torch.device(plan.device), open_store(plan.out, plan.store)
    own = worker_shards(config.shards, group.rank, group.world_size)
    val_shards = range(VAL_SHARDS) if group.rank == 0 else ()  # the others write no curve
    with Renderer(Path(plan.clips), config, [*val_shards, *own], plan.renderers) as renderer:
        size = config.batch // group.world_size

        def source(step: int) -> Iterator[Clips]:
            return batches(
                own, renderer.read, size=size, seed=config.seed, rank=group.rank, shard_clips=config.shard_clips,
                first_step=step,
            )  # fmt: skip

        validation = joined([renderer.read(number) for number in val_shards]) if val_shards else None
        trainer = PretrainTrainer(config, group, device, source, validation)
        resume(trainer, store, group, device, keep=_KEEP)
        saved = trainer.step
        for row in trainer.train():
            on_row(row)
            stop = trainer.step % _STOP_CHECK_STEPS == 0 and should_stop()
            if group.rank == 0 and (trainer.finished or stop or trainer.step % config.eval_every == 0):
                save(trainer, store, saved, keep=_KEEP, curve=CURVE)
                saved = trainer.step
            if stop:
                break
    return "steps" if trainer.finished else ""


class Renderer:
    """Renders shards in separate processes, in the order of their first use.

    Args:
        folder: Folder of the shards; created if it is missing.
        config: Recipe of the clips.
        numbers: Indexes of the shards.
        processes: Number of processes, at least 1.
    """

    def __init__(self, folder: Path, config: PretrainConfig, numbers: list[int], processes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._pool = ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))
        self._shards: dict[int, Future[Path]] = {
            number: self._pool.submit(render_shard, folder, config.seed, number, config.shard_clips)
            for number in numbers
        }

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def read(self, number: int) -> Clips:
        """Return a shard, waiting until it is rendered."""
        started = time.monotonic()
        path = self._shards[number].result()
        if (waited := time.monotonic() - started) > 1:
            log.info("waited %.0f s for shard %d; increase --renderers to avoid this", waited, number)
        return read_shard(path)
