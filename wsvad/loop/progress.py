"""Progress bar and progress log lines of training."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from wsvad.display import Display
from wsvad.loop.curve import STEP, VAL_AUC

log = logging.getLogger(__name__)


class TrainView:
    """Shows the progress of training. Use as a context manager.

    Args:
        steps: total number of steps.
        console: where to draw; if it is not a terminal, lines are logged instead.
    """

    def __init__(self, steps: int, console: Console) -> None:
        self._steps = steps
        self._row: dict[str, float] = {}
        self._val_auc = math.nan
        self._first: tuple[float, float] | None = None
        columns = (
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(compact=True),
        )
        self._display = Display(console, log, *columns, total=steps)

    def __enter__(self) -> TrainView:
        self._display.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.__exit__(kind, error, trace)

    @property
    def steps_per_s(self) -> float:
        """Steps per second between the first and the newest row; 0 until there are two."""
        if self._first is None or not self._row:
            return 0.0
        first_step, first_s = self._first
        elapsed = self._last_s - first_s
        return (self._row[STEP] - first_step) / elapsed if elapsed > 0 else 0.0

    def add(self, row: Mapping[str, float]) -> None:
        """Add the row of a step."""
        self._row, self._last_s = dict(row), time.monotonic()
        self._first = self._first or (row[STEP], self._last_s)
        if not math.isnan(row.get(VAL_AUC, math.nan)):
            self._val_auc = row[VAL_AUC]
        self._display.update(row[STEP], self.line, description=self.line())

    def line(self) -> str:
        """Return the progress as one line of text."""
        text = f"step {int(self._row[STEP])}/{self._steps}  loss {self._row.get('total', math.nan):.4f}"
        if not math.isnan(self._val_auc):
            text += f"  video AUC {self._val_auc:.3f}"
        return text + (f"  {self.steps_per_s:.1f} steps/s" if self.steps_per_s else "")
