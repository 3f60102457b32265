"""Stored state of a sweep: its claim, its configurations, and one result for every finished job.

``tuning.json``                                   options and data of the sweep, which later runs must match
``plan.json``                                     numbers of trials, seeds and finalists; --extend replaces it
``trials/00017/config.json``                      settings of configuration 17, written before its training
``trials/00017/seed-0/step-00000060.json``        result of a job; a job with a result is never run again
``trials/00017/seed-0/step-00000060.parquet``     clip scores of the validation videos
``trials/00017/seed-0/state/``                    last training state of an unfinished job
``screened.json``                                 marks that screening ended because its time was over

All objects except training states and the plan are created once and never overwritten.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar

from wsvad.dataset.config import differences
from wsvad.dataset.layout import DATASET
from wsvad.dataset.sealed import seal, unseal
from wsvad.documents import DocumentError, build
from wsvad.errors import ConflictError, DamagedError, ObjectNotFound, UsageError
from wsvad.loop.claim import is_run
from wsvad.loop.keys import STATES, TRIALS
from wsvad.loop.keys import SWEEP as CLAIM
from wsvad.storage import Created, Store
from wsvad.tuning.schedule import Job, Plan
from wsvad.tuning.space import Configuration

log = logging.getLogger(__name__)

PLAN, SCREENED = "plan.json", "screened.json"
_PLAN_FIELDS = ("trials", "seeds", "finalists", "fresh_seeds")
_READERS = 16
_CLAIM_FIELDS = ("kind", "space", "search", "metric", "training", "features", "videos")
T = TypeVar("T")

Status = Literal["done", "diverged", "failed", "lost"]


@dataclass(frozen=True)
class Outcome:
    """Result of a job."""

    status: Status
    """``lost``: its worker died repeatedly; the next run of the same command retries the job."""
    value: float | None = None
    """Value of the maximised metric on the validation videos at the job's last step."""
    figures: Mapping[str, float | None] = field(default_factory=dict)
    """All metrics on the validation videos."""
    resampled: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    """``in_bag`` and ``out_of_bag``: the metric on resamples of the videos, and on the videos left out of each."""
    steps: int = 0
    """Training step at which the job ended."""
    seconds: float = 0.0
    """Duration of the run that finished the job, in seconds; earlier, killed runs are not counted."""
    node: str = ""
    error: str = ""
    scores: str = ""
    """SHA-256 (hex) of the clip scores; empty if there are none."""

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> Outcome:
        """Return the outcome from the values of :meth:`to_dict`. Raises ``DocumentError``."""
        plain = dict(values)
        figures, resampled = plain.pop("figures", {}), plain.pop("resampled", {})
        found = build(_Plain, plain)
        return cls(
            **asdict(found),
            figures={str(k): None if v is None else float(v) for k, v in dict(figures).items()},
            resampled={str(k): tuple(None if x is None else float(x) for x in v) for k, v in dict(resampled).items()},
        )


@dataclass(frozen=True)
class _Plain:
    status: Status
    value: float | None
    steps: int
    seconds: float
    node: str
    error: str
    scores: str = ""


_OUTCOME_FIELDS = ("status", "value", "figures", "resampled", "steps", "seconds", "node", "error")


def trial_folder(number: int) -> str:
    """Return the key prefix of a configuration."""
    return f"{TRIALS}{number:05d}/"


def seed_folder(job: Job) -> str:
    """Return the key prefix of a configuration with one seed."""
    return f"{trial_folder(job.number)}seed-{job.seed}/"


def result_key(job: Job, steps: int) -> str:
    """Return the key of the result of a job that ends at step ``steps``."""
    return f"{seed_folder(job)}step-{steps:08d}.json"


def scores_key(job: Job, steps: int) -> str:
    """Return the key of the clip scores that belong to a result."""
    return f"{seed_folder(job)}step-{steps:08d}.parquet"


def check_claim(out: Store, claim: Mapping[str, Any]) -> dict[str, Any] | None:
    """Check that the target is free or contains the same sweep; return the existing claim, or ``None``.

    Raises:
        ConflictError: the target contains another sweep, or something else.
        DamagedError: the existing claim is damaged.
    """
    if any(info.key == DATASET for info in out.list(DATASET)):
        raise ConflictError(f"{out.uri} contains a data set, not a sweep. Nothing was changed. Use another --out.")
    existing = read_claim(out)
    if existing is None:
        if is_run(out):
            raise ConflictError(
                f"{out.uri} contains a training run, not a sweep. Nothing was changed. Use another --out."
            )
        return None
    fixed = {name: claim[name] for name in _CLAIM_FIELDS}
    different = differences(fixed, {name: existing[name] for name in _CLAIM_FIELDS})
    if different:
        raise ConflictError(
            f"{out.uri} contains a sweep with other options or data ({'; '.join(different)[:2000]}). Nothing was "
            "changed. "
            "Use the same options, or another --out."
        )
    return existing


def read_claim(out: Store) -> dict[str, Any] | None:
    """Return the claim of the sweep at a target, or ``None`` if there is none. Raises ``DamagedError``."""
    try:
        return unseal(out.read(CLAIM), f"{out.uri}/{CLAIM}", _CLAIM_FIELDS, remedy="use another --out")
    except ObjectNotFound:
        return None


def write_claim(out: Store, claim: Mapping[str, Any]) -> None:
    """Claim the target. Raises as :func:`check_claim` if another sweep claimed it first."""
    if out.create(CLAIM, seal(claim)) is Created.DIFFERENT:
        check_claim(out, claim)


def check_plan(out: Store, plan: Plan, *, extend: bool) -> None:
    """Check the numbers of trials, seeds and finalists against those of the stored sweep.

    Raises:
        ConflictError: the numbers differ, and ``extend`` is false.
        UsageError: ``extend`` is true, and there is no sweep or a number would decrease.
    """
    try:
        existing = unseal(out.read(PLAN), f"{out.uri}/{PLAN}", _PLAN_FIELDS, remedy="delete it")
    except ObjectNotFound:
        if extend:
            raise UsageError(f"--extend: there is no sweep at {out.uri} to extend") from None
        return
    requested = _plan_record(plan)
    changed = [
        f"{name}: {existing[name]} there, {requested[name]} here"
        for name in _PLAN_FIELDS
        if existing[name] != requested[name]
    ]
    if not changed:
        return
    if not extend:
        raise ConflictError(
            f"{out.uri} contains a sweep with other numbers ({'; '.join(changed)}). Nothing was changed. To extend "
            "it to "
            "these, add --extend"
        )
    fewer = [name for name in _PLAN_FIELDS if requested[name] < existing[name]]
    if fewer:
        raise UsageError(f"--extend cannot reduce numbers, but {', '.join(fewer)} would decrease: {'; '.join(changed)}")


def write_plan(out: Store, plan: Plan) -> None:
    """Store the numbers of a sweep; the caller must be its only driver."""
    out.replace(PLAN, seal(_plan_record(plan)))


def _plan_record(plan: Plan) -> dict[str, int]:
    return {name: getattr(plan, name) for name in _PLAN_FIELDS}


class History:
    """Configurations and outcomes of one sweep; read from the store by the driver at start, then kept up to date."""

    def __init__(self, out: Store, plan: Plan, steps_of: Callable[[Configuration], int]) -> None:
        self._out, self.plan, self.steps_of = out, plan, steps_of
        self.configurations: dict[int, Configuration] = {}
        self.sources: dict[int, str] = {}
        """Source of each configuration."""
        self.outcomes: dict[Job, Outcome] = {}
        self.screened: int | None = None
        """Number of configurations begun when the time for screening was over; None: it is not over."""
        self._read()

    def configure(self, number: int, configuration: Configuration, source: str) -> Configuration:
        """Store a configuration before its training.

        Return the stored configuration, which is another driver's if that one was first.
        """
        key = f"{trial_folder(number)}config.json"
        plain = {"settings": dict(configuration.settings), "training": dict(configuration.training), "source": source}
        if self._out.create(key, seal(plain)) is Created.DIFFERENT:
            configuration, source = _configuration(self._out, key)
        self.configurations[number], self.sources[number] = configuration, source
        return configuration

    def steps(self, job: Job) -> int:
        """Return the step at which a job ends."""
        return self.plan.steps_at(job.rung, self.steps_of(self.configurations[job.number]))

    def end_screening(self, begun: int) -> None:
        """Store that screening has ended after ``begun`` configurations."""
        if self._out.create(SCREENED, seal({"trials": begun})) is Created.DIFFERENT:
            begun = _screened(self._out)
        self.screened = begun

    def resume_screening(self) -> None:
        """Continue a screening that was ended; the caller must be the only driver."""
        self._out.delete(SCREENED)
        self.screened = None

    def delete_states(self, jobs: Iterable[Job]) -> None:
        """Delete the training states of these jobs."""
        for folder in {f"{seed_folder(job)}{STATES}" for job in jobs}:
            for info in list(self._out.list(folder)):
                self._out.delete(info.key)

    def _read(self) -> None:
        keys = [info.key for info in self._out.list(TRIALS)]
        configs = [key for key in keys if key.endswith("/config.json")]
        with ThreadPoolExecutor(_READERS) as pool:
            for key, found in zip(configs, pool.map(lambda key: _configuration(self._out, key), configs), strict=True):
                number = int(key.split("/")[1])
                self.configurations[number], self.sources[number] = found
            jobs = self._jobs(keys)
            for job, outcome in zip(
                jobs, pool.map(lambda key: read_outcome(self._out, key), jobs.values()), strict=True
            ):
                self.outcomes[job] = outcome
        if any(info.key == SCREENED for info in self._out.list(SCREENED)):
            self.screened = _screened(self._out)

    def _jobs(self, keys: Iterable[str]) -> dict[Job, str]:
        """Return the keys of results by job; the rung of a job follows from the step in the key."""
        found: dict[Job, str] = {}
        for key in keys:
            parts = key.split("/")
            if len(parts) != 4 or not parts[3].startswith("step-") or not parts[3].endswith(".json"):
                continue
            number, seed, step = int(parts[1]), int(parts[2].removeprefix("seed-")), int(parts[3][5:-5])
            if number not in self.configurations:
                continue
            for rung in range(self.plan.last_rung + 1):
                job = Job(number, seed, rung)
                if self.steps(job) == step:
                    found[job] = key
        return found


def read_outcome(out: Store, key: str) -> Outcome:
    """Read a result. Raises ``DamagedError``."""
    name = out.uri_of(key)
    remedy = "delete it, and run the same command again, which repeats the trial"
    plain = unseal(out.read(key), name, _OUTCOME_FIELDS, remedy=remedy)
    try:
        return Outcome.from_dict(plain)
    except (DocumentError, TypeError, ValueError) as error:
        raise DamagedError(f"{name} is damaged: {error}; {remedy}") from error


def _configuration(out: Store, key: str) -> tuple[Configuration, str]:
    plain = unseal(out.read(key), out.uri_of(key), ("settings", "training", "source"), remedy="use another --out")
    return Configuration(plain["settings"], plain["training"]), str(plain["source"])


def _screened(out: Store) -> int:
    return int(unseal(out.read(SCREENED), out.uri_of(SCREENED), ("trials",))["trials"])
