"""Run a blocking call in a background thread, so that the main thread stays free to handle signals."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class BackgroundCall(threading.Thread):
    """Run a function in a daemon thread. Libraries that install signal handlers can do so only in the main thread.

    Use :meth:`wait`, not ``join``: if a signal interrupts ``join``, CPython 3.11 marks the thread as finished, and
    every later ``join`` returns immediately.
    """

    def __init__(self, call: Callable[[], Any], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._call = call
        self._finished = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Call the function and store its result or exception."""
        try:
            self.result = self._call()
        except BaseException as error:  # the main thread raises it again
            self.error = error
        finally:
            self._finished.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait up to ``timeout_s`` seconds; return whether the call has finished."""
        return self._finished.wait(timeout_s)
