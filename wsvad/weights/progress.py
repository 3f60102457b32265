"""What a person sees while bytes arrive: a bar on a terminal, elsewhere a line every 30 seconds."""

from __future__ import annotations

import logging
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

log = logging.getLogger(__name__)

LINE_EVERY_S = 30.0


class DownloadView:
    """Shows one download. Use as a context manager; call it with the bytes that are here and all bytes, if known."""

    def __init__(self, name: str, console: Console) -> None:
        self._name = name
        self._last_line = time.monotonic()
        self._task: TaskID | None = None
        self._bar: Progress | None = None
        if console.is_terminal:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
            )
            self._bar = Progress(*columns, console=console, transient=True)

    def __enter__(self) -> DownloadView:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task(self._name, total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, here: int, total: int | None) -> None:
        """Say how many bytes are here, of how many."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=here, total=total)
        elif time.monotonic() - self._last_line >= LINE_EVERY_S:
            self._last_line = time.monotonic()
            share = f" of {total / 1e6:.0f}" if total else ""
            log.info("%s: %.0f%s MB", self._name, here / 1e6, share)
