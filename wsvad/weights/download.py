"""A file from the network into a folder: resumed where it broke off, proven, and only then given its name."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from wsvad.documents import parse_object
from wsvad.errors import StorageError, StoreUnavailable, WeightsError
from wsvad.weights import http
from wsvad.weights.digests import Digest
from wsvad.weights.folder import PART

log = logging.getLogger(__name__)

MAX_BYTES = 2 << 30
"""Of one file; the largest public one is a tenth of it."""
_CHUNK = 1 << 18
_LONGEST_WAIT_S = 30.0


@dataclass(frozen=True)
class Patience:
    """How long to try."""

    attempts: int = 5
    """Tries in a row without a single new byte."""
    timeout_s: float = 30.0
    """Seconds without a byte after which a connection counts as broken."""
    first_wait_s: float = 1.0
    """Before the second try; doubles with each."""


PATIENT = Patience()


def download(
    url: str,
    target: Path,
    digest: Digest,
    *,
    size: int | None = None,
    patience: Patience = PATIENT,
    progress: Callable[[int, int | None], None] = lambda here, total: None,
) -> None:
    """Fetch a file; it appears under its name only when it is whole and has this digest.

    What is there stays in ``NAME.part`` when the connection breaks for good, and the next call goes on from there if
    the server can and the file is still the same.

    Args:
        url: http or https.
        target: replaced, if it is there.
        digest: of the content.
        size: bytes, where known.
        patience: how long to try.
        progress: told the bytes that are here, and all bytes where known.

    Raises:
        UsageError: the URL cannot be one.
        StorageError: and its branches: not found, refused, no network, no room, or another download at work.
        WeightsError: what came is not the file; it was removed.
    """
    http.check_url(url)
    with _folder_locked(target.parent):
        part = _Part(target, url)
        for last_try in (False, True):
            resumed = _fill(part, url, patience, size, progress)
            if digest.agrees(part.path):
                part.finish(target)
                return
            came = part.describe()
            part.remove()
            if last_try or not resumed:
                raise WeightsError(
                    f"{http.shown(url)}: expected {digest}, got {came}; it was removed, nothing was kept"
                )
            log.warning("%s: what an earlier run had fetched does not fit any more; beginning again", http.shown(url))


class _Part:
    """The unfinished file, and a note of where it comes from."""

    def __init__(self, target: Path, url: str) -> None:
        self.path = target.with_name(target.name + PART)
        self._note = target.with_name(target.name + PART + ".json")
        self._url = url
        self.validator = ""
        try:
            note = parse_object(self._note.read_text(encoding="utf-8"))
            known = note.get("url") == url
            self.validator = str(note.get("validator", "")) if known else ""
        except (OSError, ValueError):
            known = False
        if not known:
            self.remove()

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self.path.stat().st_size if self.path.exists() else 0

    def begin(self, reply: http.Reply) -> None:
        """Note which file the server sends."""
        self.validator = reply.validator
        self._note.write_text(json.dumps({"url": self._url, "validator": reply.validator}), encoding="utf-8")

    def finish(self, target: Path) -> None:
        """Give the file its name."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(target)
        self._note.unlink(missing_ok=True)

    def remove(self) -> None:
        """Forget all of it."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def describe(self) -> str:
        """Say what kind of thing came instead of the file."""
        with self.path.open("rb") as file:
            beginning = file.read(64).lstrip().lower()
        page = ", a web page (a proxy's or a login?)" if beginning.startswith((b"<!doctype", b"<html")) else ""
        return f"{self.size} bytes of another content{page}"


def _fill(
    part: _Part,
    url: str,
    patience: Patience,
    size: int | None,
    progress: Callable[[int, int | None], None],
) -> bool:
    """Fetch what is missing; return whether it was put together from more than one answer."""
    if size is not None and part.size >= size:
        return True
    failures = 0
    while True:
        before = part.size
        try:
            return _receive(part, url, patience.timeout_s, size, progress) > 0
        except http.RangeRefused:
            if before == 0:
                raise
            return True  # nothing is missing, or the digest will tell that it is another file
        except StoreUnavailable as error:
            failures = 1 if part.size > before else failures + 1
            if failures >= patience.attempts:
                raise StoreUnavailable(
                    f"{error}; {part.size} bytes are kept, the same command goes on from there"
                ) from error
            wait_s = min(_LONGEST_WAIT_S, patience.first_wait_s * 2 ** (failures - 1))
            log.info("%s; trying again in %.0f s", error, wait_s)
            time.sleep(wait_s)


def _receive(
    part: _Part, url: str, timeout_s: float, size: int | None, progress: Callable[[int, int | None], None]
) -> int:
    """Make one request and append what comes; return from which byte on the server sent."""
    with http.requested(url, part.size, part.validator, timeout_s) as reply:
        total = reply.total if reply.total is not None else size
        limit = MAX_BYTES if size is None else size
        if total is not None and total > limit:
            raise StorageError(f"{http.shown(url)}: {total} bytes; expected at most {limit}")
        with _written(part.path), part.path.open("r+b" if part.path.exists() else "wb") as file:
            file.truncate(reply.start)
            file.seek(reply.start)
            part.begin(reply)
            here = _copy(url, reply, file, limit, lambda here: progress(here, total))
        if total is not None and here < total:
            raise StoreUnavailable(f"{http.shown(url)}: the connection broke after {here} of {total} bytes")
        return reply.start


def _copy(url: str, reply: http.Reply, file: IO[bytes], limit: int, progress: Callable[[int], None]) -> int:
    here = reply.start
    progress(here)
    while chunk := http.read(url, reply, _CHUNK):
        here += len(chunk)
        if here > limit:
            raise StorageError(f"{http.shown(url)}: more than {limit} bytes come; expected at most that")
        file.write(chunk)
        progress(here)
    return here


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}; make room or choose another folder (--to, "
            "$WSVAD_WEIGHTS), and run the same command again"
        ) from error


@contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
    """Make the folder and keep other downloads out of it."""
    with _written(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(
                f"another download into {folder} is at work; wait for it, then run this again"
            ) from error
        yield
    finally:
        os.close(descriptor)
