"""A sweep under way: gives out jobs, takes results, and knows when it is over. No Ray, no files of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable

from wsvad.tuning.book import Book, Outcome
from wsvad.tuning.configurations import Source
from wsvad.tuning.schedule import Job, Plan, Result, next_jobs
from wsvad.tuning.space import Configuration
from wsvad.tuning.trial import Task

log = logging.getLogger(__name__)


class Sweep:
    """The jobs of a sweep, in the order of its schedule.

    Args:
        plan: how many of everything.
        book: what is done already.
        source: of configurations.
        source_name: what their records call it.
        hours_over: whether screening is to be ended.
    """

    def __init__(
        self, plan: Plan, book: Book, source: Source, source_name: str, hours_over: Callable[[], bool] = lambda: False
    ) -> None:
        self.plan, self.book = plan, book
        self._source, self._source_name, self._hours_over = source, source_name, hours_over
        self._running: set[Job] = set()
        self._round: list[Job] = []
        self._told: set[int] = set()
        self.lost: dict[Job, Outcome] = {}
        """Jobs whose workers ended; they are tried again by the next call."""
        for number, configuration in sorted(book.configurations.items()):
            self._tell(number, configuration)

    @property
    def results(self) -> dict[Job, Result]:
        """Values by job, as the schedule wants them."""
        found = {job: Result(outcome.value) for job, outcome in self.book.outcomes.items()}
        return {**found, **{job: Result(None) for job in self.lost}}

    @property
    def running(self) -> int:
        """Jobs under way."""
        return len(self._running)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to begin, now or later."""
        return not self._running and not self._left()

    def next_task(self) -> Task | None:
        """Return a job that can begin now; ``None``: none can before another one ends.

        Raises:
            StorageError: its configuration cannot be written down.
        """
        left = [job for job in self._left() if job not in self._running]
        if not left:
            return None
        job = left[0]
        if job.number not in self.book.configurations:
            asked = self._source.configuration(job.number)
            self.book.configure(job.number, asked, self._source_name)
        self._running.add(job)
        self._round.remove(job)
        configuration, steps = self.book.configurations[job.number], self.book.steps(job)
        return Task(job, configuration, steps, steps == self.book.steps_of(configuration))

    def take(self, job: Job, outcome: Outcome) -> None:
        """Take the result of a job."""
        self._running.discard(job)
        if outcome.status == "lost":
            self.lost[job] = outcome
        else:
            self.book.outcomes[job] = outcome
        if outcome.status != "done":
            log.warning("trial %d seed %d: %s: %s", job.number, job.seed, outcome.status, outcome.error)
        self._tell(job.number, self.book.configurations[job.number])

    def figures(self) -> dict[str, float]:
        """Return for plots: trainings done, under way and without a value, and the best figure."""
        values = [outcome.value for outcome in self.book.outcomes.values()]
        known = [value for value in values if value is not None]
        found = {
            "done": len(values),
            "running": self.running,
            "without_value": len(values) - len(known) + len(self.lost),
        }
        return {**{name: float(count) for name, count in found.items()}, **({"best": max(known)} if known else {})}

    def _left(self) -> list[Job]:
        """Jobs of the round that nobody has begun; the next round is looked up once all of this one have ended."""
        if self.book.screened is None and self._screening() and self._hours_over():
            self.book.end_screening(len(self.book.configurations))
            log.info("the hours of screening are over, after %d trials", len(self.book.configurations))
            self._round = []
        if not self._round and not self._running:
            screened = None if self.book.screened is None else range(self.book.screened)
            self._round = next_jobs(self.plan, self.results, screened=screened)
        return self._round

    def _screening(self) -> bool:
        return not any(job.stage == "finals" for job in (*self._round, *self._running))

    def _tell(self, number: int, configuration: Configuration) -> None:
        """Tell the source what a configuration gave with the first seed, once it is known."""
        if number in self._told:
            return
        for rung in range(self.plan.last_rung + 1):
            job = Job(number, 0, rung)
            outcome = self.book.outcomes.get(job) or self.lost.get(job)
            if outcome and (rung == self.plan.last_rung or outcome.value is None):
                self._told.add(number)
                self._source.tell(number, configuration, outcome.value)
                return
