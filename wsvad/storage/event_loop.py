"""Waiting for what runs on fsspec's event loop, which has a thread of its own, and what becomes of it in a fork."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_held: dict[int, object] = {}


def wait_for(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """Return what the coroutine returns; whoever is interrupted while waiting (a signal) cancels it."""
    future = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        return future.result()
    finally:
        future.cancel()  # does nothing to one that is done
        del future


def hold_for_forks(connection: object) -> int:
    """See to it that a fork of this process never closes the connection; return what to ``release`` it by."""
    _held[id(connection)] = connection
    return id(connection)


def release(number: int) -> None:
    """Forget a connection that this process has closed."""
    _held.pop(number, None)


def _after_fork() -> None:
    """Give up the parent's connections without closing them.

    To close one would unregister its socket from the event queue that the kernel shares between parent and child, and
    the parent would wait for its reply in vain. So they are made immortal in the child.
    """
    for connection in _held.values():
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
    _held.clear()


os.register_at_fork(after_in_child=_after_fork)
