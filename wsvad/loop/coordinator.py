"""State shared by a run's driver and its first worker: the newest row of the curve, and a stop request."""

from __future__ import annotations


class TrainCoordinator:
    """Shared state of one training run. On Ray, an actor on the driver's node."""

    def __init__(self) -> None:
        self._row: dict[str, float] = {}
        self._failure = ("", "")
        self._stop = False

    def report(self, row: dict[str, float]) -> bool:
        """Record a row of the curve; return whether the worker should stop."""
        self._row = row
        return self._stop

    def fail(self, kind: str, message: str) -> None:
        """Record an error that would recur in a restarted group of workers."""
        self._failure = kind, message

    def read(self) -> tuple[dict[str, float], tuple[str, str]]:
        """Return the newest row, and kind and message of a recorded error (empty if there is none)."""
        return self._row, self._failure

    def stop(self) -> None:
        """Request that the workers stop."""
        self._stop = True
