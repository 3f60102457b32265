"""Copies of a sweep's trainings to the offline stores of MLflow and Weights & Biases. Optional; off by default.

The sweep's own files are authoritative: missing copies are made at the end of each run, and copies are never read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from wsvad.errors import StorageError, UsageError
from wsvad.tuning.results import trial_rows
from wsvad.tuning.schedule import Job
from wsvad.tuning.sweep import Sweep

log = logging.getLogger(__name__)

_REST = "The sweep itself is complete; run the same command again to copy the rest."


@dataclass(frozen=True)
class Training:
    """One configuration with one seed, as shown in a tracker."""

    id: str
    """Sweep, trial, seed, last step and status; a tracker that has a run with this id is not given another copy."""
    name: str
    settings: Mapping[str, Any]
    tags: Mapping[str, str]
    figures: Mapping[int, Mapping[str, float]]
    """Finite metrics on the validation videos, by step."""
    failed: bool


class Tracker(Protocol):
    """Destination for copies of trainings."""

    def copy(self, trainings: Iterable[Training]) -> int:
        """Copy the missing trainings; return their number. Raises ``StorageError``."""


def check_trackers(mlflow: str | None, wandb: str | None) -> None:
    """Check that the trackers are installed and their locations are valid; write nothing. Raises ``UsageError``."""
    if mlflow is not None:
        _needs("--mlflow", "mlflow", ("mlflow",))
        if mlflow_uri(mlflow).startswith("sqlite:"):
            _needs("--mlflow", "mlflow", ("sqlalchemy", "alembic"))
    if wandb is not None:
        _needs("--wandb", "wandb", ("wandb",))
        if "://" in wandb or (Path(wandb).exists() and not Path(wandb).is_dir()):
            raise UsageError(f"--wandb must be a local folder, got {wandb!r:.200}; `wandb sync` uploads its runs")


def _needs(option: str, extra: str, modules: Iterable[str]) -> None:
    for name in modules:
        if find_spec(name) is None:
            raise UsageError(f"{option} requires {name}: pip install 'wsvad[{extra}]'")


def mlflow_uri(text: str) -> str:
    """Return the tracking URI for a database file or a server. Raises ``UsageError``."""
    if text.startswith(("sqlite:///", "http://", "https://")):
        return text
    if text.endswith(".db") and "://" not in text:
        return f"sqlite:///{Path(text).resolve()}"
    raise UsageError(
        "--mlflow must be a database file (mlflow.db, or sqlite:///FILE) or the URI of a tracking server, got "
        f"{text!r:.200}; MLflow no longer maintains folders (mlruns)"
    )


def trainings_of(sweep: Sweep, claim: Mapping[str, Any], out: str) -> list[Training]:
    """Return the trainings to show in a tracker: one for every configuration and seed that has ended."""
    sweep_id = hashlib.sha256(json.dumps(claim, sort_keys=True).encode()).hexdigest()[:12]
    found = []
    for row in trial_rows(sweep):
        figures = {}
        for rung in range(sweep.plan.last_rung + 1):
            outcome = sweep.history.outcomes.get(Job(row.number, row.seed, rung))
            if outcome is not None and outcome.status == "done":
                known = {name: v for name, v in outcome.figures.items() if v is not None and math.isfinite(v)}
                figures[outcome.steps] = known
        tags = {"wsvad.sweep": out, "wsvad.status": row.status, "wsvad.stage": row.stage, "wsvad.node": row.node}
        if row.error:
            tags["wsvad.error"] = row.error[:4000]
        settings = {"trial": row.number, "seed": row.seed, "steps": row.steps, **row.values}
        name = f"trial-{row.number:05d}-seed-{row.seed}"
        failed = row.status in ("failed", "lost", "diverged")
        # a lost training is retried and can end with another status, so the status is part of the id
        id_ = f"{sweep_id}-{row.number:05d}-{row.seed}-{row.steps}-{row.status}"
        found.append(Training(id_, name, settings, tags, figures, failed))
    return found


def copy_trainings(sweep: Sweep, claim: Mapping[str, Any], out: str, mlflow: str | None, wandb: str | None) -> None:
    """Copy a sweep's trainings to the requested trackers. Raises ``StorageError``."""
    trackers: dict[str, Tracker] = {}
    project = out.rstrip("/").rpartition("/")[2] or "sweep"
    if mlflow is not None:
        trackers["MLflow"] = MlflowTracker(mlflow_uri(mlflow), f"wsvad/{project}")
    if wandb is not None:
        trackers["Weights & Biases"] = WandbTracker(Path(wandb), project)
    if not trackers:
        return
    trainings = trainings_of(sweep, claim, out)
    for name, tracker in trackers.items():
        log.info("%d of %d trainings copied for %s", tracker.copy(trainings), len(trainings), name)


class MlflowTracker:
    """Copies trainings to runs in an MLflow database file or on a tracking server.

    Args:
        uri: ``sqlite:///FILE``, ``http://`` or ``https://``.
        experiment: name of the experiment, which is created if it does not exist.
    """

    def __init__(self, uri: str, experiment: str) -> None:
        self._uri, self._experiment = uri, experiment

    def copy(self, trainings: Iterable[Training]) -> int:
        """See :class:`Tracker`."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        try:
            client = MlflowClient(tracking_uri=self._uri)
            experiment = client.get_experiment_by_name(self._experiment)
            place = experiment.experiment_id if experiment else client.create_experiment(self._experiment)
            there = self._existing_runs(client, place)
            return sum(self._copy(client, place, there, training) for training in trainings)
        except (MlflowException, OSError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            reason = re.sub(r"//[^/\s]*@", "//", reason)  # remove a password from the URI
            raise StorageError(f"--mlflow: {reason[:500]}. {_REST}") from None

    @staticmethod
    def _existing_runs(client: Any, experiment: str) -> dict[str, tuple[str, bool]]:
        """Return the run id and whether the run is complete, by training id."""
        found: dict[str, tuple[str, bool]] = {}
        token: str | None = ""
        while token is not None:
            page = client.search_runs([experiment], max_results=1000, page_token=token or None)
            for run in page:
                found[run.data.tags.get("wsvad.id", "")] = run.info.run_id, run.info.status != "RUNNING"
            token = page.token or None
        return found

    @staticmethod
    def _copy(client: Any, experiment: str, there: Mapping[str, tuple[str, bool]], training: Training) -> int:
        from mlflow.entities import Metric, Param

        run, whole = there.get(training.id, (None, False))
        if whole:
            return 0
        if run is None:  # otherwise an interrupted copy is written again, which is idempotent
            tags = {**training.tags, "wsvad.id": training.id}
            run = client.create_run(experiment, run_name=training.name, tags=tags).info.run_id
        now = int(time.time() * 1000)
        metrics = [
            Metric(name, value, now, step)
            for step, values in training.figures.items()
            for name, value in values.items()
        ]
        params = [Param(name, str(value)) for name, value in training.settings.items()]
        for start in range(0, max(len(metrics), len(params)), 100):  # the limit of a server per request
            client.log_batch(run, metrics=metrics[start : start + 100], params=params[start : start + 100])
        client.set_terminated(run, "FAILED" if training.failed else "FINISHED")
        return 1


class WandbTracker:
    """Copies trainings to offline runs of Weights & Biases; ``wandb sync`` uploads them.

    Args:
        folder: folder for ``wandb/offline-run-*``.
        project: project of the runs.
    """

    def __init__(self, folder: Path, project: str) -> None:
        self._folder, self._project = folder, project

    def copy(self, trainings: Iterable[Training]) -> int:
        """See :class:`Tracker`."""
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        runs = self._folder / "wandb"
        try:
            runs.mkdir(parents=True, exist_ok=True)
            there = {path.name.partition("-run-")[2].partition("-")[2] for path in runs.glob("offline-run-*")}
            missing = [training for training in trainings if training.id not in there]
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=".unfinished-") as unfinished:
                for training in missing:
                    self._copy(wandb, Path(unfinished), training)
                    for path in (Path(unfinished) / "wandb").glob("offline-run-*"):
                        os.replace(path, runs / path.name)  # atomic, so an interrupted copy leaves no partial run
                    shutil.rmtree(Path(unfinished) / "wandb")
        except (wandb.Error, OSError) as error:
            raise StorageError(f"--wandb: {error}. {_REST}") from error
        finally:
            wandb.teardown()
        return len(missing)

    def _copy(self, wandb: Any, folder: Path, training: Training) -> None:
        quiet = wandb.Settings(
            console="off", silent=True, disable_git=True, save_code=False, x_disable_stats=True, x_disable_meta=True
        )
        run = wandb.init(
            dir=str(folder), mode="offline", project=self._project, id=training.id, name=training.name,
            config={**training.settings, **training.tags}, settings=quiet,
        )  # fmt: skip
        for step, values in sorted(training.figures.items()):
            run.log(dict(values), step=step)
        run.finish(exit_code=int(training.failed))
