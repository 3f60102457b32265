"""Wiring of a stage to Ray Data: units in, one actor a worker, receipts out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from wsvad.errors import ClusterError
from wsvad.work.board import Board
from wsvad.work.pool import Pool
from wsvad.work.receipt import Receipt, WorkUnit

log = logging.getLogger(__name__)

Report = Callable[[str, int], None]
"""``report(unit_id, clips so far)``: progress of a unit that is running."""
Stage = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Takes a unit's row, returns its receipt's row; whatever happens to a unit becomes its receipt, no exception."""
MakeStage = Callable[[Any, Any, Report], Stage]
"""``make_stage(config, payload, report)``, called once in each worker; at module level, so that it can travel."""

TRIES_PER_ROUND = 2
_REPORT_EVERY_S = 1.0
_UNITS_PER_DATASET = 4096  # Ray Data takes 1 ms a row before the first is begun, and 8 ms to run an empty one


class _Worker:
    """The Ray Data actor around a stage.

    Columns read: of the unit's ``to_row``, ``round`` and ``limit``; columns returned: those of ``Receipt``. A unit
    that took its worker down too often is not begun again; its receipt has the status ``lost``.
    """

    def __init__(self, make_stage: MakeStage, config: Any, payload: Any, board: Any) -> None:
        self._board = board
        self._reported = 0.0
        self._stage = make_stage(config, ray.get(payload), self._report)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            may_begin = ray.get(self._board.begin.remote(row["round"], row["unit_id"], row["limit"]))
        except RayError as error:  # the books are gone: says nothing of the video
            return Receipt(row["unit_id"], "failed", kind=type(error).__name__, message=str(error)).to_row()
        if not may_begin:
            return Receipt(row["unit_id"], "lost").to_row()
        return self._stage(row)

    def _report(self, unit_id: str, clips: int) -> None:
        now = time.monotonic()
        if now - self._reported >= _REPORT_EVERY_S:
            self._reported = now
            self._board.report.remote(unit_id, clips)


class UnitRunner:
    """Runs units on a pool of actors. A worker holds its stage, and so its network, from unit to unit.

    Ray Data restarts actors and repeats rows for ever, which is right when nodes come and go, and wrong when a row
    is what kills its actor. So the rows themselves stop: after two tries in a round a unit is given up, and has no
    receipt. (Finite retries in Ray would also drop rows that merely waited in a dying actor's queue.)

    Args:
        make_stage: makes the stage in a worker.
        config: small, travels to every worker.
        payload: large (weights); travels to each node once.
        pool: how many workers, and what each gets.
        verbose: let Ray Data's own log lines through.
    """

    def __init__(self, make_stage: MakeStage, config: Any, payload: Any, pool: Pool, *, verbose: bool = False) -> None:
        self._make_stage = make_stage
        self._config = config
        self._pool = pool
        self._round = 0
        self._payload = ray.put(payload)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._board: Any = ray.remote(Board).options(num_cpus=0, scheduling_strategy=here).remote()
        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1
        context.execution_no_progress_timeout_s = -1  # a unit of a slow network may well take half an hour
        if not verbose:
            logging.getLogger("ray.data").setLevel(logging.CRITICAL)

    def in_progress(self) -> Mapping[str, int]:
        """Return the clips finished so far of every unit that was ever begun, by unit id; raises ``RayError``."""
        done: dict[str, int] = ray.get(self._board.read.remote(), timeout=5)
        return done

    def __call__(self, units: Sequence[WorkUnit], alone: bool) -> Iterator[Receipt]:
        """Run units and yield receipts as they come; a unit that was given up has none.

        Raises:
            ClusterError: Ray itself failed, or no worker can start.
        """
        self._round += 1
        for start in range(0, len(units), _UNITS_PER_DATASET):
            yield from self._run(units[start : start + _UNITS_PER_DATASET], alone)

    def _run(self, units: Sequence[WorkUnit], alone: bool) -> Iterator[Receipt]:
        pool = self._pool
        guard = {"round": self._round, "limit": 1 if alone else TRIES_PER_ROUND}
        worker: Any = _Worker  # Ray Data makes an actor of it and calls its instances
        dataset = ray.data.from_items([u.to_row() | guard for u in units], override_num_blocks=len(units)).map(
            worker,
            fn_constructor_kwargs={
                "make_stage": self._make_stage,
                "config": self._config,
                "payload": self._payload,
                "board": self._board,
            },
            compute=ActorPoolStrategy(
                size=1 if alone else min(pool.workers, len(units)),
                max_tasks_in_flight_per_actor=1 if alone else pool.in_flight,
            ),
            num_cpus=pool.cpus_per_worker,
            num_gpus=pool.gpus_per_worker or None,
            memory=pool.memory_per_worker or None,
        )
        try:
            for row in dataset.iter_rows():
                if row["status"] != "lost":
                    yield Receipt(**row)
        except (RayError, ValueError) as error:  # Ray refuses some resource requests with a ValueError
            raise ClusterError(f"Ray failed: {(str(error).strip() or repr(error)).splitlines()[-1]}") from error
