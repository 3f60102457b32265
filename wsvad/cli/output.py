"""Standard output and error that cannot break a run: what cannot be written or encoded is counted, and said at the end.

A full disk, a closed descriptor or a reader that went away (``| head -1``) must not stop work that is half done, nor
pass in silence. Characters that the terminal does not have become escapes.
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
    """Bytes, or what gives access to them; Python has a name for it from 3.12 on."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


EXIT_BROKEN_PIPE = 141
"""What a shell shows of a program that ``SIGPIPE`` ended, as it ends others whose reader went away."""
_ESCAPE = "wsvad.escape"
_escaped = 0


class _Descriptor(io.FileIO):
    """Writes to a file descriptor as long as it can; afterwards it takes everything, and remembers why."""

    def __init__(self, number: int, broken: OSError | None = None) -> None:
        super().__init__(number, "w", closefd=False)
        self.broken = broken

    def write(self, data: Buffer, /) -> int:
        """Write what can be written; never raises ``OSError``."""
        if self.broken is None:
            try:
                return super().write(data)
            except OSError as error:
                self.broken = error
        return memoryview(data).nbytes


def guarded(run: Callable[[], int]) -> int:
    """Run with streams that cannot break, and return the exit code.

    What was lost of standard output is said on standard error. The exit code is then 4, or 141 where its reader went
    away; the message holds the one that the run itself ended with.
    """
    global _escaped
    _escaped = 0
    with _streams() as out:
        try:
            code = run()
        except SystemExit as ended:  # of argparse: wrong options, or --help
            _tell(out, ended.code or 0)
            if out is not None and out.broken is not None:
                raise SystemExit(_exit_code(out.broken)) from None
            raise
        _tell(out, code)
        return code if out is None or out.broken is None else _exit_code(out.broken)


def _tell(out: _Descriptor | None, code: object) -> None:
    """Say what became of standard output."""
    sys.stdout.flush()
    if _escaped:
        log.warning(
            "%d characters that %s does not have are shown as escapes; set PYTHONIOENCODING=utf-8, or a UTF-8 locale",
            _escaped,
            sys.stdout.encoding,
        )
    if out is not None and out.broken is not None:
        log.error(
            "standard output could not be written (%s): what it was to show is lost. The command itself ended with "
            "exit code %s; what it made is kept, and the same command shows it again",
            os.strerror(out.broken.errno or 0),
            code,
        )


def _exit_code(broken: OSError) -> int:
    return EXIT_BROKEN_PIPE if broken.errno == errno.EPIPE else EXIT_STORAGE


@contextmanager
def _streams() -> Iterator[_Descriptor | None]:
    """Put unbreakable streams in the place of this process's own; those of others (a test, a caller) stay."""
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
    """Open nothing on standard descriptors that are closed: the next file would get the number, and all output."""
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
