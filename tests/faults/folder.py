"""The system calls of a local store: counted, and each with a fault if one is planned."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from tests.faults.kinds import Fault, Operations, kill
from wsvad.storage import local

SLOW_S = 0.02
_ERRORS = {
    Fault.RESET: errno.EIO,
    Fault.LOST_REPLY: errno.EIO,
    Fault.DENIED: errno.EACCES,
    Fault.FULL: errno.ENOSPC,
    Fault.GONE: errno.ESTALE,
}


def install(operations: Operations) -> None:
    """Let the local stores of this process call through ``operations``."""
    local.os = _Calls(operations)  # type: ignore[assignment,attr-defined]
    local.open = _opened(operations)  # type: ignore[attr-defined]


class _Calls:
    """The module ``os`` of ``wsvad.storage.local``."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: str, flags: int, *more: Any) -> int:
        name = f"{'create' if flags & os.O_CREAT else 'open'} {path}"
        return _call(self._operations, name, lambda: os.open(path, flags, *more))

    def write(self, descriptor: int, data: memoryview) -> int:
        half = memoryview(data)[: (len(data) + 1) // 2]
        return _call(self._operations, "write", lambda: os.write(descriptor, data), lambda: os.write(descriptor, half))

    def pread(self, descriptor: int, length: int, offset: int) -> bytes:
        return _call(
            self._operations,
            "pread",
            lambda: os.pread(descriptor, length, offset),
            lambda: os.pread(descriptor, (length + 1) // 2, offset),
        )

    def fsync(self, descriptor: int) -> None:
        _call(self._operations, "fsync", lambda: os.fsync(descriptor))

    def link(self, source: str, target: str) -> None:
        _call(self._operations, f"link {target}", lambda: os.link(source, target))

    def replace(self, source: str, target: str) -> None:
        _call(self._operations, f"replace {target}", lambda: os.replace(source, target))

    def unlink(self, path: str) -> None:
        _call(self._operations, f"unlink {path}", lambda: os.unlink(path))

    def mkdir(self, path: str) -> None:
        _call(self._operations, f"mkdir {path}", lambda: os.mkdir(path))

    def scandir(self, path: str) -> Any:
        return _call(self._operations, f"scandir {path}", lambda: os.scandir(path))


def _opened(operations: Operations) -> Callable[..., Any]:
    """Return the function ``open`` of ``wsvad.storage.local``, whose files are only read whole."""

    @contextmanager
    def opened(descriptor: int, mode: str, *, closefd: bool) -> Any:
        with open(descriptor, mode, closefd=closefd) as file:
            yield SimpleNamespace(read=lambda: _call(operations, "read", file.read))

    return opened


def _call(operations: Operations, name: str, whole: Callable[[], Any], half: Callable[[], Any] | None = None) -> Any:
    name, _, what = name.partition(" ")
    fault = operations.next(name, what)
    if fault is None or fault is Fault.SLOW:
        time.sleep(SLOW_S if fault else 0)
        return whole()
    if fault is Fault.TRUNCATED or fault is Fault.KILL_DURING:
        assert half is not None
        done = half()
        return done if fault is Fault.TRUNCATED else kill()
    try:
        done = whole() if fault in (Fault.LOST_REPLY, Fault.KILL_AFTER) else None
    finally:
        if fault is Fault.KILL_AFTER:
            kill()
    if name == "scandir" and done is not None:
        done.close()
    raise OSError(_ERRORS[fault], os.strerror(_ERRORS[fault]))
