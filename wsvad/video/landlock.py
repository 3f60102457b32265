"""Landlock: a process that gives up all rights to files, TCP ports, and processes outside of it, for good.

No rule grants anything back, so descriptors that are open already are all that is left. The system calls have the same
numbers on every architecture that this package supports. Constants: ``linux/landlock.h``.
"""

from __future__ import annotations

import ctypes
import os

_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_VERSION = 1 << 0
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
"""Rights to files by the version of the interface that added them: execute, read, write, list, remove and make entries;
move between folders; truncate; control devices."""
_NET_RIGHTS = {4: 0b11}
"""Bind and connect TCP sockets."""
_SCOPES = {6: 0b11}
"""Abstract Unix sockets of processes outside; signals to them."""


class _Attributes(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


def restrict(libc: ctypes.CDLL) -> int:
    """Give up all rights that this kernel's Landlock knows, and return the version of its interface.

    Applies to this thread and those that it starts later. Requires ``PR_SET_NO_NEW_PRIVS``.

    Args:
        libc: the C library, opened with ``use_errno``.

    Raises:
        OSError: the kernel has no Landlock, or it is switched off, or a container's own filter denies it.
    """
    version = _call(libc, _CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION))
    attributes = _Attributes(_known(_FILE_RIGHTS, version), _known(_NET_RIGHTS, version), _known(_SCOPES, version))
    # An older kernel accepts a longer structure if what it does not know is zero.
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    ruleset = _call(libc, _CREATE_RULESET, ctypes.byref(attributes), size, ctypes.c_uint(0))
    try:
        _call(libc, _RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))
    finally:
        os.close(ruleset)
    return version


def _known(added: dict[int, int], version: int) -> int:
    return sum(bits for since, bits in added.items() if since <= version)


def _call(libc: ctypes.CDLL, number: int, *arguments: object) -> int:
    result = int(libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
