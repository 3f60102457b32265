"""What a person sees while something long goes on: a bar on a terminal, elsewhere a line of the log now and then."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import Progress, ProgressColumn, TaskID

LINE_EVERY_S = 30.0


class Display:
    """Shows how far something is. Use as a context manager, and call :meth:`update` with every piece of news.

    Args:
        console: where the bar is drawn; where it is no terminal, lines go to the log.
        log: that log.
        columns: of the bar.
        total: of what :meth:`update` counts, where it is known.
        description: for a column that shows it.
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
        """Take the news: how much is done, and what a line of the log would say, if it is time for one."""
        if self._bar:
            self._bar.update(self._task, completed=completed, total=total, description=description)
        elif time.monotonic() - self._last_line >= LINE_EVERY_S:
            self._last_line = time.monotonic()
            self._log.info("%s", line())
