"""One worker of a training run, alone or in a group: load features, train, save states."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from wsvad.cores import limit_threads
from wsvad.devices import has_bf16
from wsvad.features.cache import SegmentCache
from wsvad.features.reading import FeatureSet
from wsvad.loop.curve import TEST_AUC, VAL_AUC
from wsvad.loop.group import Group
from wsvad.loop.saving import resume, save
from wsvad.models.contract import Inputs, MilModel, ModelConfig
from wsvad.models.registry import build_criterion, build_dynamic_labels, build_model
from wsvad.storage import StoreOptions, open_store
from wsvad.training.batches import BalancedSampler, make_batch
from wsvad.training.config import TrainConfig
from wsvad.training.data import TrainingData
from wsvad.training.held_out import HeldOut
from wsvad.training.selection import positive_frames, rank_auc
from wsvad.training.trainer import Bags, Trainer

log = logging.getLogger(__name__)

METRICS = "metrics.csv"
_CHECK_STOP_EVERY = 10  # steps between checks of the stop request, each of which is a collective call
_SAVE_AFTER_S = 120.0  # with slow steps, limits the work that is repeated after a kill


@dataclass(frozen=True)
class TrainPlan:
    """Everything that a worker needs to know; small, because every worker gets a copy."""

    features: FeatureSet = field(repr=False)
    out: str
    store: StoreOptions
    """How to reach ``out``."""
    model: ModelConfig
    config: TrainConfig
    data: TrainingData = field(repr=False)
    device: str = "cpu"
    threads: int = 1
    """CPU threads of the computation; another number can change the last bits of the curve."""
    cache_folder: str | None = None
    """Cache folder of the node; ``None`` uses a folder of the user below the temporary folder."""


def run_worker(
    plan: TrainPlan,
    group: Group,
    on_row: Callable[[dict[str, float]], None] = lambda row: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> str:
    """Train from the newest state at ``plan.out`` to the end. The first worker writes states, curve and events.

    Args:
        plan: the same for all workers.
        group: the group of this worker.
        on_row: called with every row that this call adds to the curve.
        should_stop: called by all workers after the same steps, with the same result on all. If true, they save a
            state and stop.

    Returns:
        Why training is finished (``steps``, ``patience``), or ``""`` if it was stopped.

    Raises:
        TrainingError: a loss is not finite.
        UsageError, StorageError: the features cannot be used or reached.
    """
    torch.set_num_threads(limit_threads(plan.threads))
    device = torch.device(plan.device)
    store = open_store(plan.out, plan.store)
    trainer = make_trainer(plan, group, device)
    resume(trainer, store, group, device, keep=plan.config.keep)
    log.info("worker %d of %d: training from step %d", group.rank + 1, group.world_size, trainer.step)
    saved, saved_at = trainer.step, time.monotonic()
    for row in trainer.train():
        on_row(row)
        step = trainer.step
        stop = step % _CHECK_STOP_EVERY == 0 and should_stop()
        late = time.monotonic() - saved_at > _SAVE_AFTER_S
        if group.rank == 0 and (trainer.finished or stop or late or step % plan.config.save_every == 0):
            save(trainer, store, saved, keep=plan.config.keep, curve=METRICS)
            saved, saved_at = step, time.monotonic()
        if stop:
            break
    return trainer.finished


def make_trainer(plan: TrainPlan, group: Group, device: torch.device) -> Trainer:
    """Return a trainer at step 0 with the model, criterion and batches of the plan.

    Raises:
        UsageError, StorageError: the features cannot be used or reached.
    """
    model_config, data, config = plan.model, plan.data, plan.config
    cache = SegmentCache.build(
        plan.features,
        data.train_ids,
        segments=config.segments,
        kind=model_config.inputs,
        folder=_folder(plan),
    )
    if config.precision == "bf16" and not has_bf16(device):
        log.warning("%s does not multiply bf16 in hardware: --precision fp32 is faster here", device.type)
    labels_N = np.asarray(data.train_labels)
    sampler = BalancedSampler(
        labels_N, pairs=config.pairs, seed=config.seed, rank=group.rank, world_size=group.world_size
    )
    bags = Bags(
        batch=lambda step: make_batch(cache, sampler.batch(step), labels_N),
        rows=lambda videos: make_batch(cache, videos, labels_N).features,
        num_videos=len(labels_N),
    )
    return Trainer(
        build_model(model_config, seed=config.seed).to(device),
        build_criterion(model_config),
        bags,
        config,
        group,
        device,
        labels=build_dynamic_labels(model_config, torch.from_numpy(labels_N), segments=config.segments),
        measures=_measures(plan, model_config.inputs, group, device),
    )


def _folder(plan: TrainPlan) -> Path | None:
    return Path(plan.cache_folder) if plan.cache_folder else None


def _measures(
    plan: TrainPlan, kind: Inputs, group: Group, device: torch.device
) -> dict[str, Callable[[MilModel], float]]:
    """Return the evaluation functions: on validation videos for selection, on test videos for reports only."""
    data = plan.data
    found: dict[str, Callable[[MilModel], float]] = {}
    if data.can_select:
        val = HeldOut(plan.features, data.val_ids, kind, group, device, _folder(plan))
        labels = np.asarray(data.val_labels)

        def val_auc(model: MilModel) -> float:
            highest = np.maximum.reduceat(val.scores(model), val.edges[:-1])
            return rank_auc(highest, labels == 1, labels == 0)

        found[VAL_AUC] = val_auc
    if data.test:
        test = HeldOut(plan.features, [r.video_id for r in data.test], kind, group, device, _folder(plan))
        positive = np.concatenate(
            [
                positive_frames(test.start_frame_N[a:b], test.end_frame_N[a:b], r.spans or ())
                for r, a, b in zip(data.test, test.edges[:-1], test.edges[1:], strict=True)
            ]
        )
        negative = test.end_frame_N - test.start_frame_N - positive
        found[TEST_AUC] = lambda model: rank_auc(test.scores(model), positive, negative)
    return found
