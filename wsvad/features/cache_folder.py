"""A folder of caches shared by the processes of a node: building, waiting, cleaning up.

A cache is one file. It is built under a temporary name, while an exclusive lock on a separate file is held, and renamed
when it is complete, so that a file with the final name is always complete. A killed builder loses its lock with its
process and leaves a temporary file, which the next builder replaces.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from wsvad.errors import StorageError, UsageError

log = logging.getLogger(__name__)

PREFIXES = ("segments-", "clips-")
CACHE, TEMPORARY, LOCK = ".npy", ".tmp", ".lock"
SPARE_BYTES = 64 << 20
"""Disk space left free for other programs."""
UNUSED_S = 14 * 24 * 3600.0
"""Seconds since its last use after which a cache in the default folder is removed when another one is built."""


def default_folder() -> Path:
    """Return this user's cache folder below the system's temporary folder (``TMPDIR``); create it if it is missing.

    Raises:
        UsageError: The existing folder does not belong to this user, so that another user could alter caches.
    """
    folder = Path(tempfile.gettempdir()) / f"wsvad-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise UsageError(f"{folder} must be a folder that only this user can write; remove it, or set TMPDIR")
    return folder


def build_once(path: Path, size: int, write: Callable[[IO[bytes]], None], *, unused_s: float | None = None) -> None:
    """Return when ``path`` exists and is complete: written by this call, or by another process of this node.

    Args:
        path: ``<folder>/segments-….npy`` or ``clips-….npy``; its name must identify its content.
        size: Number of bytes that will be written.
        write: Writes them all.
        unused_s: Before building, remove other caches of the folder that were not opened for this many seconds.

    Raises:
        StorageError: Too little disk space, or the disk cannot be written; also any error of ``write``. No file is
            left.
    """
    try:
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path.with_suffix(LOCK)):
            if not path.exists():
                if unused_s is not None:
                    prune_caches(path.parent, unused_s=unused_s)
                _build(path, size, write)
    except OSError as error:
        raise StorageError(
            f"cannot write the cache {path} of {_mib(size)}: {error.strerror or error}; free space or change the "
            "permissions, or set TMPDIR to another folder"
        ) from error


def _build(path: Path, size: int, write: Callable[[IO[bytes]], None]) -> None:
    """Write a cache; the caller holds its lock."""
    temporary = path.with_suffix(TEMPORARY)
    temporary.unlink(missing_ok=True)
    _check_room(path.parent, size)
    try:
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        assert temporary.stat().st_size == size, f"expected {size} bytes, wrote {temporary.stat().st_size}"
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def mark_used(path: Path) -> None:
    """Update the time of last use for :func:`prune_caches`; caches of other users are not changed."""
    with suppress(PermissionError):
        os.utime(path)


def prune_caches(folder: Path | None = None, *, unused_s: float = 0.0) -> int:
    """Remove caches that were not opened for some time, and leftovers of killed builders; return the bytes freed.

    A process that has a removed cache open keeps it, and its disk space, until it ends. Caches that are being built are
    skipped.

    Args:
        folder: Folder of the caches; by default this user's.
        unused_s: Seconds since a cache was last opened; 0 removes all.
    """
    folder = default_folder() if folder is None else folder
    limit = time.time() - unused_s
    freed = 0
    for lock in sorted(path for prefix in PREFIXES for path in folder.glob(f"{prefix}*{LOCK}")):
        path, temporary = lock.with_suffix(CACHE), lock.with_suffix(TEMPORARY)
        with suppress(BlockingIOError), _lock(lock, wait=False):
            stale = [temporary]
            if not path.exists() or path.stat().st_mtime <= limit:
                stale += [path, lock]
            for file in stale:
                with suppress(FileNotFoundError):
                    size = file.stat().st_size
                    file.unlink()
                    freed += size
    return freed


@contextmanager
def _lock(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a cache. Without ``wait``, raises ``BlockingIOError`` if another process holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _flock(descriptor, path, wait=wait)
            if _is_same_file(path, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


def _flock(descriptor: int, path: Path, *, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if not wait:
            raise
        log.info("another process is building %s; waiting until it has finished", path.with_suffix(CACHE))
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _is_same_file(path: Path, descriptor: int) -> bool:
    """Return True if the name still refers to the locked file: pruning removes lock files while it holds them."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _check_room(folder: Path, size: int) -> None:
    disk = shutil.disk_usage(folder)
    if disk.total < size + SPARE_BYTES:
        raise UsageError(
            f"the cache of these videos needs {_mib(size)}, and the whole disk of {folder} has {_mib(disk.total)}; use "
            "fewer segments or videos, or set TMPDIR to a folder on a larger disk"
        )
    free = disk.free
    if free < size + SPARE_BYTES:
        raise StorageError(
            f"{folder} has {_mib(free)} free, the cache of these videos needs {_mib(size)} plus {_mib(SPARE_BYTES)} "
            "spare; free space there, set TMPDIR to a folder on a larger disk, or use fewer segments or videos"
        )


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"
