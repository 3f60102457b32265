"""The board that a run's driver and its first worker share: the newest row, and whether to stop."""

from __future__ import annotations


class TrainBoard:
    """Books of one run. An actor on the driver's node when on Ray."""

    def __init__(self) -> None:
        self._row: dict[str, float] = {}
        self._stop = False

    def report(self, row: dict[str, float]) -> bool:
        """Take a row of the curve; return whether the worker is to stop."""
        self._row = row
        return self._stop

    def read(self) -> dict[str, float]:
        """Return the newest row."""
        return self._row

    def stop(self) -> None:
        """Ask the workers to stop."""
        self._stop = True
