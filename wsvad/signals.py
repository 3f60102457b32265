"""Ctrl-C and SIGTERM at any moment: the process ends with 130 or 143, soon, and leaves no child behind.

A handler that raises is not enough. An exception is lost where C calls back into Python, in destructors, and in
libraries that catch everything; Ray takes SIGTERM for itself while it starts; a module that is interrupted in the midst
of its import fails in ways of its own. So a signal is remembered, raised again until somebody notes it, and held back
where it must not strike; a thread ends the process when that takes too long, or when it is asked for a second time.
Only the standard library is used, so that the handlers are there before anything that takes seconds to import.
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
_AGAIN_EVERY_S = 5.0  # an exception that nobody noted within this was lost
_LONGEST_S = 60.0  # a training run gets 30 s to save its state, Ray some to end
_SECOND_AFTER_S = 1.0  # a second signal that comes sooner is the first one, passed on by a wrapper
_STOP = 0  # no signal has this number


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived; unwinds like Ctrl-C. Of its family, because Ray's core passes on no other exception."""


class _Watch:
    """What has arrived, and what is done about it."""

    def __init__(self) -> None:
        self.number: int | None = None
        """The first signal that arrived."""
        self.noted = False
        """The command has begun to end because of it."""
        self.at_once = ""
        """Where there is nothing to unwind, and the process ends where it stands: what is said then."""
        self.held = 0
        """How many sections it must not strike in."""
        self.waiting = False
        """It arrived in the midst of an import, and is to be raised as soon as that is over."""
        self._insisted = 0.0
        self._pid = os.getpid()
        self._since = 0.0
        self._own = 0  # signals that this process sent itself
        self._stderr = _duplicate(2)  # while Ray starts, 2 leads nowhere
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
        """Raise in the main thread. A child between fork and exec has this handler, too, and must do nothing."""
        if os.getpid() == self._pid:
            self.number = self.number or number
            self.strike(frame)

    def strike(self, frame: FrameType | None = None) -> None:
        """Raise what has arrived, unless it is held back or noted already, or the thread ends the process.

        In the midst of an import it waits: C code that imports loses exceptions, and half a module is left behind.
        """
        self.waiting = self._may_strike and _importing(frame)
        if self._may_strike and not self.waiting:
            raise Terminated if self.number == signal.SIGTERM else KeyboardInterrupt

    @property
    def _may_strike(self) -> bool:
        return self.number is not None and not (self.held or self.noted or self.at_once)

    def _end(self, message: str) -> NoReturn:
        """End this process and all that it started, now."""
        number = self.number or signal.SIGTERM
        with contextlib.suppress(OSError):
            os.write(self._stderr, f"{_NAMES[number]}: {message}\n".encode())
        end_descendants()
        os._exit(128 + number)

    def _run(self) -> None:
        """Read the numbers that the interpreter writes at once, whatever the main thread is deep in."""
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
        """Raise again what was lost; in the end do without the main thread."""
        self._insisted = time.monotonic()
        if time.monotonic() - self._since > _LONGEST_S:
            self._end("took too long to stop and was ended; run the same command again")
        if self.number and self._may_strike:
            self._own += 1
            signal.pthread_kill(threading.main_thread().ident or 0, self.number)


def _importing(frame: FrameType | None) -> bool:
    """True where a frame is part of an import."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib."):
            return True
        frame = frame.f_back
    return False


def _duplicate(descriptor: int) -> int:
    """Return a duplicate that is none of the standard ones, which may be closed; -1 where this one is."""
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    except OSError:
        return -1


_NAMES: dict[int, str] = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_watch: _Watch | None = None


@contextlib.contextmanager
def heeded(*, for_good: bool = False) -> Iterator[None]:
    """Take Ctrl-C and SIGTERM for the length of a ``with`` block; does nothing inside of another one.

    What arrives raises ``KeyboardInterrupt`` or ``Terminated`` in the main thread, again every 5 s until ``note`` is
    called; after 60 s, or when another one comes, the process ends with all that it started. A signal that the
    process was started to ignore (``nohup``, a shell's background) stays ignored.

    Args:
        for_good: of the process itself: handlers stay to its end, and outside of :func:`working` a signal ends it at
            once, for there is nothing to unwind.
    """
    global _watch
    if _watch is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    watch = _watch = _Watch()
    watch.at_once = "no work had begun" if for_good else ""
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
    """Unwind, for the length of a ``with`` block, instead of ending at once."""
    watch = _watch
    if watch is None or not watch.at_once:
        yield
        return
    watch.at_once = ""
    try:
        yield
    finally:
        if watch.number is None:
            watch.at_once = "the work had ended"


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Keep Ctrl-C and SIGTERM for the end of a ``with`` block, whose content cannot be interrupted halfway.

    Nor can it take the handlers away. Counts in the main thread alone, which is where handlers run.

    Raises:
        KeyboardInterrupt: at the end, when one arrived; it is then still to be noted.
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
            if callable(handler):  # C code may have put a handler of its own before the interpreter's: Ray's core does
                signal.signal(number, handler)
        if watch is not None:
            watch.held -= 1
    if watch is not None:
        watch.strike()


def arrived() -> bool:
    """Whether one has arrived: what fails from then on may well fail because of it."""
    return _watch is not None and _watch.number is not None


def note(error: BaseException | None = None) -> tuple[int, str]:
    """Take note of what arrived, so that it is raised no more; return the exit code, and what happened in a word."""
    number: int = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
    if _watch is not None:
        _watch.noted = True
        number = _watch.number or number
    return 128 + number, _NAMES[number]


def leave(code: int) -> int:
    """Return the exit code to the caller; where a signal arrived, end the process here, with all that it started.

    The interpreter's own end would wait for threads, and could crash in libraries that were interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # none, a broken or a closed one
            stream.flush()
    if arrived():
        end_descendants()
        os._exit(code)
    return code


def end_descendants() -> None:
    """Kill every process that this one started, and theirs, parents first."""
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
