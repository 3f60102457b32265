"""Runs jobs on Ray Tune, which places them, reuses actors between jobs, and replaces lost actors.

A sweep never depends on Tune's state: jobs write their results themselves, and a new driver starts a new ``Tuner``.
Tune's own files stay in a temporary folder, and ``Tuner.restore`` is never called.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from ray import tune
from ray.tune import Stopper
from ray.tune.search import Searcher
from ray.util.metrics import Gauge

from wsvad import signals
from wsvad.errors import AccessDenied, ClusterError, StorageError, StoreFull, WsvadError
from wsvad.tuning.history import Outcome
from wsvad.tuning.lost_workers import LostWorkers
from wsvad.tuning.schedule import Job
from wsvad.tuning.space import Configuration
from wsvad.tuning.trial import Task
from wsvad.work.background_call import BackgroundCall
from wsvad.work.pool import Pool

log = logging.getLogger(__name__)

_POLL_INTERVAL_S = 0.5
_STOP_S = 30.0
_MAX_RETRIES = 3
"""Number of retries of a job whose worker died."""
_RAISED: Mapping[str, type[WsvadError]] = {e.__name__: e for e in (AccessDenied, StoreFull, StorageError, ClusterError)}
_ENVIRONMENT = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # keep the working directory, so that relative paths stay valid
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "100000",  # Tune's snapshots of itself are not used
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_FORCE_TRIAL_CLEANUP_S": "3",  # time for jobs when a sweep is stopped; they save their states themselves
    "RAY_AIR_NEW_OUTPUT": "0",  # with verbose=0 the old output is silent, the new one still prints tables
}
_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN")
"""Variables that Tune would write into the runtime environment of every trial (``ray.tune.execution.class_cache``)."""


class JobQueue(Protocol):
    """Provides jobs and receives their results; called from one thread at a time."""

    def next_task(self) -> Task | None:
        """Return a job that can start now; ``None``: none can before another one ends."""
        ...

    @property
    def finished(self) -> bool:
        """Whether no job is left to start, now or later."""
        ...

    def take(self, job: Job, outcome: Outcome) -> None:
        """Record the result of a job."""
        ...

    def figures(self) -> Mapping[str, float]:
        """Return the progress, for plots."""
        ...


class JobRunner(Protocol):
    """Runs a job in the calling process. Small and picklable: it is sent to every worker."""

    def run(self, task: Task) -> Outcome:
        """Run a job and write its result. Raises errors that affect all jobs: ``StorageError``, ``ClusterError``."""
        ...


def run_on_tune(
    context: JobRunner, jobs: JobQueue, pool: Pool, on_progress: Callable[[], None], *, name: str, verbose: bool
) -> None:
    """Run jobs until none are left, on the connected Ray cluster.

    Args:
        context: runs a job.
        jobs: provides the jobs.
        pool: number of concurrent jobs and the resources of each.
        on_progress: called regularly from the calling thread.
        name: name of the sweep for Ray's dashboard.
        verbose: whether to show the output of Tune.

    Raises:
        StorageError, ClusterError: a job raised an error that affects all jobs, or Ray failed.
    """
    searcher = _Searcher(jobs, name)
    with tempfile.TemporaryDirectory(prefix="wsvad-tune-") as folder, _environment():
        if not verbose:
            for quiet in ("ray.tune", "ray.train"):
                logging.getLogger(quiet).setLevel(logging.CRITICAL)
        resources = {"CPU": pool.cpus_per_worker} | ({"GPU": pool.gpus_per_worker} if pool.gpus_per_worker else {})
        with_context: Any = tune.with_parameters(_Trial, context=context)
        tuner = tune.Tuner(
            tune.with_resources(with_context, resources),
            tune_config=tune.TuneConfig(
                num_samples=-1,
                search_alg=searcher,
                metric=None,
                max_concurrent_trials=None,
                reuse_actors=True,
                trial_name_creator=_name_of,
                trial_dirname_creator=_name_of,
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=folder,
                stop=_Stop(searcher),
                verbose=0,
                callbacks=[searcher.lost_workers],
                failure_config=tune.FailureConfig(max_failures=_MAX_RETRIES),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False, checkpoint_frequency=0),
            ),
        )
        searcher.at_once = pool.workers
        _wait(BackgroundCall(tuner.fit, "ray-tune"), searcher, on_progress)


class _Trial(tune.Trainable):
    """Runs jobs one after another in its actor; one step is a whole job."""

    def setup(self, config: dict[str, Any], context: JobRunner | None = None) -> None:
        """Store the shared context and the first job."""
        assert context is not None, "Tune passes the arguments of with_parameters"
        self._job_context, self._task = context, config["task"]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Replace the job."""
        self._task = new_config["task"]
        return True

    def step(self) -> dict[str, Any]:
        """Run the job. Return errors that affect all jobs: Tune would take a raised error for a lost worker."""
        try:
            outcome = self._job_context.run(_task(self._task))
        except WsvadError as error:
            kind = next((name for name, cls in _RAISED.items() if isinstance(error, cls)), "StorageError")
            return {"error": f"{kind}: {error}", "done": True}
        return {"outcome": json.dumps(outcome.to_dict()), "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save nothing: jobs store their own states."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Load nothing."""


class _Searcher(Searcher):
    """Passes jobs to Tune, and results back to the job queue."""

    at_once = 1

    def __init__(self, jobs: JobQueue, name: str) -> None:
        super().__init__(metric=None, mode=None)
        self._jobs, self._name = jobs, name
        self._running: dict[str, Task] = {}
        self.lost_workers = LostWorkers()
        self._gauge: Gauge | None = None
        self.error: WsvadError | None = None
        self.stopping = False

    def __getstate__(self) -> dict[str, Any]:
        """Exclude everything from the files that Tune writes about itself: they are never read."""
        return {}

    def __deepcopy__(self, memo: dict[int, Any]) -> _Searcher:
        return self

    def suggest(self, trial_id: str) -> Any:
        """Return the next job as a configuration for Tune."""
        try:
            if self.error or self.stopping or self._jobs.finished:
                return Searcher.FINISHED
            if len(self._running) >= self.at_once:
                return None
            task = self.lost_workers.next_retry() or self._jobs.next_task()
        except WsvadError as error:
            self.error = error
            return Searcher.FINISHED
        if task is None:
            return None
        self._running[trial_id] = task
        return {"task": _packed(task)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Record the result of a job, or that its worker died too often."""
        task = self._running.pop(trial_id, None)
        if task is None:
            return
        job = task.job
        try:
            if result and "outcome" in result:
                self._jobs.take(job, Outcome.from_dict(json.loads(result["outcome"])))
            elif result and "error" in result:
                kind, _, message = str(result["error"]).partition(": ")
                self.error = self.error or _RAISED[kind](message)
            elif error and self.lost_workers.schedule_retry(trial_id, task):
                log.warning(
                    "trial %d seed %d: its workers died in quick succession; it will be retried", job.number, job.seed
                )
            elif error:
                message = "its worker died repeatedly: out of memory, or its node was lost"
                self._jobs.take(job, Outcome("lost", error=message))
            self._export_progress()
        except WsvadError as raised:
            self.error = self.error or raised

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: a sweep resumes from its own store."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""

    def _export_progress(self) -> None:
        """Export the progress as the Ray metric ``ray_wsvad_tune{sweep, figure}``, which Ray's dashboard plots."""
        self._gauge = self._gauge or Gauge("wsvad_tune", "Figures of a sweep", ("sweep", "figure"))
        for figure, value in self._jobs.figures().items():
            self._gauge.set(value, {"sweep": self._name, "figure": figure})


class _Stop(Stopper):
    """Ends all trials when the sweep is stopped or has failed."""

    def __init__(self, searcher: _Searcher) -> None:
        self._searcher = searcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Never stop a single trial by its result: trials end themselves."""
        return False

    def stop_all(self) -> bool:
        """Whether to stop all trials."""
        return self._searcher.stopping or self._searcher.error is not None


def _wait(thread: BackgroundCall, searcher: _Searcher, on_progress: Callable[[], None]) -> None:
    try:
        while not thread.wait(_POLL_INTERVAL_S):
            on_progress()
        on_progress()
    except BaseException:
        searcher.stopping = True
        with signals.deferred():  # an unhandled signal would be raised again and interrupt the wait
            thread.wait(_STOP_S)
        raise
    if searcher.error is not None:
        raise searcher.error
    if thread.error is not None:
        lines = (str(thread.error).strip() or repr(thread.error)).splitlines()
        raise ClusterError(f"Ray Tune failed: {lines[-1]}; run the same command again") from thread.error


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """Set Tune's environment variables and hide credentials from it while it runs.

    Workers read their credentials from the environment of their node, as for every other command.
    """
    kept = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    from ray.tune.execution import class_cache

    propagated = set(class_cache.ENV_VARS_TO_PROPAGATE)
    class_cache.ENV_VARS_TO_PROPAGATE.difference_update(_SECRETS)
    try:
        yield
    finally:
        class_cache.ENV_VARS_TO_PROPAGATE.update(propagated)
        for name, value in kept.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _packed(task: Task) -> str:
    plain = {
        "job": [task.job.number, task.job.seed, task.job.rung],
        "settings": dict(task.configuration.settings),
        "training": dict(task.configuration.training),
        "steps": task.steps,
        "last": task.last,
    }
    return json.dumps(plain)


def _task(packed: str) -> Task:
    plain = json.loads(packed)
    configuration = Configuration(plain["settings"], plain["training"])
    return Task(Job(*plain["job"]), configuration, plain["steps"], plain["last"])


def _name_of(trial: Any) -> str:
    job = _task(trial.config["task"]).job
    return f"trial-{job.number:05d}-seed-{job.seed}-part-{job.rung}"
