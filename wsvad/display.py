"""Show the progress of long operations: a progress bar on a terminal, otherwise periodic log lines."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import Progress, ProgressColumn, TaskID

LINE_EVERY_S = 30.0


class Display:
    """Shows the progress of an operation. Use as a context manager, and call :meth:`update` on every change.

    Args:
        console: where the bar is drawn; if it is not a terminal, lines are logged instead.
        log: logger for these lines.
        columns: columns of the bar.
        total: total of the units that :meth:`update` counts, if known.
        description: text of a description column.
    """

    def __init__(
        self,
        console: Console,
        log: logging.Logger,
        *columns: str | ProgressColumn,
        total: float | None = None,
        description: str = "",
    ) -> None:
        self._log = log
        self._last_line = time.monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)
        if console.is_terminal:
            self._bar = Progress(*columns, console=console, transient=True, redirect_stdout=False)
            self._task = self._bar.add_task(description, total=total)

    def __enter__(self) -> Display:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def update(
        self, completed: float, line: Callable[[], str], *, total: float | None = None, description: str | None = None
    ) -> None:
        """Update the completed amount. Without a bar, log ``line()`` if 30 s have passed since the last line."""
        if self._bar:
            self._bar.update(self._task, completed=completed, total=total, description=description)
        elif time.monotonic() - self._last_line >= LINE_EVERY_S:
            self._last_line = time.monotonic()
            self._log.info("%s", line())
