"""Store of files below a local folder.

A write goes to a file in ``<root>/.tmp``, is flushed to disk, and then moved into place atomically (``link`` for
create-only, ``rename`` for replace). A killed writer leaves at most a file in scratch space.
"""

from __future__ import annotations

import logging
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import ClassVar, NamedTuple

from wsvad.errors import AccessDenied, ObjectChanged, ObjectNotFound, UnusablePlace
from wsvad.storage.base import ConditionalWriteUnsupported, ObjectInfo, Store, StoreOptions
from wsvad.storage.local_errors import NO_HARD_LINKS, translate_os_error
from wsvad.storage.uri import SCRATCH, Location, quote_path

logger = logging.getLogger(__name__)


class LocalStore(Store):
    """A local folder. A missing folder is empty when read and is created by the first write.

    Only regular files are objects; FIFOs, sockets and devices are neither listed nor opened. A link to a file is
    listed as a file. A link to a folder inside the root is skipped, because its content is listed at its own place. A
    link that leads outside the root is skipped with one warning and cannot be read, unless ``options.follow_links`` is
    set; then it is treated like its target, and each outside folder is listed once. Dangling and circular links are
    skipped. Nothing is ever written outside the root.
    """

    scheme: ClassVar[str] = "file"

    def __init__(self, location: Location, options: StoreOptions) -> None:
        super().__init__(location.uri, options)
        self._root = location.path

    def uri_of(self, key: str) -> str:
        """Return the ``file`` URI of one object, percent-encoded."""
        return f"{self.uri.removesuffix('/')}/{quote_path(key)}"

    def _path(self, key: str) -> str:
        return os.path.join(self._root, key)

    def _holds_path(self, real_path: str) -> bool:
        root = os.path.realpath(self._root)
        return real_path == root or real_path.startswith(root.rstrip("/") + "/")

    # -- reading -------------------------------------------------------------------------------------------------

    def _resolve(self, key: str) -> tuple[str, os.stat_result]:
        """Return the resolved path and the status of a readable regular file."""
        try:
            path, status = self._without_links(key)
            inside = status is not None
            if status is None:
                path = os.path.realpath(path, strict=True)
                status, inside = os.stat(path), self.options.follow_links or self._holds_path(path)
        except (FileNotFoundError, NotADirectoryError) as exc:
            what = f"cannot read {self._shown(key)}"
            raise ObjectNotFound(f"{what}: the file does not exist") from exc
        except OSError as exc:
            raise translate_os_error(exc, f"cannot read {self._shown(key)}") from exc
        if not inside:
            raise AccessDenied(
                f"cannot read {self._shown(key)}: it is a link that leads outside {self.uri}; copy the file there, use"
                " the folder of the link's target, or allow links to be followed"
            )
        if not stat.S_ISREG(status.st_mode):
            raise ObjectNotFound(f"cannot read {self._shown(key)}: it is not a regular file")
        return path, status

    def _without_links(self, key: str) -> tuple[str, os.stat_result | None]:
        """Return the path of a key and its status, or ``None`` as status if a part below the root is a link.

        Links are rare, and this needs fewer system calls than ``realpath``, which starts at ``/``.
        """
        path, status = self._root, None
        for segment in key.split("/"):
            path = os.path.join(path, segment)
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                return self._path(key), None
        return path, status

    @contextmanager
    def _opened(self, key: str) -> Iterator[int]:
        real_path, _ = self._resolve(key)
        what = f"cannot read {self._shown(key)}"
        try:
            # the path may have been replaced since: do not follow a new link, do not block on a new FIFO
            descriptor = os.open(real_path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except FileNotFoundError as exc:
            raise ObjectNotFound(f"{what}: the file no longer exists") from exc
        except OSError as exc:
            raise translate_os_error(exc, what) from exc
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ObjectNotFound(f"{what}: it is no longer a regular file")
            yield descriptor
        except OSError as exc:
            raise translate_os_error(exc, what) from exc
        finally:
            os.close(descriptor)

    def _stat(self, key: str) -> ObjectInfo:
        return _info(key, self._resolve(key)[1])

    def _read(self, key: str) -> bytes:
        with self._opened(key) as descriptor, open(descriptor, "rb", closefd=False) as file:
            return file.read()

    def _read_range(self, key: str, start: int, end: int, expect: ObjectInfo | None) -> bytes:
        with self._opened(key) as descriptor:
            size = os.fstat(descriptor).st_size
            data = _pread(descriptor, start, min(end, size) - start)
            # after the read, so that concurrent writes are detected
            now = _info(key, os.fstat(descriptor))
        if expect is not None and (now.size, now.mtime_ns) != (expect.size, expect.mtime_ns):
            raise ObjectChanged(
                f"{self._shown(key)} changed: expected {expect.size} bytes of {expect.mtime_ns} ns,"
                f" got {now.size} bytes of {now.mtime_ns} ns; list it again"
            )
        return data

    # -- listing -------------------------------------------------------------------------------------------------

    def _list(self, prefix: str) -> Iterator[ObjectInfo]:
        folder = prefix.rpartition("/")[0]
        start = self._path(folder) if folder else self._root
        if folder and not (os.path.isdir(start) and self._may_enter(os.path.realpath(start))):
            return
        outside: list[str] = []
        visited: set[tuple[int, int]] = set()
        # an explicit stack, because a hostile tree may be deeper than Python's recursion limit
        waiting = self._scan(start, f"{folder}/" if folder else "")
        while waiting:
            entry = waiting.pop()
            status = self._status(entry, outside, visited) if entry.key.startswith(prefix) else None
            if status is None:
                continue
            if entry.is_folder:
                waiting += self._scan(entry.path, f"{entry.key}/")
            else:
                yield _info(entry.key, status)
        if outside:
            logger.warning(
                "%d links below %s lead outside it and were skipped, the first is %r; copy the files, use the folder of"
                " the links' targets, or allow links to be followed",
                len(outside),
                self.uri,
                outside[0],
            )

    def _may_enter(self, real_path: str) -> bool:
        return self.options.follow_links or self._holds_path(real_path)

    def _scan(self, folder: str, prefix: str) -> list[_Entry]:
        """Return a folder's entries in reverse order. Folders sort with a trailing slash, like the keys below them."""
        try:
            with os.scandir(folder) as found:
                entries = [_entry(item, prefix) for item in found]
        except FileNotFoundError:
            return []
        except NotADirectoryError as exc:
            raise UnusablePlace(f"cannot list file://{quote_path(folder)}: it is a file, not a folder") from exc
        except OSError as exc:
            raise translate_os_error(exc, f"cannot list file://{quote_path(folder)}") from exc
        return sorted(entries, key=lambda entry: entry.order, reverse=True)

    def _status(self, entry: _Entry, outside: list[str], visited: set[tuple[int, int]]) -> os.stat_result | None:
        """Return the status of an entry to list or walk, or ``None`` to skip it."""
        try:
            status = os.stat(entry.path)
        except OSError as exc:
            if entry.is_link or isinstance(exc, FileNotFoundError):
                return None  # dangling, circular, or deleted since the folder was read
            raise translate_os_error(exc, f"cannot list {self._shown(entry.key)}") from exc
        if not (entry.is_folder or stat.S_ISREG(status.st_mode)):
            return None
        if entry.is_link:
            inside = self._holds_path(os.path.realpath(entry.path))
            if not inside and not self.options.follow_links:
                outside.append(entry.key)
                return None
            if inside and entry.is_folder:
                return None
        if entry.is_folder and self.options.follow_links:
            identity = (status.st_dev, status.st_ino)
            if identity in visited:
                return None
            visited.add(identity)
        return status

    # -- writing -------------------------------------------------------------------------------------------------

    def _put_new(self, key: str, data: bytes) -> bool:
        what = f"cannot create {self._shown(key)}"
        target = self._path(key)
        try:
            if os.path.lexists(target):
                return False
            folder = self._writable_folder(key, what)
            with self._staged(data, what) as temporary:
                os.link(temporary, target)
                _flush_folder(folder)
            return True
        except FileExistsError:
            return False
        except OSError as exc:
            if exc.errno in NO_HARD_LINKS and not os.path.lexists(target):
                raise ConditionalWriteUnsupported(
                    f"{what}: this file system has no hard links ({os.strerror(exc.errno or 0)}), which create-only"
                    " writes need; use another one, or turn conditional writes off"
                ) from exc
            raise translate_os_error(exc, what) from exc

    def _put(self, key: str, data: bytes) -> None:
        what = f"cannot write {self._shown(key)}"
        try:
            folder = self._writable_folder(key, what)
            with self._staged(data, what) as temporary:
                os.replace(temporary, self._path(key))
                _flush_folder(folder)
        except OSError as exc:
            raise translate_os_error(exc, what) from exc

    def _delete(self, key: str) -> None:
        what = f"cannot delete {self._shown(key)}"
        try:
            self._check_inside(os.path.dirname(self._path(key)), what)
            os.unlink(self._path(key))
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as exc:
            raise translate_os_error(exc, what) from exc

    def _check_inside(self, folder: str, what: str) -> None:
        if not self._holds_path(os.path.realpath(folder)):
            raise AccessDenied(f"{what}: a link in its path leads outside {self.uri}; remove the link")

    def _writable_folder(self, key: str, what: str) -> str:
        """Create the folder of a key, flushed to disk, and return it."""
        folder = os.path.dirname(self._path(key))
        self._check_inside(folder, what)
        missing = []
        parent = folder
        while not os.path.isdir(parent):
            missing.append(parent)
            parent = os.path.dirname(parent)
        for path in reversed(missing):
            with suppress(FileExistsError):
                os.mkdir(path)
            _flush_folder(os.path.dirname(path))
        return folder

    @contextmanager
    def _staged(self, data: bytes, what: str) -> Iterator[str]:
        """Write a file to scratch space and flush it to disk. It is deleted on exit unless it was renamed."""
        key = f"{SCRATCH}/{uuid.uuid4().hex}"
        self._writable_folder(key, what)
        temporary = self._path(key)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            yield temporary
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)


class _Entry(NamedTuple):
    """One name in a folder."""

    key: str
    path: str
    is_link: bool
    is_folder: bool

    @property
    def order(self) -> bytes:
        return os.fsencode(self.key) + (b"/" if self.is_folder else b"")


def _entry(item: os.DirEntry[str], prefix: str) -> _Entry:
    try:
        is_folder = item.is_dir()
    except OSError:
        is_folder = False  # a circular link
    return _Entry(prefix + item.name, item.path, item.is_symlink(), is_folder)


def _info(key: str, status: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key, status.st_size, status.st_mtime_ns, "")


def _pread(descriptor: int, start: int, length: int) -> bytes:
    parts = []
    while length > 0:
        part = os.pread(descriptor, length, start)
        if not part:
            break
        parts.append(part)
        start, length = start + len(part), length - len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _flush_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
