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

HANDLED = (signal.SIGINT, signal.SIGTERM)

_POLL_S = 0.2
_RAISE_AGAIN_S = 5.0  # an exception that is not acknowledged within this time was lost
_TIMEOUT_S = 60.0  # training gets 30 s of it to save its state, Ray the rest to shut down
_SECOND_SIGNAL_S = 1.0  # a second signal within this time is the first one, forwarded by a wrapper process
_STOP = 0  # not a signal number


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. A ``KeyboardInterrupt``, because Ray's core propagates no other exception."""


class _SignalState:
    """State of signal handling in this process."""

    def __init__(self) -> None:
        self.number: int | None = None
        """The first signal that arrived."""
        self.acknowledged = False
        """Whether the command has acknowledged the signal and is ending."""
        self.idle_message = ""
        """Message for a signal that ends the process immediately because no work is running; empty while work runs."""
        self.deferred = 0
        """Number of nested sections in which the exception is deferred."""
        self.pending = False
        """Whether the signal arrived during an import, so that the exception is raised after it."""
        self._raised_again_at = 0.0
        self._pid = os.getpid()
        self._first_at = 0.0
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
            self.raise_signal(frame)

    def raise_signal(self, frame: FrameType | None = None) -> None:
        """Raise the exception unless it is deferred, already acknowledged, or the thread ends the process.

        During an import it is deferred: C code that imports loses exceptions, and a partial module would remain.
        """
        self.pending = self._may_raise and _importing(frame)
        if self._may_raise and not self.pending:
            raise Terminated if self.number == signal.SIGTERM else KeyboardInterrupt

    @property
    def _may_raise(self) -> bool:
        return self.number is not None and not (self.deferred or self.acknowledged or self.idle_message)

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
            if not poller.poll(_POLL_S * 1000 if self._first_at else None):
                if self.pending or time.monotonic() - max(self._first_at, self._raised_again_at) >= _RAISE_AGAIN_S:
                    self._raise_again()
                continue
            number = os.read(self._read, 1)[0]
            if number == _STOP:
                return
            if number in HANDLED:
                self._handle_arrival(number)

    def _handle_arrival(self, number: int) -> None:
        now = time.monotonic()
        if self._own:
            self._own -= 1
        elif not self._first_at:
            self.number, self._first_at = self.number or number, now
            if self.idle_message:
                self._end(self.idle_message)
        elif now - self._first_at > _SECOND_SIGNAL_S:
            self._end("stopped at once; run the same command again")

    def _raise_again(self) -> None:
        """Raise a lost exception again; after 60 s end the process without the main thread."""
        self._raised_again_at = time.monotonic()
        if time.monotonic() - self._first_at > _TIMEOUT_S:
            self._end("took too long to stop and was ended; run the same command again")
        if self.number and self._may_raise:
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
_state: _SignalState | None = None


@contextlib.contextmanager
def handled(*, permanent: bool = False) -> Iterator[None]:
    """Handle Ctrl-C and SIGTERM for the duration of a ``with`` block. A nested block does nothing.

    A signal raises ``KeyboardInterrupt`` or ``Terminated`` in the main thread, and again every 5 s until
    ``acknowledge`` is called. After 60 s, or at a second signal, the process and all its descendants end. A signal that
    was ignored when the process started (``nohup``, background jobs of a shell) stays ignored.

    Args:
        permanent: keep the handlers until the process ends. Outside of :func:`working` a signal then ends the process
            immediately, because there is nothing to unwind.
    """
    global _state
    if _state is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    state = _state = _SignalState()
    state.idle_message = "no work had started" if permanent else ""
    before = {number: signal.getsignal(number) for number in HANDLED}
    wakeup = signal.set_wakeup_fd(state.wakeup, warn_on_full_buffer=False)
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, state.handle)
    try:
        yield
    finally:
        if not permanent:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakeup)
            state.close()
            _state = None


@contextlib.contextmanager
def working() -> Iterator[None]:
    """Raise exceptions for signals for the duration of a ``with`` block, instead of ending the process immediately."""
    state = _state
    if state is None or not state.idle_message:
        yield
        return
    state.idle_message = ""
    try:
        yield
    finally:
        if state.number is None:
            state.idle_message = "the work had finished"


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Defer Ctrl-C and SIGTERM to the end of a ``with`` block whose content must not be interrupted.

    Code in the block cannot replace the handlers. Has an effect only in the main thread, where handlers run.

    Raises:
        KeyboardInterrupt: at the end of the block, if a signal arrived; it must still be acknowledged.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    state, original = _state, signal.signal

    def keep(number: int, handler: Any) -> Any:
        return signal.getsignal(number) if number in HANDLED else original(number, handler)

    vars(signal)["signal"] = keep
    if state is not None:
        state.deferred += 1
    try:
        yield
    finally:
        vars(signal)["signal"] = original
        for number in HANDLED:
            handler = signal.getsignal(number)
            if callable(handler):  # reinstall it, because C code such as Ray's core may have replaced it
                signal.signal(number, handler)
        if state is not None:
            state.deferred -= 1
    if state is not None:
        state.raise_signal()


def arrived() -> bool:
    """Whether a signal has arrived, which may be the cause of any later failure."""
    return _state is not None and _state.number is not None


def acknowledge(error: BaseException | None = None) -> tuple[int, str]:
    """Acknowledge the signal, so that it is not raised again; return the exit code and a word for what happened."""
    number: int = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
    if _state is not None:
        _state.acknowledged = True
        number = _state.number or number
    return 128 + number, _NAMES[number]


def exit_process(code: int) -> int:
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
