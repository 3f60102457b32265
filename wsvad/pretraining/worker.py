"""One worker of the training: renders its share of the clips, trains on them, keeps states and the curve."""

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
from wsvad.pretraining.config import VAL_SHARDS, PretrainConfig
from wsvad.pretraining.order import Clips, batches, joined, own_shards
from wsvad.pretraining.shards import read_shard, render_shard
from wsvad.pretraining.trainer import PretrainTrainer
from wsvad.storage import StoreOptions, open_store

log = logging.getLogger(__name__)

CURVE, CLIPS = "curve.csv", "clips"
_KEEP = 2
_ASK_EVERY = 10


@dataclass(frozen=True)
class PretrainPlan:
    """All that a worker has to know."""

    config: PretrainConfig
    out: str
    """URI of the run, which every worker reaches; states, curve and events go there."""
    clips: str
    """Folder of the rendered clips on each worker's own node; what is there is not rendered again."""
    renderers: int = 1
    """Processes of each worker that render, beside its training."""
    store: StoreOptions = field(default_factory=StoreOptions)
    device: str = "cpu"
    threads: int = 1


def run_pretraining(
    plan: PretrainPlan,
    group: Group,
    on_row: Callable[[dict[str, float]], None] = lambda row: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> str:
    """Train from the newest state to the end of the recipe.

    Args:
        plan: the same for every worker.
        group: this worker's group.
        on_row: called with every row of the curve that this call adds.
        should_stop: asked by all workers after the same steps, now and then, and answers all alike; they stop then,
            with a state saved.

    Returns:
        ``steps``, or ``""`` if it was asked to stop.

    Raises:
        TrainingError: a loss is not finite.
        UsageError: there are fewer shards than workers.
    """
    torch.set_num_threads(plan.threads)
    config, device, store = plan.config, torch.device(plan.device), open_store(plan.out, plan.store)
    own = own_shards(config.shards, group.rank, group.world_size)
    looked_at = range(VAL_SHARDS) if group.rank == 0 else ()  # the others write no curve
    with Renderer(Path(plan.clips), config, [*looked_at, *own], plan.renderers) as renderer:
        size = config.batch // group.world_size

        def source(step: int) -> Iterator[Clips]:
            return batches(
                own, renderer.read, size=size, seed=config.seed, rank=group.rank, shard_clips=config.shard_clips,
                first_step=step,
            )  # fmt: skip

        validation = joined([renderer.read(number) for number in looked_at]) if looked_at else None
        trainer = PretrainTrainer(config, group, device, source, validation)
        resume(trainer, store, group, device)
        saved = trainer.step
        for row in trainer.train():
            on_row(row)
            stop = trainer.step % _ASK_EVERY == 0 and should_stop()
            if group.rank == 0 and (trainer.finished or stop or trainer.step % config.eval_every == 0):
                save(trainer, store, saved, keep=_KEEP, curve=CURVE)
                saved = trainer.step
            if stop:
                break
    return "steps" if trainer.finished else ""


class Renderer:
    """Renders shards in processes of its own, in the order in which they are first wanted.

    Args:
        folder: of the shards; made where it is missing.
        config: which clips.
        numbers: of the shards.
        processes: at least 1.
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
        """Return a shard, waiting until it is there."""
        started = time.monotonic()
        path = self._shards[number].result()
        if (waited := time.monotonic() - started) > 1:
            log.info("waited %.0f s for shard %d; more renderers would help", waited, number)
        return read_shard(path)
