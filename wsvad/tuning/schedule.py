"""Schedule of a sweep: which trials run, in which order. A pure function of the plan and the results so far.

A sweep consists of rounds. In the first, every configuration is trained with the first seed; with halving, only for
part of the steps, and the better ones continue (successive halving, Jamieson & Talwalkar 2016). The remaining ones are
trained with the next tuning seeds, again with halving between seeds. Finally the finalists are trained with fresh
seeds, which had no part in the selection. A round finishes before the next one starts, so neither the number of workers
nor a restart changes what runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from wsvad.errors import UsageError

Stage = Literal["screening", "finals"]
FIRST_FRESH_SEED = 1000
"""First seed of the finals, far from the tuning seeds 0, 1, …"""


@dataclass(frozen=True, order=True)
class Job:
    """Training of one configuration with one seed up to a rung."""

    number: int
    """Number of the configuration, from 0."""
    seed: int
    rung: int
    """Rung of successive halving, from 0; the last rung ends at the last training step."""

    @property
    def stage(self) -> Stage:
        """Return ``screening`` for a tuning seed, ``finals`` for a fresh seed."""
        return "finals" if self.seed >= FIRST_FRESH_SEED else "screening"


@dataclass(frozen=True)
class Result:
    """Result of a job as used by the schedule."""

    value: float | None
    """Value of the maximised metric; None: the job diverged, failed, or was lost."""


Results = Mapping[Job, Result]


@dataclass(frozen=True)
class Plan:
    """Numbers of trials, seeds and finalists of a sweep."""

    trials: int
    """Number of configurations, at least 1."""
    seeds: int = 1
    """Number of tuning seeds."""
    eta: int = 0
    """Reduction factor: of n configurations, n / eta continue after each halving; 0: no halving."""
    rungs: int = 3
    """Number of rungs of the training with the first seed."""
    finalists: int = 3
    """Number of configurations to train with fresh seeds; 0: no finals."""
    fresh_seeds: int = 5
    """Number of fresh seeds per finalist."""

    def __post_init__(self) -> None:
        if self.eta == 1 or self.eta < 0:
            raise UsageError(
                f"halving keeps 1 of ETA configurations: eta must be at least 2, or 0 for no halving, got {self.eta}"
            )
        for name, least in (("trials", 1), ("seeds", 1), ("rungs", 1), ("finalists", 0), ("fresh_seeds", 1)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.seeds > FIRST_FRESH_SEED:
            raise UsageError(f"seeds must be at most {FIRST_FRESH_SEED}, got {self.seeds}")

    @property
    def last_rung(self) -> int:
        """The rung that ends at the last training step."""
        return self.rungs - 1 if self.eta else 0

    def steps_at(self, rung: int, steps: int) -> int:
        """Return the step at which a rung ends, for a training of ``steps`` steps."""
        return steps if rung >= self.last_rung else max(1, math.ceil(steps / self.eta ** (self.last_rung - rung)))

    @property
    def jobs(self) -> int:
        """Number of jobs of the sweep if no configuration fails."""
        number, total = self.trials, 0
        for _ in range(self.last_rung + self.seeds):
            total += number
            number = self.kept(number)
        return total + min(self.finalists, self.trials) * self.fresh_seeds

    def kept(self, number: int) -> int:
        """Return how many of ``number`` configurations continue after a halving."""
        return min(number, max(self.finalists, 1, math.ceil(number / self.eta))) if self.eta else number


def next_jobs(plan: Plan, results: Results, *, screened: Sequence[int] | None = None) -> list[Job]:
    """Return the jobs of the current round without a result; empty if the sweep is finished.

    Args:
        plan: plan of the sweep.
        results: results of all finished jobs.
        screened: if screening ended early because its time was over: the configurations that had begun by then.
    """
    if screened is None:
        for jobs in _rounds(plan, results):
            left = [job for job in jobs if job not in results]
            if left:
                return left
    chosen = finalists(plan, results)
    jobs = [Job(number, FIRST_FRESH_SEED + n, plan.last_rung) for n in range(plan.fresh_seeds) for number in chosen]
    return [job for job in jobs if job not in results]


def _rounds(plan: Plan, results: Results) -> list[list[Job]]:
    """Return the rounds of screening up to the first unfinished one."""
    found: list[list[Job]] = []
    numbers: list[int] = list(range(plan.trials))
    parts = [(0, rung) for rung in range(plan.last_rung + 1)] + [
        (seed, plan.last_rung) for seed in range(1, plan.seeds)
    ]
    for place, (seed, rung) in enumerate(parts):
        jobs = [Job(number, seed, rung) for number in numbers]
        found.append(jobs)
        if any(job not in results for job in jobs):
            break
        if place + 1 < len(parts):
            numbers = _best(numbers, results, seed, rung)
            numbers = numbers[: plan.kept(len(jobs))]
    return found


def _best(numbers: Sequence[int], results: Results, seed: int, rung: int) -> list[int]:
    """Return the configurations by their mean over the seeds so far, best first, without those that have no value."""
    means: dict[int, float] = {}
    for number in numbers:
        values = [results[Job(number, s, rung)].value for s in range(seed + 1) if Job(number, s, rung) in results]
        known = [value for value in values if value is not None]
        if known and len(known) == len(values):
            means[number] = fmean(known)
    return sorted(means, key=lambda number: (-means[number], number))


def screened_means(plan: Plan, results: Results) -> dict[int, tuple[int, int, float]]:
    """Return for each configuration in screening the highest rung of all its seeds, the number of seeds, and their
    mean.

    Configurations without a value, or with a diverged seed, are left out.
    """
    found: dict[int, tuple[int, int, float]] = {}
    by_number: dict[int, list[Job]] = {}
    for job in results:
        if job.stage == "screening":
            by_number.setdefault(job.number, []).append(job)
    for number, jobs in by_number.items():
        rung = max(job.rung for job in jobs)
        values = [results[job].value for job in jobs if job.rung == rung]
        known = [value for value in values if value is not None]
        if known and len(known) == len(values):
            found[number] = (rung, len(known), fmean(known))
    return found


def ranking(plan: Plan, results: Results) -> list[int]:
    """Return the configurations, best first: by rung, then by number of seeds, then by mean."""
    reached = screened_means(plan, results)
    return sorted(reached, key=lambda n: (-reached[n][0], -reached[n][1], -reached[n][2], n))


def finalists(plan: Plan, results: Results) -> list[int]:
    """Return the configurations of the finals, best first."""
    return ranking(plan, results)[: plan.finalists]


def winner(plan: Plan, results: Results) -> int | None:
    """Return the best configuration on fresh seeds, or without finals the best of screening; None: no trial gave a
    value.
    """
    means: dict[int, float] = {}
    for number in finalists(plan, results):
        values = [r.value for job, r in results.items() if job.number == number and job.stage == "finals"]
        known = [value for value in values if value is not None]
        if known and len(known) == len(values):
            means[number] = fmean(known)
    if means:
        return min(means, key=lambda number: (-means[number], number))
    return next(iter(ranking(plan, results)), None)
