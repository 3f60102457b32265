"""Download a file into a folder: resumable, verified, and renamed to its final name only when complete."""

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
"""Maximum size of a file in bytes; the largest public one has a tenth of it."""
_CHUNK = 1 << 18
_LONGEST_WAIT_S = 30.0


@dataclass(frozen=True)
class RetryPolicy:
    """Retry settings of a download."""

    attempts: int = 5
    """Attempts in a row without a single new byte."""
    timeout_s: float = 30.0
    """Seconds without a byte after which a connection counts as broken."""
    first_wait_s: float = 1.0
    """Seconds before the second attempt; doubles with each attempt, up to 30 s."""


DEFAULT_RETRIES = RetryPolicy()


def download(
    url: str,
    target: Path,
    digest: Digest,
    *,
    size: int | None = None,
    retries: RetryPolicy = DEFAULT_RETRIES,
    progress: Callable[[int, int | None], None] = lambda here, total: None,
) -> None:
    """Download a file; it gets its name only when it is complete and has the digest.

    If the connection breaks and all retries fail, the received bytes stay in ``NAME.part``. The next call resumes from
    there if the server supports it and the file is unchanged.

    Args:
        url: http or https URL.
        target: Path of the file, replaced if it exists.
        digest: Digest of the content.
        size: Size in bytes, if known.
        retries: Retry settings.
        progress: Called with the number of received bytes, and the total if known.

    Raises:
        UsageError: Invalid URL.
        StorageError: Or a subclass: not found, access denied, no network, no space, or another download is running.
        WeightsError: The content has another digest; it was removed.
    """
    http.check_url(url)
    with _folder_locked(target.parent):
        part = _PartialFile(target, url)
        for last_try in (False, True):
            resumed = _complete(part, url, retries, size, progress)
            if digest.matches_file(part.path):
                part.finish(target)
                return
            got = part.describe()
            part.remove()
            if last_try or not resumed:
                raise WeightsError(f"{http.redacted_url(url)}: expected {digest}, got {got}; the download was removed")
            log.warning(
                "%s: the partial download does not match the file any more; starting over", http.redacted_url(url)
            )


class _PartialFile:
    """A partial download, and a JSON file with its URL and validator."""

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
        """Number of bytes received."""
        return self.path.stat().st_size if self.path.exists() else 0

    def begin(self, reply: http.Reply) -> None:
        """Record the entity tag of the file that the server sends."""
        self.validator = reply.validator
        self._note.write_text(json.dumps({"url": self._url, "validator": reply.validator}), encoding="utf-8")

    def finish(self, target: Path) -> None:
        """Rename the complete file to its final name."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(target)
        self._note.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the partial download."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def describe(self) -> str:
        """Describe the content received instead of the expected file."""
        with self.path.open("rb") as file:
            beginning = file.read(64).lstrip().lower()
        page = ", a web page (from a proxy or a login?)" if beginning.startswith((b"<!doctype", b"<html")) else ""
        return f"{self.size} bytes of other content{page}"


def _complete(
    part: _PartialFile,
    url: str,
    retries: RetryPolicy,
    size: int | None,
    progress: Callable[[int, int | None], None],
) -> bool:
    """Fetch the missing bytes; return whether the file consists of more than one response."""
    if size is not None and part.size >= size:
        return True
    failures = 0
    while True:
        before = part.size
        try:
            return _receive(part, url, retries.timeout_s, size, progress) > 0
        except http.RangeRefused:
            if before == 0:
                raise
            return True  # the file is complete, or the digest will show that it is another file
        except StoreUnavailable as error:
            failures = 1 if part.size > before else failures + 1
            if failures >= retries.attempts:
                raise StoreUnavailable(
                    f"{error}; {part.size} bytes are kept, run the same command to resume"
                ) from error
            wait_s = min(_LONGEST_WAIT_S, retries.first_wait_s * 2 ** (failures - 1))
            log.info("%s; retrying in %.0f s", error, wait_s)
            time.sleep(wait_s)


def _receive(
    part: _PartialFile, url: str, timeout_s: float, size: int | None, progress: Callable[[int, int | None], None]
) -> int:
    """Make one request and append the response; return the offset of its first byte."""
    with http.open_request(url, part.size, part.validator, timeout_s) as reply:
        total = reply.total if reply.total is not None else size
        limit = MAX_BYTES if size is None else size
        if total is not None and total > limit:
            raise StorageError(f"{http.redacted_url(url)}: expected at most {limit} bytes, got {total}")
        with _translate_write_errors(part.path), part.path.open("r+b" if part.path.exists() else "wb") as file:
            file.truncate(reply.start)
            file.seek(reply.start)
            part.begin(reply)
            here = _copy(url, reply, file, limit, lambda here: progress(here, total))
        if total is not None and here < total:
            raise StoreUnavailable(f"{http.redacted_url(url)}: the connection broke after {here} of {total} bytes")
        return reply.start


def _copy(url: str, reply: http.Reply, file: IO[bytes], limit: int, progress: Callable[[int], None]) -> int:
    here = reply.start
    progress(here)
    while chunk := http.read(url, reply, _CHUNK):
        here += len(chunk)
        if here > limit:
            raise StorageError(f"{http.redacted_url(url)}: expected at most {limit} bytes, got more")
        file.write(chunk)
        progress(here)
    return here


@contextmanager
def _translate_write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}; free space or choose another folder (--to, "
            "$WSVAD_WEIGHTS), then run the same command again"
        ) from error


@contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
    """Create the folder and lock it against other downloads."""
    with _translate_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(
                f"another download into {folder} is running; wait until it has finished, then run this again"
            ) from error
        yield
    finally:
        os.close(descriptor)
