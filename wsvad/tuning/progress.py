"""Progress display of a sweep."""

from __future__ import annotations

import logging
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn

from wsvad.display import Display
from wsvad.tuning.schedule import Job
from wsvad.tuning.sweep import Sweep

log = logging.getLogger(__name__)


class TuneView:
    """Shows the progress of a sweep. Use as a context manager, and call :meth:`update` regularly.

    Args:
        sweep: the running sweep.
        metric: name of the maximised metric.
        console: console for the display; progress is logged if it is not a terminal.
    """

    def __init__(self, sweep: Sweep, metric: str, console: Console) -> None:
        self._sweep, self._metric = sweep, metric
        self._began = time.monotonic()
        self._before = len(sweep.history.outcomes)
        columns = (TextColumn("tuning"), BarColumn(), TextColumn("{task.description}"))
        self._display = Display(console, log, *columns, total=self.total)

    def __enter__(self) -> TuneView:
        self._display.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.__exit__(kind, error, trace)

    @property
    def total(self) -> int:
        """Number of jobs of the sweep, as far as it is known."""
        return max(self._sweep.plan.jobs, len(self._sweep.history.outcomes))

    def update(self) -> None:
        """Update the display."""
        self._display.update(len(self._sweep.history.outcomes), self.line, total=self.total, description=self.line())

    def line(self) -> str:
        """Return the progress in one line."""
        outcomes = dict(self._sweep.history.outcomes)  # a copy: another thread adds results meanwhile
        text = f"{len(outcomes)}/{self.total} trainings, {self._sweep.running} running"
        bad = sum(outcome.value is None for outcome in outcomes.values()) + len(self._sweep.lost)
        text += f", {bad} without a value" if bad else ""
        best: tuple[float, Job] | None = max(
            ((o.value, job) for job, o in outcomes.items() if o.value is not None), default=None
        )
        if best:
            text += f"  best {self._metric} {best[0]:.3f} (trial {best[1].number})"
        done = len(outcomes) - self._before
        if done > 0:
            left_s = (time.monotonic() - self._began) / done * max(0, self.total - len(outcomes))
            text += f"  {left_s / 60:.0f} min left"
        return text
