"""A call beside the main thread, which stays free for signals."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Beside(threading.Thread):
    """Calls a function in a thread of its own; libraries that would take Ctrl-C for themselves do so in the main one.

    Wait for it with :meth:`over`, never with ``join``: of a ``join`` that a signal interrupts, CPython 3.11 takes the
    thread for ended, and every later ``join`` returns at once.
    """

    def __init__(self, call: Callable[[], Any], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._call = call
        self._over = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Call, and keep what comes of it."""
        try:
            self.result = self._call()
        except BaseException as error:  # whatever it is, the main thread raises it
            self.error = error
        finally:
            self._over.set()

    def over(self, timeout_s: float) -> bool:
        """Wait so long for the end; return whether it has come."""
        return self._over.wait(timeout_s)
