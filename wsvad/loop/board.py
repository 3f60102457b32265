"""The board that a run's driver and its first worker share: the newest row, and whether to stop."""

from __future__ import annotations


class TrainBoard:
    """Books of one run. An actor on the driver's node when on Ray."""

    def __init__(self) -> None:
        self._row: dict[str, float] = {}
        self._failure = ("", "")
        self._stop = False

    def report(self, row: dict[str, float]) -> bool:
        """Take a row of the curve; return whether the worker is to stop."""
        self._row = row
        return self._stop

    def fail(self, kind: str, message: str) -> None:
        """Take note of an error that a new group of workers would meet again."""
        self._failure = kind, message

    def read(self) -> tuple[dict[str, float], tuple[str, str]]:
        """Return the newest row, and kind and message of such an error, empty where there is none."""
        return self._row, self._failure

    def stop(self) -> None:
        """Ask the workers to stop."""
        self._stop = True
