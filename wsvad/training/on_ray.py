"""Train on Ray: determine the number of workers and their resources, and run the loop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from wsvad.errors import UsageError
from wsvad.loop.group import max_workers
from wsvad.loop.ray_train import run_group
from wsvad.models.registry import build_criterion
from wsvad.training.options import TrainOptions
from wsvad.training.trainer import refuse_distributed
from wsvad.training.worker import TrainPlan, run_worker
from wsvad.work.cluster import connected, nodes
from wsvad.work.pool import Pool, PoolOptions, fit_pool

log = logging.getLogger(__name__)


def train_on_ray(plan: TrainPlan, options: TrainOptions, on_row: Callable[[dict[str, float]], None]) -> tuple[int, str]:
    """Run the training loop on Ray Train. After the loss of a worker, a new group resumes from the newest state.

    Args:
        plan: what to train; device and threads are set here.
        options: number of workers and resources per worker.
        on_row: called with the newest row of the curve from time to time.

    Returns:
        Number of workers and kind of device.

    Raises:
        UsageError: the cluster cannot hold the workers, or the loss cannot be distributed over them.
        TrainingError, StorageError: as ``run_worker``.
        ClusterError: Ray failed, or lost workers more often than ``max_failures``.
    """
    with connected(options.address, verbose=options.verbose):
        criterion = build_criterion(plan.model)
        pool = _pool(options, plan, 1 if criterion.needs_whole_batch else None)
        if plan.config.pairs % pool.workers or len(plan.data.train_ids) < pool.workers:
            raise UsageError(
                f"expected a number of workers that divides the {plan.config.pairs} pairs of a batch and is at most "
                f"the number of training videos, {len(plan.data.train_ids)}; got {pool.workers}"
            )
        refuse_distributed(criterion, pool.workers)
        log.info("%d workers (each %g CPU, %g GPU)", pool.workers, pool.cpus_per_worker, pool.gpus_per_worker)
        placed = replace(plan, device=pool.device, threads=pool.threads)
        run_group(run_worker, placed, pool, on_row, max_failures=options.max_failures, verbose=options.verbose)
        return pool.workers, pool.device


def _pool(options: TrainOptions, plan: TrainPlan, at_most: int | None) -> Pool:
    """Return the requested workers, else one per GPU as far as they can divide a batch, else one."""
    found = nodes()
    gpus = sum(n.gpus for n in found)
    each = options.gpus_per_worker if options.gpus_per_worker is not None else float(gpus >= 1)
    places = int(gpus / each) if each else 1
    sharing = max_workers(at_most or places, pairs=plan.config.pairs, videos=len(plan.data.train_ids))
    workers = options.workers or sharing
    return fit_pool(PoolOptions(workers, options.cpus_per_worker or 1.0, each), found)
