"""Jobs on Ray Tune: it places them, keeps actors alive between them, and replaces those that are lost.

Nothing that a sweep needs to go on is left to Tune: jobs write their results themselves, and a new driver starts a
new ``Tuner``. Tune's own files stay in a temporary folder, and ``Tuner.restore`` is never called.
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
from wsvad.tuning.book import Outcome
from wsvad.tuning.losses import Losses
from wsvad.tuning.schedule import Job
from wsvad.tuning.space import Configuration
from wsvad.tuning.trial import Task
from wsvad.work.background_call import BackgroundCall
from wsvad.work.pool import Pool

log = logging.getLogger(__name__)

_ASK_EVERY_S = 0.5
_STOP_S = 30.0
_MAX_LOSSES = 3
"""Times that a job is begun again after its worker ended."""
_RAISED: Mapping[str, type[WsvadError]] = {e.__name__: e for e in (AccessDenied, StoreFull, StorageError, ClusterError)}
_ENVIRONMENT = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths mean what they meant
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "100000",  # Tune's snapshots of itself are of no use here
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_FORCE_TRIAL_CLEANUP_S": "3",  # what a stopped sweep gives its jobs: their states are saved by themselves
    "RAY_AIR_NEW_OUTPUT": "0",  # with verbose=0 the older output says nothing, the newer one still prints tables
}
_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN")
"""What Tune would write into the runtime environment of every trial (``ray.tune.execution.class_cache``)."""


class Jobs(Protocol):
    """Gives out jobs and takes their results; called from one thread at a time."""

    def next_task(self) -> Task | None:
        """Return a job that can begin now; ``None``: none can before another one ends."""
        ...

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to begin, now or later."""
        ...

    def take(self, job: Job, outcome: Outcome) -> None:
        """Take the result of a job."""
        ...

    def figures(self) -> Mapping[str, float]:
        """Return how far it is, for plots."""
        ...


class Runs(Protocol):
    """Runs a job, in the process that calls it. Small and picklable: it travels to every worker."""

    def run(self, task: Task) -> Outcome:
        """Run a job and write its result. Raises what all jobs share: ``StorageError``, ``ClusterError``."""
        ...


def run_on_tune(
    setting: Runs, jobs: Jobs, pool: Pool, on_news: Callable[[], None], *, name: str, verbose: bool
) -> None:
    """Run jobs until there are none left, on the Ray that is connected.

    Args:
        setting: runs a job.
        jobs: gives them out.
        pool: how many run at once, and what each gets.
        on_news: called now and then, from the calling thread.
        name: of the sweep, for Ray's dashboard.
        verbose: whether Tune says what it does.

    Raises:
        StorageError, ClusterError: what a job met and every other would meet, or Ray failed.
    """
    searcher = _Searcher(jobs, name)
    with tempfile.TemporaryDirectory(prefix="wsvad-tune-") as folder, _environment():
        if not verbose:
            for quiet in ("ray.tune", "ray.train"):
                logging.getLogger(quiet).setLevel(logging.CRITICAL)
        resources = {"CPU": pool.cpus_per_worker} | ({"GPU": pool.gpus_per_worker} if pool.gpus_per_worker else {})
        with_setting: Any = tune.with_parameters(_Trial, setting=setting)
        tuner = tune.Tuner(
            tune.with_resources(with_setting, resources),
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
                callbacks=[searcher.losses],
                failure_config=tune.FailureConfig(max_failures=_MAX_LOSSES),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False, checkpoint_frequency=0),
            ),
        )
        searcher.at_once = pool.workers
        _wait(BackgroundCall(tuner.fit, "ray-tune"), searcher, on_news)


class _Trial(tune.Trainable):
    """Runs one job after the other in its actor; a step is a whole job."""

    def setup(self, config: dict[str, Any], setting: Runs | None = None) -> None:
        """Take what all jobs share, and the first job."""
        assert setting is not None, "Tune passes what with_parameters was given"
        self._setting, self._task = setting, config["task"]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take another job."""
        self._task = new_config["task"]
        return True

    def step(self) -> dict[str, Any]:
        """Run the job. Errors that all jobs share are returned: raised, Tune would take them for a lost worker."""
        try:
            outcome = self._setting.run(_task(self._task))
        except WsvadError as error:
            kind = next((name for name, cls in _RAISED.items() if isinstance(error, cls)), "StorageError")
            return {"error": f"{kind}: {error}", "done": True}
        return {"outcome": json.dumps(outcome.to_dict()), "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save nothing: jobs keep their own states."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Load nothing."""


class _Searcher(Searcher):
    """Gives Tune the next job, and the results to whoever gives out jobs."""

    at_once = 1

    def __init__(self, jobs: Jobs, name: str) -> None:
        super().__init__(metric=None, mode=None)
        self._jobs, self._name = jobs, name
        self._running: dict[str, Task] = {}
        self.losses = Losses()
        self._gauge: Gauge | None = None
        self.error: WsvadError | None = None
        self.stopping = False

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything out of the files that Tune writes about itself: they are never read, and hold no data."""
        return {}

    def __deepcopy__(self, memo: dict[int, Any]) -> _Searcher:
        return self

    def suggest(self, trial_id: str) -> Any:
        """Return the next job as a configuration of Tune's."""
        try:
            if self.error or self.stopping or self._jobs.finished:
                return Searcher.FINISHED
            if len(self._running) >= self.at_once:
                return None
            task = self.losses.due() or self._jobs.next_task()
        except WsvadError as error:
            self.error = error
            return Searcher.FINISHED
        if task is None:
            return None
        self._running[trial_id] = task
        return {"task": _packed(task)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Take what a job returned, or that its worker ended too often."""
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
            elif error and self.losses.put_off(trial_id, task):
                log.warning(
                    "trial %d seed %d: its workers ended one after the other; more tries follow", job.number, job.seed
                )
            elif error:
                said = "its worker ended again and again: out of memory, or its node was lost"
                self._jobs.take(job, Outcome("lost", error=said))
            self._show()
        except WsvadError as raised:
            self.error = self.error or raised

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: what a sweep goes on from is in its own store."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""

    def _show(self) -> None:
        """Show figures among Ray's metrics, as ``ray_wsvad_tune{sweep, figure}``, which its dashboard plots."""
        self._gauge = self._gauge or Gauge("wsvad_tune", "Figures of a sweep", ("sweep", "figure"))
        for figure, value in self._jobs.figures().items():
            self._gauge.set(value, {"sweep": self._name, "figure": figure})


class _Stop(Stopper):
    """Ends everything when the sweep is stopped or has failed."""

    def __init__(self, searcher: _Searcher) -> None:
        self._searcher = searcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No trial is ended by what it says: it ends by itself."""
        return False

    def stop_all(self) -> bool:
        """Whether to end all trials."""
        return self._searcher.stopping or self._searcher.error is not None


def _wait(thread: BackgroundCall, searcher: _Searcher, on_news: Callable[[], None]) -> None:
    try:
        while not thread.wait(_ASK_EVERY_S):
            on_news()
        on_news()
    except BaseException:
        searcher.stopping = True
        with signals.deferred():  # a signal is raised again until it is noted, and would end the waiting
            thread.wait(_STOP_S)
        raise
    if searcher.error is not None:
        raise searcher.error
    if thread.error is not None:
        lines = (str(thread.error).strip() or repr(thread.error)).splitlines()
        raise ClusterError(f"Ray Tune failed: {lines[-1]}; run the same command again") from thread.error


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """Tell Tune how to behave, and keep credentials from it, for as long as it runs.

    Workers have their credentials from the environment of their node, as in every other verb.
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
