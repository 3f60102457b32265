"""Robust standard output and error: what cannot be written or encoded is counted, and reported at the end.

A full disk, a closed descriptor or a closed pipe (``| head -1``) must neither interrupt work nor go unnoticed.
Characters that the encoding of the terminal lacks are written as escapes.
"""

from __future__ import annotations

import codecs
import errno
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from wsvad.errors import EXIT_STORAGE

log = logging.getLogger("wsvad")


class Buffer(Protocol):
    """An object with the buffer protocol; ``collections.abc.Buffer`` requires Python 3.12."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


EXIT_BROKEN_PIPE = 141
"""Exit code for a closed pipe; shells report it for programs ended by ``SIGPIPE``."""
_ESCAPE = "wsvad.escape"
_escaped = 0


class _Descriptor(io.FileIO):
    """Writes to a file descriptor until an error; then discards all output, and stores the error."""

    def __init__(self, number: int, broken: OSError | None = None) -> None:
        super().__init__(number, "w", closefd=False)
        self.broken = broken

    def write(self, data: Buffer, /) -> int:
        """Write or discard data; never raises ``OSError``."""
        if self.broken is None:
            try:
                return super().write(data)
            except OSError as error:
                self.broken = error
        return memoryview(data).nbytes


def guarded(run: Callable[[], int]) -> int:
    """Run with robust output streams, and return the exit code.

    Lost standard output is reported on standard error. The exit code is then 4, or 141 for a closed pipe; the message
    contains the exit code of the run itself.
    """
    global _escaped
    _escaped = 0
    with _streams() as out:
        try:
            code = run()
        except SystemExit as ended:  # invalid options, or --help
            _tell(out, ended.code or 0)
            if out is not None and out.broken is not None:
                raise SystemExit(_exit_code(out.broken)) from None
            raise
        _tell(out, code)
        return code if out is None or out.broken is None else _exit_code(out.broken)


def _tell(out: _Descriptor | None, code: object) -> None:
    """Report problems of standard output."""
    sys.stdout.flush()
    if _escaped:
        log.warning(
            "%d characters are not available in %s and shown as escapes; set PYTHONIOENCODING=utf-8, or a UTF-8 locale",
            _escaped,
            sys.stdout.encoding,
        )
    if out is not None and out.broken is not None:
        log.error(
            "standard output could not be written (%s), so its content is lost. The command itself ended with "
            "exit code "
            "%s; its results are kept, and the same command shows them again",
            os.strerror(out.broken.errno or 0),
            code,
        )


def _exit_code(broken: OSError) -> int:
    return EXIT_BROKEN_PIPE if broken.errno == errno.EPIPE else EXIT_STORAGE


@contextmanager
def _streams() -> Iterator[_Descriptor | None]:
    """Replace this process's own streams with robust ones; streams replaced by a caller or a test are kept."""
    codecs.register_error(_ESCAPE, _escape)
    closed = _occupy()
    before = sys.stdout, sys.stderr
    made: list[_Descriptor | None] = []
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream, own = getattr(sys, name), getattr(sys, f"__{name}__")
        made.append(None)
        if stream is None or stream is own:
            lost = OSError(errno.EBADF, os.strerror(errno.EBADF)) if number in closed or stream is None else None
            made[-1] = raw = _Descriptor(number, lost)
            setattr(sys, name, _text(raw, stream, errors=_ESCAPE if number == 1 else "backslashreplace"))
    try:
        yield made[0]
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


def _text(raw: _Descriptor, like: io.TextIOWrapper | None, *, errors: str) -> io.TextIOWrapper:
    if like is not None:
        like.flush()
    encoding = like.encoding if like is not None else "utf-8"
    by_line = raw.fileno() == 2 or (raw.broken is None and raw.isatty())
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors=errors, line_buffering=by_line)


def _occupy() -> set[int]:
    """Open closed standard descriptors on the null device; otherwise the next opened file would receive all output."""
    closed = set()
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            closed.add(number)
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    return closed


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    global _escaped
    if isinstance(error, UnicodeEncodeError):
        _escaped += error.end - error.start
    return codecs.backslashreplace_errors(error)
