"""Progress bar of a download."""

from __future__ import annotations

import logging
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn

from wsvad.display import Display

log = logging.getLogger(__name__)


class DownloadView:
    """Shows the progress of one download. Use as a context manager; call it with received and total bytes."""

    def __init__(self, name: str, console: Console) -> None:
        self._name = name
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
        )
        self._display = Display(console, log, *columns, description=name)

    def __enter__(self) -> DownloadView:
        self._display.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.__exit__(kind, error, trace)

    def __call__(self, here: int, total: int | None) -> None:
        """Update the number of received bytes, and the total if known."""
        share = f" of {total / 1e6:.0f}" if total else ""
        self._display.update(here, lambda: f"{self._name}: {here / 1e6:.0f}{share} MB", total=total)
