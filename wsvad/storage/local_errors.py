"""Translate ``OSError`` to the errors of this package."""

from __future__ import annotations

import errno
import os

from wsvad.errors import AccessDenied, StorageError, StoreFull, StoreUnavailable, UnusablePlace

NO_HARD_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
"""Errors of ``link`` on file systems without hard links (FAT, some network and FUSE mounts)."""

_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_UNAVAILABLE = frozenset({errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENODEV, errno.ENOTCONN})
_REMEDY = {
    errno.EMFILE: "too many open files; raise the limit (ulimit -n) or run fewer workers",
    errno.ENFILE: "the machine has too many open files; run fewer workers",
}
_UNUSABLE_REASONS = {
    errno.ENAMETOOLONG: "the name is longer than the file system allows; use shorter names",
    errno.EINVAL: "the file system does not support such a name or object; use another location",
    errno.ENOTDIR: "a part of its path is a file instead of a folder; use another location",
    errno.EISDIR: "it is a folder; use another location",
    errno.EXDEV: "the folder spans two file systems; use one on a single file system",
    errno.ELOOP: "it contains circular links; remove them",
}


def translate_os_error(exc: OSError, what: str) -> StorageError:
    """Return the error of this package for an ``OSError``; the caller raises it ``from`` the original.

    ``what`` describes the failed operation and its URI.
    """
    number = exc.errno or 0
    reason = os.strerror(number) if number else type(exc).__name__
    if number in _DENIED:
        return AccessDenied(f"{what}: {reason}; check the permissions of the file and of its folders")
    if number in _FULL:
        return StoreFull(f"{what}: {reason}; nothing partial was left, free space and run the same command again")
    if number in _UNAVAILABLE:
        return StoreUnavailable(f"{what}: {reason}; check the disk or mount and run the same command again")
    if number in _UNUSABLE_REASONS:
        return UnusablePlace(f"{what}: {_UNUSABLE_REASONS[number]}")
    return StorageError(f"{what}: {_REMEDY.get(number, reason)}")
