"""Handle Ctrl-C and SIGTERM: the process ends promptly with exit code 130 or 143 and leaves no child processes.

A handler that raises an exception is not sufficient:

* Exceptions are lost where C calls back into Python, in destructors, and in libraries that catch everything.
* Ray replaces the SIGTERM handler while it starts.
* An import that is interrupted leaves a broken module.

Therefore the exception is raised again until the command acknowledges it, and deferred during critical sections and
imports. A thread ends the process if this takes too long or if a second signal arrives. The module uses only the
standard library, so that the handlers are installed before anything that takes seconds to import.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

HEEDED = (signal.SIGINT, signal.SIGTERM)

_LOOK_EVERY_S = 0.2
_AGAIN_EVERY_S = 5.0  # an exception that is not acknowledged within this time was lost
_LONGEST_S = 60.0  # training gets 30 s of it to save its state, Ray the rest to shut down
_SECOND_AFTER_S = 1.0  # a second signal within this time is the first one, forwarded by a wrapper process
_STOP = 0  # not a signal number


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. A ``KeyboardInterrupt``, because Ray's core propagates no other exception."""


class _Watch:
    """State of signal handling in this process."""

    def __init__(self) -> None:
        self.number: int | None = None
        """The first signal that arrived."""
        self.noted = False
        """Whether the command has acknowledged the signal and is ending."""
        self.at_once = ""
        """Message for a signal that ends the process immediately because no work is running; empty while work runs."""
        self.held = 0
        """Number of nested sections in which the exception is deferred."""
        self.waiting = False
        """Whether the signal arrived during an import, so that the exception is raised after it."""
        self._insisted = 0.0
        self._pid = os.getpid()
        self._since = 0.0
        self._own = 0  # number of signals that this process sent to itself
        self._stderr = _duplicate(2)  # file descriptor 2 is redirected while Ray starts
        pipe = os.pipe()
        self._read, self.wakeup = map(_duplicate, pipe)
        for descriptor in pipe:
            os.close(descriptor)
        os.set_blocking(self.wakeup, False)
        self._thread = threading.Thread(target=self._run, name="signals", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        os.write(self.wakeup, bytes([_STOP]))
        self._thread.join()
        for descriptor in (self._read, self.wakeup, self._stderr):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Raise in the main thread. Does nothing in a child between fork and exec, which inherits the handler."""
        if os.getpid() == self._pid:
            self.number = self.number or number
            self.strike(frame)

    def strike(self, frame: FrameType | None = None) -> None:
        """Raise the exception unless it is deferred, already acknowledged, or the thread ends the process.

        During an import it is deferred: C code that imports loses exceptions, and a partial module would remain.
        """
        self.waiting = self._may_strike and _importing(frame)
        if self._may_strike and not self.waiting:
            raise Terminated if self.number == signal.SIGTERM else KeyboardInterrupt

    @property
    def _may_strike(self) -> bool:
        return self.number is not None and not (self.held or self.noted or self.at_once)

    def _end(self, message: str) -> NoReturn:
        """End this process and all its descendants immediately."""
        number = self.number or signal.SIGTERM
        with contextlib.suppress(OSError):
            os.write(self._stderr, f"{_NAMES[number]}: {message}\n".encode())
        end_descendants()
        os._exit(128 + number)

    def _run(self) -> None:
        """Read signal numbers from the wakeup descriptor, which works even if the main thread is blocked."""
        poller = select.poll()
        poller.register(self._read, select.POLLIN)
        while True:
            if not poller.poll(_LOOK_EVERY_S * 1000 if self._since else None):
                if self.waiting or time.monotonic() - max(self._since, self._insisted) >= _AGAIN_EVERY_S:
                    self._insist()
                continue
            number = os.read(self._read, 1)[0]
            if number == _STOP:
                return
            if number in HEEDED:
                self._arrived(number)

    def _arrived(self, number: int) -> None:
        now = time.monotonic()
        if self._own:
            self._own -= 1
        elif not self._since:
            self.number, self._since = self.number or number, now
            if self.at_once:
                self._end(self.at_once)
        elif now - self._since > _SECOND_AFTER_S:
            self._end("stopped at once; run the same command again")

    def _insist(self) -> None:
        """Raise a lost exception again; after 60 s end the process without the main thread."""
        self._insisted = time.monotonic()
        if time.monotonic() - self._since > _LONGEST_S:
            self._end("took too long to stop and was ended; run the same command again")
        if self.number and self._may_strike:
            self._own += 1
            signal.pthread_kill(threading.main_thread().ident or 0, self.number)


def _importing(frame: FrameType | None) -> bool:
    """Whether a stack frame is part of an import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib."):
            return True
        frame = frame.f_back
    return False


def _duplicate(descriptor: int) -> int:
    """Return a duplicate above the standard descriptors, or -1 if the descriptor is closed."""
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    except OSError:
        return -1


_NAMES: dict[int, str] = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_watch: _Watch | None = None


@contextlib.contextmanager
def heeded(*, for_good: bool = False) -> Iterator[None]:
    """Handle Ctrl-C and SIGTERM for the duration of a ``with`` block. A nested block does nothing.

    A signal raises ``KeyboardInterrupt`` or ``Terminated`` in the main thread, and again every 5 s until
    ``acknowledge`` is called. After 60 s, or at a second signal, the process and all its descendants end. A signal that
    was ignored when the process started (``nohup``, background jobs of a shell) stays ignored.

    Args:
        for_good: keep the handlers until the process ends. Outside of :func:`working` a signal then ends the process
            immediately, because there is nothing to unwind.
    """
    global _watch
    if _watch is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    watch = _watch = _Watch()
    watch.at_once = "no work had started" if for_good else ""
    before = {number: signal.getsignal(number) for number in HEEDED}
    wakeup = signal.set_wakeup_fd(watch.wakeup, warn_on_full_buffer=False)
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, watch.handle)
    try:
        yield
    finally:
        if not for_good:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakeup)
            watch.close()
            _watch = None


@contextlib.contextmanager
def working() -> Iterator[None]:
    """Raise exceptions for signals for the duration of a ``with`` block, instead of ending the process immediately."""
    watch = _watch
    if watch is None or not watch.at_once:
        yield
        return
    watch.at_once = ""
    try:
        yield
    finally:
        if watch.number is None:
            watch.at_once = "the work had finished"


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Defer Ctrl-C and SIGTERM to the end of a ``with`` block whose content must not be interrupted.

    Code in the block cannot replace the handlers. Has an effect only in the main thread, where handlers run.

    Raises:
        KeyboardInterrupt: at the end of the block, if a signal arrived; it must still be acknowledged.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    watch, given = _watch, signal.signal

    def keep(number: int, handler: Any) -> Any:
        return signal.getsignal(number) if number in HEEDED else given(number, handler)

    vars(signal)["signal"] = keep
    if watch is not None:
        watch.held += 1
    try:
        yield
    finally:
        vars(signal)["signal"] = given
        for number in HEEDED:
            handler = signal.getsignal(number)
            if callable(handler):  # reinstall it, because C code such as Ray's core may have replaced it
                signal.signal(number, handler)
        if watch is not None:
            watch.held -= 1
    if watch is not None:
        watch.strike()


def arrived() -> bool:
    """Whether a signal has arrived, which may be the cause of any later failure."""
    return _watch is not None and _watch.number is not None


def note(error: BaseException | None = None) -> tuple[int, str]:
    """Acknowledge the signal, so that it is not raised again; return the exit code and a word for what happened."""
    number: int = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
    if _watch is not None:
        _watch.noted = True
        number = _watch.number or number
    return 128 + number, _NAMES[number]


def leave(code: int) -> int:
    """Return the exit code; if a signal arrived, end the process and all its descendants here instead.

    A regular exit would wait for threads, and might crash in interrupted libraries.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # missing, broken or closed stream
            stream.flush()
    if arrived():
        end_descendants()
        os._exit(code)
    return code


def end_descendants() -> None:
    """Kill all descendants of this process, parents first."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
                parents.setdefault(parent, []).append(int(name))
    waiting = parents.get(os.getpid(), [])
    while waiting:
        pid = waiting.pop(0)
        waiting += parents.get(pid, [])
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
