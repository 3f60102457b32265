"""A running sweep: provides jobs, records results, and determines when it is finished. Independent of Ray and files."""

from __future__ import annotations

import logging
from collections.abc import Callable

from wsvad.tuning.configurations import Source
from wsvad.tuning.history import History, Outcome
from wsvad.tuning.schedule import Job, Plan, Result, next_jobs
from wsvad.tuning.space import Configuration
from wsvad.tuning.trial import Task

log = logging.getLogger(__name__)


class Sweep:
    """Jobs of a sweep in the order of its schedule.

    Args:
        plan: numbers of trials, seeds and finalists.
        history: configurations and outcomes so far.
        source: source of configurations.
        source_name: name of the source in stored configurations.
        screening_time_over: returns whether the time for screening is over.
    """

    def __init__(
        self,
        plan: Plan,
        history: History,
        source: Source,
        source_name: str,
        screening_time_over: Callable[[], bool] = lambda: False,
    ) -> None:
        self.plan, self.history = plan, history
        self._source, self._source_name, self._screening_time_over = source, source_name, screening_time_over
        self._running: set[Job] = set()
        self._round: list[Job] = []
        self._reported: set[int] = set()
        self.lost: dict[Job, Outcome] = {}
        """Jobs whose workers died; the next run retries them."""
        for number, configuration in sorted(history.configurations.items()):
            self._tell(number, configuration)

    @property
    def results(self) -> dict[Job, Result]:
        """Results by job, for the schedule."""
        found = {job: Result(outcome.value) for job, outcome in self.history.outcomes.items()}
        return {**found, **{job: Result(None) for job in self.lost}}

    @property
    def running(self) -> int:
        """Number of running jobs."""
        return len(self._running)

    @property
    def finished(self) -> bool:
        """Whether no job is left to start, now or later."""
        return not self._running and not self._left()

    def next_task(self) -> Task | None:
        """Return a job that can start now; ``None``: none can before another one ends.

        Raises:
            StorageError: its configuration cannot be written.
        """
        left = [job for job in self._left() if job not in self._running]
        if not left:
            return None
        job = left[0]
        if job.number not in self.history.configurations:
            configuration = self._source.configuration(job.number)
            self.history.configure(job.number, configuration, self._source_name)
        self._running.add(job)
        self._round.remove(job)
        configuration, steps = self.history.configurations[job.number], self.history.steps(job)
        return Task(job, configuration, steps, steps == self.history.steps_of(configuration))

    def take(self, job: Job, outcome: Outcome) -> None:
        """Record the result of a job."""
        self._running.discard(job)
        if outcome.status == "lost":
            self.lost[job] = outcome
        else:
            self.history.outcomes[job] = outcome
        if outcome.status != "done":
            log.warning("trial %d seed %d: %s: %s", job.number, job.seed, outcome.status, outcome.error)
        self._tell(job.number, self.history.configurations[job.number])

    def figures(self) -> dict[str, float]:
        """Return the progress for plots: trainings done, running and without a value, and the best value."""
        values = [outcome.value for outcome in self.history.outcomes.values()]
        known = [value for value in values if value is not None]
        found = {
            "done": len(values),
            "running": self.running,
            "without_value": len(values) - len(known) + len(self.lost),
        }
        return {**{name: float(count) for name, count in found.items()}, **({"best": max(known)} if known else {})}

    def _left(self) -> list[Job]:
        """Return the unstarted jobs of the round; the next round is computed when all jobs of this one have ended."""
        if self.history.screened is None and self._screening() and self._screening_time_over():
            self.history.end_screening(len(self.history.configurations))
            log.info("the time for screening is over, after %d trials", len(self.history.configurations))
            self._round = []
        if not self._round and not self._running:
            screened = None if self.history.screened is None else range(self.history.screened)
            self._round = next_jobs(self.plan, self.results, screened=screened)
        return self._round

    def _screening(self) -> bool:
        return not any(job.stage == "finals" for job in (*self._round, *self._running))

    def _tell(self, number: int, configuration: Configuration) -> None:
        """Report the result of a configuration with the first seed to the source, once it is known."""
        if number in self._reported:
            return
        for rung in range(self.plan.last_rung + 1):
            job = Job(number, 0, rung)
            outcome = self.history.outcomes.get(job) or self.lost.get(job)
            if outcome and (rung == self.plan.last_rung or outcome.value is None):
                self._reported.add(number)
                self._source.tell(number, configuration, outcome.value)
                return
