"""Run a stage on Ray Data: rows of packed units in, one actor per worker, receipts out."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.exceptions import RayError
from ray.util.metrics import Counter
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from wsvad.errors import ClusterError
from wsvad.work.packs import make_packs
from wsvad.work.pool import Pool
from wsvad.work.receipt import Receipt, WorkUnit
from wsvad.work.software import Versions, installed_versions, version_differences
from wsvad.work.tracker import PackStart, UnitTracker

log = logging.getLogger(__name__)

Report = Callable[[str, int], None]
"""``report(unit_id, clips)``: reports the finished clips of a running unit."""
Stage = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Takes a unit as a row and returns its receipt as a row. Every failure becomes a receipt; a stage never raises."""
MakeStage = Callable[[Any, Any, Report], Stage]
"""``make_stage(config, payload, report)``, called once per worker; at module level, so that it can be pickled."""

TRIES_PER_ROUND = 2


_REPORT_EVERY_S = 1.0
_PACKS_PER_DATASET = 4096  # Ray Data needs 1 ms per row before the first one starts, and 8 ms to run an empty row


class Counters:
    """Counters of finished work as Ray metrics, visible in Ray's dashboard and Prometheus while a job runs."""

    def __init__(self, stage: str) -> None:
        """``stage``: name of the stage, used as a tag."""
        self._tags = {"stage": stage}
        self._units = Counter("wsvad_units", "Units of work by status", ("stage", "status"))
        self._clips = Counter("wsvad_clips", "Finished clips", ("stage",))
        self._seconds = Counter("wsvad_worker_seconds", "Seconds of workers by activity", ("stage", "on"))

    def add(self, receipt: Mapping[str, Any]) -> None:
        """Count a unit; ``receipt`` is its receipt as a row."""
        self._units.inc(1, {**self._tags, "status": receipt["status"]})
        if receipt["clips"]:
            self._clips.inc(receipt["clips"], self._tags)
        for on in ("decode_wait", "model", "store"):
            seconds = receipt[f"{on}_s"]
            if seconds > 0:  # Ray rejects increments of zero
                self._seconds.inc(seconds, {**self._tags, "on": on})


class _Worker:
    """The Ray Data actor that runs a stage.

    Input columns: ``units`` (``to_row`` of each unit of the pack), ``round`` and ``limit``. Output: one row per unit
    with the columns of ``Receipt``. A unit that reached the limit of attempts is not started again; its status is
    ``lost``.
    """

    def __init__(self, make_stage: MakeStage, config: Any, payload: Any, tracker: Any, software: Versions) -> None:
        # Do not raise: Ray Data waits forever for an actor that cannot start on a node that joined later.
        self._other_software = version_differences(software, {platform.node(): installed_versions()})
        self._tracker = tracker
        self._reported = self._sent = 0.0
        self._finished: list[dict[str, Any]] = []
        if not self._other_software:
            self._stage = make_stage(config, ray.get(payload), self._report)
            self._counters = Counters(type(self._stage).__name__)

    def __call__(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        units = list(row["units"])
        if self._other_software:
            message = f"the node has other software than the driver: {'; '.join(self._other_software)}"
            return [Receipt(u["unit_id"], "failed", kind="OtherSoftware", message=message).to_row() for u in units]
        try:
            begun: PackStart = ray.get(
                self._tracker.begin.remote(row["round"], [str(u["unit_id"]) for u in units], row["limit"])
            )
        except RayError as error:  # the tracker is gone, which says nothing about the videos
            kind, message = type(error).__name__, str(error)
            return [Receipt(u["unit_id"], "failed", kind=kind, message=message).to_row() for u in units]
        self._finished, self._sent = [], time.monotonic()
        found = []
        for unit, receipt, given_up in zip(units, begun.receipts, begun.given_up, strict=True):
            found.append(receipt or (_lost(unit) if given_up else self._run(unit, row["round"], begun.restarted)))
        return found

    def _run(self, unit: dict[str, Any], round_number: int, restarted: bool) -> dict[str, Any]:
        try:
            receipt = self._stage(unit)
        except Exception:  # a bug in the stage; the other units of the pack keep their receipts
            log.exception("%s", unit["unit_id"])
            receipt = _lost(unit)
        self._finished.append(receipt)
        self._counters.add(receipt)
        now = time.monotonic()
        if restarted or now - self._sent >= _REPORT_EVERY_S:  # a message costs 1 ms, which matters for short videos
            pending = self._tracker.finish.remote(round_number, self._finished)
            self._finished, self._sent = [], now
            if restarted:  # a unit of this pack may crash its worker: the tracker must know which one
                with suppress(RayError):
                    ray.get(pending)
        return receipt

    def _report(self, unit_id: str, clips: int) -> None:
        now = time.monotonic()
        if now - self._reported >= _REPORT_EVERY_S:
            self._reported = now
            self._tracker.report.remote(unit_id, clips)


def _lost(unit: dict[str, Any]) -> dict[str, Any]:
    return Receipt(unit["unit_id"], "lost").to_row()


class RayRunner:
    """Runs units on a pool of Ray actors. An actor keeps its stage, and so the loaded network, between units.

    Ray Data restarts actors and retries rows without limit. That is right when nodes come and go, but wrong if the row
    itself crashes its actor. Therefore the actor limits attempts: after two attempts in a round a unit gets no
    receipt. (With a finite number of retries, Ray would also drop rows that merely waited in a dying actor's queue.)
    A row is a pack of units; when it is retried, only its unfinished units run again.

    Args:
        make_stage: makes the stage in a worker.
        config: small; sent to every worker.
        payload: large (weights); sent to each node once.
        pool: number of workers and resources per worker.
        pack_clips: maximum clips of a pack of small units; 0 sends each unit in a row of its own.
        verbose: show Ray Data's own log lines.
    """

    def __init__(
        self,
        make_stage: MakeStage,
        config: Any,
        payload: Any,
        pool: Pool,
        *,
        pack_clips: int = 0,
        verbose: bool = False,
    ) -> None:
        self._make_stage = make_stage
        self._config = config
        self._pool = pool
        self._pack_clips = pack_clips
        self._round = 0
        self._payload = ray.put(payload)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._tracker: Any = ray.remote(UnitTracker).options(num_cpus=0, scheduling_strategy=here).remote()
        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1
        context.execution_no_progress_timeout_s = -1  # a unit of a slow network may take half an hour
        if not verbose:
            logging.getLogger("ray.data").setLevel(logging.CRITICAL)

    def in_progress(self) -> Mapping[str, int]:
        """Return the number of finished clips of every unit started so far, by unit id. Raises ``RayError``."""
        done: dict[str, int] = ray.get(self._tracker.read.remote(), timeout=5)
        return done

    def __call__(self, units: Sequence[WorkUnit], alone: bool) -> Iterator[Receipt]:
        """Run units and yield receipts as they arrive. A unit that was given up gets none.

        Raises:
            ClusterError: Ray itself failed, or no worker can start.
        """
        self._round += 1
        packs = make_packs(units, 0 if alone else self._pack_clips, self._pool.workers)
        for start in range(0, len(packs), _PACKS_PER_DATASET):
            yield from self._run(packs[start : start + _PACKS_PER_DATASET], alone)

    def _run(self, packs: Sequence[Sequence[WorkUnit]], alone: bool) -> Iterator[Receipt]:
        pool = self._pool
        guard = {"round": self._round, "limit": 1 if alone else TRIES_PER_ROUND}
        worker: Any = _Worker  # Ray Data creates actors of the class and calls them
        rows = [{"units": [u.to_row() for u in pack], **guard} for pack in packs]
        dataset = ray.data.from_items(rows, override_num_blocks=len(rows)).flat_map(
            worker,
            fn_constructor_kwargs={
                "make_stage": self._make_stage,
                "config": self._config,
                "payload": self._payload,
                "tracker": self._tracker,
                "software": installed_versions(),
            },
            compute=ActorPoolStrategy(
                size=1 if alone else min(pool.workers, len(packs)),
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
        except (RayError, ValueError) as error:  # Ray rejects some resource requests with a ValueError
            raise ClusterError(f"Ray failed: {(str(error).strip() or repr(error)).splitlines()[-1]}") from error
