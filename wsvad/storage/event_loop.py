"""Call coroutines on fsspec's event loop, which runs in a thread of its own, and keep its connections safe in forks."""

from __future__ import annotations

import asyncio
import ctypes
import os
import threading
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_protected: dict[int, object] = {}


class _LoopCall(Generic[T]):
    """A coroutine that runs on the loop while another thread waits for its result.

    Uses a plain lock instead of the two futures of ``asyncio.run_coroutine_threadsafe``, which halves the overhead.
    """

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work
        self._running = threading.Lock()
        self._running.acquire()
        self._task: asyncio.Task[None] | None = None
        self._result: list[T] = []
        self._error: BaseException | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._task = loop.create_task(self._run())

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def wait(self) -> None:
        self._running.acquire()

    def result(self) -> T:
        error, self._error = self._error, None
        if error is None:
            return self._result[0]
        try:
            raise error
        finally:
            del error  # its traceback references this frame

    async def _run(self) -> None:
        try:
            self._result.append(await self._work)
        except BaseException as exc:
            self._error = exc
        finally:
            self._running.release()


def wait_for(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the loop and return its result. An exception while waiting (a signal) cancels it."""
    call = _LoopCall(work)
    loop.call_soon_threadsafe(call.start, loop)
    try:
        call.wait()
    except BaseException:  # raised by a signal handler
        loop.call_soon_threadsafe(call.cancel)
        raise
    return call.result()


def protect_from_forks(connection: object) -> int:
    """Prevent forks of this process from closing the connection; return a handle for ``release``."""
    _protected[id(connection)] = connection
    return id(connection)


def release(number: int) -> None:
    """Forget a connection that this process has closed."""
    _protected.pop(number, None)


def _after_fork() -> None:
    """Abandon the parent's connections without closing them.

    Closing one would unregister its socket from the epoll instance that parent and child share, and the parent would
    wait forever for a reply. Therefore an extra reference keeps the connections alive in the child.
    """
    for connection in _protected.values():
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
    _protected.clear()


os.register_at_fork(after_in_child=_after_fork)
