"""One job of a sweep in its process: train up to a step, score the validation videos, write the result."""

from __future__ import annotations

import hashlib
import logging
import socket
import time
import traceback
from dataclasses import dataclass, field, replace

import torch

from wsvad.cores import limit_threads
from wsvad.dataset.sealed import seal
from wsvad.errors import ClusterError, ObjectNotFound, StorageError, TrainingError, UsageError
from wsvad.features.reading import FeatureSet
from wsvad.loop.group import SingleWorker
from wsvad.loop.keys import STATES
from wsvad.loop.state import newest_state, save_state
from wsvad.models.registry import MODELS, default_config, default_recipe
from wsvad.storage import Store, StoreOptions, open_store
from wsvad.training.config import TrainConfig, train_config
from wsvad.training.data import TrainingData
from wsvad.training.trainer import Trainer
from wsvad.training.worker import TrainPlan, make_trainer
from wsvad.tuning.history import Outcome, read_outcome, result_key, scores_key, seed_folder
from wsvad.tuning.schedule import Job
from wsvad.tuning.space import Configuration, Space
from wsvad.tuning.validation import Validation, encode_scores

log = logging.getLogger(__name__)

_SAVE_AFTER_S = 120.0


def train_config_for(space: Space, configuration: Configuration, *, seed: int, save_every: int) -> TrainConfig:
    """Return the training options of a configuration. Raises ``UsageError``."""
    given = {**space.training, **configuration.training, "seed": seed, "save_every": save_every}
    return train_config(default_recipe(space.model, preset=space.preset), given)


def device_here(gpus: float) -> str:
    """Return the device of jobs in this process: a GPU if one was requested and is available, otherwise the CPU."""
    return "cuda" if gpus and torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class JobContext:
    """Data and options shared by all jobs of a sweep. Small and picklable: it is sent to every worker."""

    out: str
    store: StoreOptions
    """Options for opening ``out``."""
    features: FeatureSet = field(repr=False)
    space: Space
    data: TrainingData = field(repr=False)
    validation: Validation = field(repr=False)
    save_every: int
    device: str = "cpu"
    threads: int = 1

    def run(self, task: Task) -> Outcome:
        """Run a job; see :func:`run_task`."""
        return run_task(self, task)

    def plan(self, configuration: Configuration, seed: int) -> TrainPlan:
        """Return the plan for the training worker. Raises ``UsageError``."""
        kind = MODELS[self.space.model].config.inputs
        settings = {**self.space.settings, **configuration.settings}
        dim = self.features.shape_of(kind)[-1]
        return TrainPlan(
            features=self.features,
            out=self.out,
            store=self.store,
            model=default_config(self.space.model, dim, preset=self.space.preset, **settings),
            config=train_config_for(self.space, configuration, seed=seed, save_every=self.save_every),
            # no validation during training: the last step counts, and the validation videos are scored once after it
            data=replace(self.data, val_ids=(), val_labels=(), test=()),
            device=self.device,
            threads=self.threads,
        )


@dataclass(frozen=True)
class Task:
    """A job with its configuration and its last step."""

    job: Job
    configuration: Configuration
    steps: int
    """Training step at which the job ends."""
    last: bool
    """Whether no later job continues from its state."""


def run_task(context: JobContext, task: Task) -> Outcome:
    """Run a job and write its result; if a result exists, return it.

    An error that only affects this configuration becomes its outcome. A state is saved every ``save_every`` steps, so
    that a killed job can resume.

    Raises:
        StorageError, ClusterError: an error that affects all jobs.
    """
    out = open_store(context.out, context.store)
    key = result_key(task.job, task.steps)
    try:
        return read_outcome(out, key)
    except ObjectNotFound:
        pass
    started = time.monotonic()
    outcome, scores = _attempt(context, task, out)
    seconds = round(time.monotonic() - started, 3)
    digest = hashlib.sha256(scores).hexdigest() if scores else ""
    outcome = replace(outcome, seconds=seconds, node=socket.gethostname(), scores=digest)
    if scores:
        out.create(scores_key(task.job, task.steps), scores)
    out.create(key, seal(outcome.to_dict()))
    if task.last or outcome.status != "done":
        _delete_states(out, task.job)
    return read_outcome(out, key)  # another driver may have written it first


def _attempt(context: JobContext, task: Task, out: Store) -> tuple[Outcome, bytes]:
    try:
        return _train_and_measure(context, task, out)
    except (StorageError, ClusterError):
        raise
    except TrainingError as error:
        return Outcome("diverged", error=str(error)), b""
    except UsageError as error:
        return Outcome("failed", error=str(error)), b""
    except (MemoryError, torch.OutOfMemoryError) as error:
        return Outcome("failed", error=f"out of memory: {str(error) or 'of this process'}"), b""
    except Exception as error:  # an error of one configuration must not end the others; it is stored in its row
        message = "".join(traceback.format_exception(error)[-3:])
        if "out of memory" in str(error) or "can't allocate memory" in str(error):
            message = f"out of memory: {error}"
        return Outcome("failed", error=message[-2000:]), b""


def _train_and_measure(context: JobContext, task: Task, out: Store) -> tuple[Outcome, bytes]:
    torch.set_num_threads(limit_threads(context.threads))
    device = torch.device(context.device)
    plan = context.plan(task.configuration, task.job.seed)
    trainer = make_trainer(plan, SingleWorker(), device)
    states = open_store(f"{out.uri}/{seed_folder(task.job)}".rstrip("/"), out.options)
    if state := newest_state(states):
        trainer.restore(state)
        log.info("trial %d seed %d resumes at step %d", task.job.number, task.job.seed, trainer.step)
    _train(trainer, states, task, context.save_every)
    kind = plan.model.inputs
    scores = context.validation.scores(trainer.model, kind, device)
    figures = context.validation.figures(scores)
    outcome = Outcome(
        "done",
        figures[context.validation.metric],
        figures,
        context.validation.resampled(scores) if task.last and context.validation.resamples else {},
        trainer.step,
    )
    return outcome, encode_scores(scores)


def _train(trainer: Trainer, states: Store, task: Task, save_every: int) -> None:
    saved, saved_at = trainer.step, time.monotonic()
    if trainer.step < task.steps:
        for _ in trainer.train():
            step = trainer.step
            late = time.monotonic() - saved_at > _SAVE_AFTER_S
            if step < task.steps and (late or step % save_every == 0):
                save_state(states, trainer.state(), keep=1)
                saved, saved_at = step, time.monotonic()
            if step >= task.steps:
                break
    if not task.last and trainer.step > saved:
        save_state(states, trainer.state(), keep=1)


def _delete_states(out: Store, job: Job) -> None:
    for info in list(out.list(f"{seed_folder(job)}{STATES}")):
        out.delete(info.key)
