"""Run a training loop on Ray Train: form the worker group, report rows to Ray and the driver, replace lost workers."""

from __future__ import annotations

import logging
import math
import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import ray
import ray.train
import ray.train.torch
from ray.exceptions import RayError
from ray.util.metrics import Gauge
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from wsvad import signals
from wsvad.errors import AccessDenied, ClusterError, StorageError, StoreFull, TrainingError, WsvadError
from wsvad.loop.coordinator import TrainCoordinator
from wsvad.loop.curve import STEP
from wsvad.loop.group import DDP_OPTIONS, Distributed, Group, broadcast
from wsvad.work.background_call import BackgroundCall
from wsvad.work.pool import Pool

log = logging.getLogger(__name__)

Work = Callable[[Any, Group, Callable[[dict[str, float]], None], Callable[[], bool]], str]
"""A worker's loop: ``work(plan, group, on_row, should_stop)``. Returns why training ended, or ``""`` if it was stopped.

All workers call ``should_stop`` after the same steps and get the same result.
"""

_PERMANENT: Mapping[str, type[StorageError]] = {e.__name__: e for e in (AccessDenied, StoreFull)}
"""Errors of the store that would recur in a restarted group of workers."""
_POLL_S = 0.5
_REPORT_EVERY_S = 5.0  # Ray Train takes one report per poll, every 2 s; an earlier report would block until then
_STOP_S = 30.0  # time for workers to finish a step and save after Ctrl-C
_GROUP_TIMEOUT_S = 7200  # the first collective waits for the slowest node's cache; lost workers are detected at once


def run_group(
    work: Work, plan: Any, pool: Pool, on_row: Callable[[dict[str, float]], None], *, max_failures: int, verbose: bool
) -> None:
    """Run a training loop in every worker of a group on the connected Ray.

    Args:
        work: the loop; called again in a new group after a worker was lost.
        plan: argument of the loop: a small dataclass with ``device`` and ``out``.
        pool: number of workers and resources per worker.
        on_row: called with the newest row of the curve from time to time.
        max_failures: number of times that lost workers are replaced.
        verbose: show Ray Train's own logs.

    Raises:
        TrainingError, StorageError: raised by the loop.
        ClusterError: Ray failed, or lost workers more often than ``max_failures``.
    """
    with tempfile.TemporaryDirectory(prefix="wsvad-train-") as folder:  # for Ray Train's own files only
        _fit(work, plan, pool, folder, on_row, max_failures=max_failures, verbose=verbose)


def _fit(
    work: Work, plan: Any, pool: Pool, folder: str, on_row: Callable[[dict[str, float]], None], *,
    max_failures: int, verbose: bool,
) -> None:  # fmt: skip
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    coordinator: Any = ray.remote(TrainCoordinator).options(num_cpus=0, scheduling_strategy=here).remote()
    resources = {"CPU": pool.cpus_per_worker} | ({"GPU": pool.gpus_per_worker} if pool.gpus_per_worker else {})
    quiet: dict[str, Any] = {}
    if not verbose:
        logging.getLogger("ray.train").setLevel(logging.CRITICAL)
        quiet["logging_config"] = ray.train.LoggingConfig(log_level="CRITICAL")
    exporter: Any = _MetricExporter()  # Ray's type hints allow only callbacks of Ray Tune
    os.environ.setdefault("RAY_TRAIN_ENABLE_STATE_TRACKING", "1")  # lists the run in the dashboard
    loop: Any = _worker  # its return value is part of the result, which Ray's type hints do not allow
    trainer = ray.train.torch.TorchTrainer(
        loop,
        train_loop_config={"work": work, "plan": plan, "coordinator": coordinator},
        torch_config=ray.train.torch.TorchConfig(
            backend="nccl" if plan.device == "cuda" else "gloo", timeout_s=_GROUP_TIMEOUT_S
        ),
        scaling_config=ray.train.ScalingConfig(
            num_workers=pool.workers, use_gpu=plan.device == "cuda", resources_per_worker=resources
        ),
        run_config=ray.train.RunConfig(
            name=_name(plan.out),
            storage_path=folder,
            failure_config=ray.train.FailureConfig(max_failures=max_failures),
            callbacks=[exporter],
            **quiet,
        ),
    )
    _wait(BackgroundCall(trainer.fit, "ray-train"), coordinator, on_row)


def _name(out: str) -> str:
    """Return the name of the run in Ray: its folder's name, limited to characters that all stores accept."""
    return "wsvad-" + re.sub(r"[^\w.-]+", "_", out.rstrip("/").rpartition("/")[2])[:100]


class _MetricExporter(ray.train.UserCallback):
    """Exports what workers report as the Ray metric ``ray_wsvad_train{run, figure}``, which the dashboard plots.

    Ray Train itself keeps only reports with a checkpoint.
    """

    def __init__(self) -> None:
        self._gauge: Gauge | None = None

    def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: object) -> None:
        """Export a report; runs in Ray Train's controller."""
        self._gauge = self._gauge or Gauge("wsvad_train", "Values of the curve of a training run", ("run", "figure"))
        for figure, value in metrics[0].items():
            self._gauge.set(value, {"run": run_context.get_run_config().name, "figure": figure})


def _wait(thread: BackgroundCall, coordinator: Any, on_row: Callable[[dict[str, float]], None]) -> None:
    """Pass on rows until the thread ends. If interrupted, stop the workers first."""
    last: dict[str, float] = {}
    failure = ("", "")
    try:
        finished = False
        while not finished and not failure[0]:
            finished = thread.wait(_POLL_S)
            row, failure = _read_coordinator(coordinator)
            if row and row != last:
                on_row(row)
                last = row
    except BaseException:
        coordinator.stop.remote()
        with signals.deferred():  # otherwise the signal would be raised again and interrupt the wait
            thread.wait(_STOP_S)
        raise
    if failure[0]:
        raise _PERMANENT[failure[0]](failure[1])
    if thread.error is not None:
        raise _translate_error(thread.error) from thread.error
    outcome = thread.result.return_value
    if outcome["error"]:
        raise TrainingError(outcome["error"])
    if not outcome["finished"]:
        raise ClusterError("training stopped before it was finished; run the same command again")


def _read_coordinator(coordinator: Any) -> tuple[dict[str, float], tuple[str, str]]:
    try:
        state: tuple[dict[str, float], tuple[str, str]] = ray.get(coordinator.read.remote(), timeout=5)
    except RayError:  # only progress is lost; Ray Train detects failures of the run itself
        return {}, ("", "")
    return state


def _translate_error(error: BaseException) -> WsvadError:
    """Return the worker's own error if it is one of this package, else a ``ClusterError``."""
    failures: Mapping[int, BaseException] = getattr(error, "worker_failures", {})
    for failure in failures.values():
        cause: BaseException | None = failure
        while cause is not None:
            if isinstance(cause, WsvadError):
                return cause
            cause = getattr(cause, "_base_exc", None) or cause.__cause__
    lines = (str(error).strip() or repr(error)).splitlines()
    return ClusterError(f"training on Ray failed: {lines[-1]}; run the same command again")


def _worker(config: dict[str, Any]) -> dict[str, str]:
    """Run the training loop in a worker. Errors that all workers share are returned, because Ray Train would treat a
    raised one as a lost worker and retry.
    """
    plan = config["plan"]
    if plan.device == "cuda":
        plan = replace(plan, device=str(ray.train.torch.get_device()))
    group = _RayGroup()
    reporter = _Reporter(config["coordinator"], group, plan.device)
    try:
        finished = config["work"](plan, group, reporter.add, reporter.should_stop)
    except TrainingError as error:
        return {"finished": "", "error": str(error)}
    except tuple(_PERMANENT.values()) as error:
        ray.get(config["coordinator"].fail.remote(type(error).__name__, str(error)))
        raise
    if finished:
        reporter.report()
    return {"finished": finished, "error": ""}


class _RayGroup(Distributed):
    """The process group formed by Ray Train, which also wraps the models."""

    def _wrap(self, model: Any) -> Any:
        return ray.train.torch.prepare_model(model, move_to_device=False, parallel_strategy_kwargs=DDP_OPTIONS)


class _Reporter:
    """Reports of a worker to Ray Train, and of the first worker to the driver.

    The first worker sends the driver at most one message per half second and never waits for it.
    ``ray.train.report`` is a barrier that all workers must enter together; the first worker decides when, and
    broadcasts this together with the stop request.
    """

    def __init__(self, coordinator: Any, group: Group, device: str) -> None:
        self._coordinator, self._group, self._device = coordinator, group, device
        self._row: dict[str, float] = {}
        self._sent = self._reported = time.monotonic() - _POLL_S
        self._reported_step = 0.0
        self._answer: Any = None
        self._stop = False

    def add(self, row: dict[str, float]) -> None:
        """Add a row; the first worker sends it to the driver every half second."""
        self._row |= {name: value for name, value in row.items() if not math.isnan(value)}
        if self._group.rank == 0 and time.monotonic() - self._sent >= _POLL_S:
            self._sent = time.monotonic()
            self._answer = self._coordinator.report.remote(row)

    def should_stop(self) -> bool:
        """Whether the driver requested a stop; also reports rows to Ray Train when due. A collective call."""
        due = time.monotonic() - self._reported >= _REPORT_EVERY_S
        flags = broadcast(self._group, 2 * due + self._stop_requested() if self._group.rank == 0 else 0, self._device)
        if flags & 2:
            self.report()
        return bool(flags & 1)

    def report(self) -> None:
        """Report the newest row to Ray Train, with the latest value of each measure. A barrier."""
        if self._row.get(STEP, 0.0) > self._reported_step:
            ray.train.report(dict(self._row))
            self._reported, self._reported_step = time.monotonic(), self._row[STEP]

    def _stop_requested(self) -> bool:
        if self._answer is not None and ray.wait([self._answer], timeout=0)[0]:
            self._stop = self._stop or bool(ray.get(self._answer))
            self._answer = None
        return self._stop
