"""What a person sees while a model trains."""

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
    """Shows rows of the curve as they come. Use as a context manager.

    Args:
        steps: of the whole run.
        console: where to draw; lines go to the log where it is no terminal.
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
        """Steps over the time between the first and the last row; 0 before the second."""
        if self._first is None or not self._row:
            return 0.0
        first_step, first_s = self._first
        elapsed = self._last_s - first_s
        return (self._row[STEP] - first_step) / elapsed if elapsed > 0 else 0.0

    def add(self, row: Mapping[str, float]) -> None:
        """Take note of a step."""
        self._row, self._last_s = dict(row), time.monotonic()
        self._first = self._first or (row[STEP], self._last_s)
        if not math.isnan(row.get(VAL_AUC, math.nan)):
            self._val_auc = row[VAL_AUC]
        self._display.update(row[STEP], self.line, description=self.line())

    def line(self) -> str:
        """Say in one line how far training is."""
        text = f"step {int(self._row[STEP])}/{self._steps}  loss {self._row.get('total', math.nan):.4f}"
        if not math.isnan(self._val_auc):
            text += f"  video AUC {self._val_auc:.3f}"
        return text + (f"  {self.steps_per_s:.1f} steps/s" if self.steps_per_s else "")
