"""Which trials run, in which order: a pure function of what was asked for and of the results so far.

A sweep goes through rounds. First every configuration is trained with the first seed; with halving, only part of the
way, and the better ones further (successive halving, Jamieson & Talwalkar 2016). Those that are left are trained with
the next tuning seeds, again halved between seeds. At last the finalists are trained with fresh seeds, which chose
nothing. A round is finished before the next begins, so that neither the number of workers nor a restart changes what
runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from wsvad.errors import UsageError

Stage = Literal["screening", "finals"]
FRESH = 1000
"""The first seed of the finals: far from the tuning seeds 0, 1, …"""


@dataclass(frozen=True, order=True)
class Job:
    """One configuration trained with one seed up to a part of its steps."""

    number: int
    """Of the configuration, from 0."""
    seed: int
    rung: int
    """Parts of the training, from 0; the last one ends at all steps."""

    @property
    def stage(self) -> Stage:
        """Whether its seed tunes or reports."""
        return "finals" if self.seed >= FRESH else "screening"


@dataclass(frozen=True)
class Result:
    """What became of a job, as far as the schedule looks at it."""

    value: float | None
    """Of the figure that is maximised; None: it diverged, failed, or was lost."""


Results = Mapping[Job, Result]


@dataclass(frozen=True)
class Plan:
    """How many of everything."""

    trials: int
    """Configurations, at least 1."""
    seeds: int = 1
    """Tuning seeds."""
    eta: int = 0
    """Of n configurations n / eta go on at each halving; 0: no halving."""
    rungs: int = 3
    """Parts of the training with the first seed between which configurations are dropped."""
    finalists: int = 3
    """Configurations that are trained with fresh seeds; 0: no finals."""
    fresh_seeds: int = 5

    def __post_init__(self) -> None:
        if self.eta == 1 or self.eta < 0:
            raise UsageError(
                f"halving keeps 1 of ETA configurations: expected 2 or more, or 0 for none, got {self.eta}"
            )
        for name, least in (("trials", 1), ("seeds", 1), ("rungs", 1), ("finalists", 0), ("fresh_seeds", 1)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.seeds > FRESH:
            raise UsageError(f"seeds must be at most {FRESH}, got {self.seeds}")

    @property
    def last_rung(self) -> int:
        """The rung that ends at all steps."""
        return self.rungs - 1 if self.eta else 0

    def steps_at(self, rung: int, steps: int) -> int:
        """Return the step at which a rung ends, of a training of so many steps."""
        return steps if rung >= self.last_rung else max(1, math.ceil(steps / self.eta ** (self.last_rung - rung)))

    @property
    def jobs(self) -> int:
        """Jobs that all of it comes to, if no configuration drops out by itself."""
        number, total = self.trials, 0
        for _ in range(self.last_rung + self.seeds):
            total += number
            number = self.kept(number)
        return total + min(self.finalists, self.trials) * self.fresh_seeds

    def kept(self, number: int) -> int:
        """Return how many of so many configurations go on."""
        return min(number, max(self.finalists, 1, math.ceil(number / self.eta))) if self.eta else number


def next_jobs(plan: Plan, results: Results, *, screened: Sequence[int] | None = None) -> list[Job]:
    """Return the jobs of the round that is under way and that have no result yet; none: the sweep is finished.

    Args:
        plan: what was asked for.
        results: of all jobs that ended.
        screened: where screening was ended early (its hours were over): the configurations that had begun by then.
    """
    if screened is None:
        for jobs in _rounds(plan, results):
            left = [job for job in jobs if job not in results]
            if left:
                return left
    chosen = finalists(plan, results)
    jobs = [Job(number, FRESH + n, plan.last_rung) for n in range(plan.fresh_seeds) for number in chosen]
    return [job for job in jobs if job not in results]


def _rounds(plan: Plan, results: Results) -> list[list[Job]]:
    """The rounds of screening up to the first that is not finished."""
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
    """Configurations by their mean over the seeds so far, best first; those without a value have dropped out."""
    means: dict[int, float] = {}
    for number in numbers:
        values = [results[Job(number, s, rung)].value for s in range(seed + 1) if Job(number, s, rung) in results]
        known = [value for value in values if value is not None]
        if known and len(known) == len(values):
            means[number] = fmean(known)
    return sorted(means, key=lambda number: (-means[number], number))


def screened_means(plan: Plan, results: Results) -> dict[int, tuple[int, int, float]]:
    """Return how far each configuration came in screening: rung, seeds with a value at it, and their mean.

    Of the highest rung that all its seeds reached; a configuration without a value, or with a seed that diverged, has
    none.
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
    """Return the configurations, best first: who came further is before who was dropped, then the higher mean."""
    reached = screened_means(plan, results)
    return sorted(reached, key=lambda n: (-reached[n][0], -reached[n][1], -reached[n][2], n))


def finalists(plan: Plan, results: Results) -> list[int]:
    """Return the configurations of the finals, best first."""
    return ranking(plan, results)[: plan.finalists]


def winner(plan: Plan, results: Results) -> int | None:
    """Return the configuration that is best on fresh seeds; without finals, the best of screening; None: no trial
    gave a value.
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
