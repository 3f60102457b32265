"""Wiring of extraction to Ray Data: units in, one actor a worker, receipts out."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from wsvad.backbones.weights import Weights
from wsvad.cluster import Pool
from wsvad.errors import ClusterError
from wsvad.extract.units import Receipt, Unit
from wsvad.extract.worker import UnitExtractor, WorkerConfig

log = logging.getLogger(__name__)

_REPORT_EVERY_S = 1.0


class _Board:
    """Actor beside the driver: how far each running unit is. Lost reports cost nothing but a smoother bar."""

    def __init__(self) -> None:
        self._clips: dict[str, int] = {}

    def report(self, unit_id: str, clips: int) -> None:
        self._clips[unit_id] = clips

    def read(self) -> dict[str, int]:
        return dict(self._clips)


class _Worker:
    """The Ray Data actor around :class:`UnitExtractor`: takes the weights from the object store, reports progress."""

    def __init__(self, config: WorkerConfig, weights: ray.ObjectRef, board: Any) -> None:
        self._board = board
        self._reported = 0.0
        self._stage = UnitExtractor(config, ray.get(weights), self._report)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return self._stage(row)

    def _report(self, unit_id: str, clips: int) -> None:
        now = time.monotonic()
        if now - self._reported >= _REPORT_EVERY_S:
            self._reported = now
            self._board.report.remote(unit_id, clips)


class UnitRunner:
    """Runs units on a pool of actors. A worker holds its network from unit to unit.

    Ray's own retries are kept from deciding anything: actors restart for ever (nodes come and go), a unit is tried
    at most three times, and one that is then given up simply has no receipt. (Ray Data's defaults retry a crashing
    row for ever; finite restarts end in a pool without actors.)
    """

    def __init__(self, config: WorkerConfig, weights: Weights, pool: Pool, *, verbose: bool = False) -> None:
        self._config = config
        self._pool = pool
        self._weights = ray.put(weights)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._board = ray.remote(_Board).options(num_cpus=0, scheduling_strategy=here).remote()
        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1
        if not verbose:
            for name in ("ray.data", "ray.data.dataset"):
                logging.getLogger(name).setLevel(logging.CRITICAL)

    def in_progress(self) -> Mapping[str, int]:
        """Return the clips finished so far of every unit that was ever begun, by unit id; raises ``RayError``."""
        done: dict[str, int] = ray.get(self._board.read.remote(), timeout=5)
        return done

    def __call__(self, units: Sequence[Unit], alone: bool) -> Iterator[Receipt]:
        """Run units and yield receipts as they come.

        Raises:
            ClusterError: Ray itself failed, or no worker can start.
        """
        pool = self._pool
        workers = 1 if alone else min(pool.workers, len(units))
        dataset = ray.data.from_items([u.to_row() for u in units], override_num_blocks=len(units)).map(
            _Worker,
            fn_constructor_kwargs={"config": self._config, "weights": self._weights, "board": self._board},
            compute=ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1 if alone else pool.in_flight),
            num_cpus=pool.cpus_per_worker,
            num_gpus=pool.gpus_per_worker or None,
            memory=pool.memory_per_worker or None,
            max_restarts=-1,
            max_task_retries=0 if alone else 2,
        )
        try:
            for row in dataset.iter_rows():
                yield Receipt(**row)
        except RayError as error:
            raise ClusterError(f"Ray failed: {str(error).strip().splitlines()[-1]}") from error
