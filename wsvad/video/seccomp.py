"""The decode child's filter of system calls (seccomp): computing, and the descriptors that are open already.

What is not listed is denied with EPERM, so files, sockets, programs, processes and other processes' memory are out of
reach, whatever later kernels add. A denied call returns an error instead of ending the process, because libraries probe
for what a kernel offers. The filter is checked by ``tests/video/test_sandbox.py``.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_Numbers = tuple[int | None, int | None]
"""Numbers of a system call on x86-64 and on aarch64; None where it does not exist."""

_ALLOWED: Mapping[str, _Numbers] = {
    # open descriptors: the socket to the parent, standard error
    "recvmsg": (47, 212), "recvfrom": (45, 207), "sendmsg": (46, 211), "sendto": (44, 206), "shutdown": (48, 210),
    "read": (0, 63), "readv": (19, 65), "write": (1, 64), "writev": (20, 66), "lseek": (8, 62), "close": (3, 57),
    "fstat": (5, 80), "poll": (7, None), "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72),
    # threads
    "futex": (202, 98), "futex_waitv": (449, 449), "sched_yield": (24, 124), "sched_getaffinity": (204, 123),
    "sched_getparam": (143, 121), "sched_getscheduler": (145, 120), "sched_get_priority_max": (146, 125),
    "sched_get_priority_min": (147, 126), "set_robust_list": (273, 99), "get_robust_list": (274, 100),
    "rseq": (334, 293), "set_tid_address": (218, 96), "membarrier": (324, 283), "getcpu": (309, 168),
    "arch_prctl": (158, None), "exit": (60, 93), "exit_group": (231, 94),
    # memory
    "mmap": (9, 222), "munmap": (11, 215), "mremap": (25, 216), "mprotect": (10, 226), "madvise": (28, 233),
    "brk": (12, 214), "msync": (26, 227), "mlock": (149, 228), "munlock": (150, 229),
    # time
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "nanosleep": (35, 101),
    "gettimeofday": (96, 169), "time": (201, None), "times": (100, 153), "getrusage": (98, 165),
    # signals to itself
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "rt_sigsuspend": (130, 133),
    "rt_sigtimedwait": (128, 137), "rt_sigpending": (127, 136), "sigaltstack": (131, 132), "pause": (34, None),
    "restart_syscall": (219, 128),
    # facts about itself and the machine
    "getpid": (39, 172), "getppid": (110, 173), "gettid": (186, 178), "getuid": (102, 174), "geteuid": (107, 175),
    "getgid": (104, 176), "getegid": (108, 177), "uname": (63, 160), "sysinfo": (99, 179), "getrandom": (318, 278),
    "getrlimit": (97, 163), "setrlimit": (160, 164),
}  # fmt: skip

# CLONE_THREAD, and all flags of new name spaces (mount, cgroup, UTS, IPC, user, PID, network, time).
_THREAD = 0x00010000
_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000 | 0x00000080
_CLONE: _Numbers = (56, 220)
_CLONE3: _Numbers = (435, 435)
# F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC, F_GET_SEALS; F_SETOWN would send signals to other processes.
_FCNTL: _Numbers = (72, 25)
_FCNTL_COMMANDS = (0, 1, 2, 3, 1030, 1034)
# PR_SET_NAME, PR_GET_NAME, PR_SET_VMA: names of threads and of memory.
_PRCTL: _Numbers = (157, 167)
_PRCTL_OPTIONS = (15, 16, 0x53564D41)
_KILL: _Numbers = (62, 129)
_TGKILL: _Numbers = (234, 131)
_PRLIMIT: _Numbers = (302, 261)
_LAST = 462
"""Last system call of Linux 6.10. Later ones get ENOSYS, so that a C library falls back as on an older kernel."""


class _Machine(NamedTuple):
    """An architecture: its column in the table, its audit number, and that of the call ``seccomp``."""

    column: int
    audit: int
    seccomp: int


_MACHINES = {"x86_64": _Machine(0, 0xC000003E, 317), "aarch64": _Machine(1, 0xC00000B7, 277)}
_X32 = 0x40000000

# linux/filter.h, linux/seccomp.h
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_ALLOW, _ERROR, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_SET_MODE_FILTER = 1
_ALL_THREADS, _KEEP_SPECULATION = 1 << 0, 1 << 2

_Instruction = tuple[int, int, int, int]
"""Code, offsets of the jump if true and if false, operand."""


def program(machine: str, pid: int) -> list[_Instruction]:
    """Return the filter for an architecture and a process.

    Raises:
        OSError: the architecture has no table here.
    """
    if machine not in _MACHINES or sys.byteorder != "little":
        raise OSError(errno.ENOSYS, f"no filter for the architecture {machine}")
    column, audit, _ = _MACHINES[machine]
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, audit),
        (_RETURN, 0, 0, _KILL_PROCESS),  # a call in another architecture's numbers; nothing does that by mistake
        (_LOAD, 0, 0, _NUMBER),
        *(step for numbers in _ALLOWED.values() for step in _on(numbers[column], [(_RETURN, 0, 0, _ALLOW)])),
        *_on(_CLONE[column], _thread_only()),
        *_on(_FCNTL[column], _one_of(1, _FCNTL_COMMANDS)),
        *_on(_PRCTL[column], _one_of(0, _PRCTL_OPTIONS)),
        *_on(_KILL[column], _one_of(0, (pid,))),
        *_on(_TGKILL[column], _one_of(0, (pid,))),
        *_on(_PRLIMIT[column], _one_of(0, (0, pid))),
        *_on(_CLONE3[column], [(_RETURN, 0, 0, _ERROR | errno.ENOSYS)]),  # its flags are in memory; libc uses clone
        (_IF_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _ERROR | errno.EPERM),
        (_IF_AT_LEAST, 0, 1, _LAST + 1),
        (_RETURN, 0, 0, _ERROR | errno.ENOSYS),
        (_RETURN, 0, 0, _ERROR | errno.EPERM),
    ]


def _on(number: int | None, then: list[_Instruction]) -> Iterator[_Instruction]:
    """Yield the instructions that run ``then``, which must end in a return, for one system call."""
    if number is not None:
        yield (_IF_EQUAL, 0, len(then), number)
        yield from then


def _one_of(argument: int, values: tuple[int, ...]) -> list[_Instruction]:
    """Allow the call if the argument, an int, is one of the values. The kernel looks at its lower half only, too."""
    return [
        (_LOAD, 0, 0, _ARGUMENTS + 8 * argument),
        *((_IF_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)),
        (_RETURN, 0, 0, _ERROR | errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _thread_only() -> list[_Instruction]:
    """Allow ``clone`` for a thread of this process, without new name spaces."""
    return [
        (_LOAD, 0, 0, _ARGUMENTS),
        (_AND, 0, 0, _THREAD | _NAMESPACES),
        (_IF_EQUAL, 1, 0, _THREAD),
        (_RETURN, 0, 0, _ERROR | errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]


class _Step(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("operand", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("steps", ctypes.POINTER(_Step)))


def install(libc: ctypes.CDLL) -> None:
    """Filter the system calls of all threads of this process from now on. Requires ``PR_SET_NO_NEW_PRIVS``.

    Args:
        libc: the C library, opened with ``use_errno``.

    Raises:
        OSError: the kernel or the architecture has no filters, or a thread could not be included.
    """
    machine = platform.machine()
    steps = [_Step(*step) for step in program(machine, os.getpid())]
    filter_ = _Program(len(steps), (_Step * len(steps))(*steps))
    # Kernels before 5.16 slow down filtered processes against speculative reads within one process, which do not matter
    # here: whoever controls the decoder can read all of its memory anyway. Kernels before 4.17 do not know the flag.
    for flags in (_ALL_THREADS | _KEEP_SPECULATION, _ALL_THREADS):
        result = libc.syscall(
            ctypes.c_long(_MACHINES[machine].seccomp),
            ctypes.c_uint(_SET_MODE_FILTER),
            ctypes.c_uint(flags),
            ctypes.byref(filter_),
        )
        if result == 0:
            return
        if result > 0:
            raise OSError(errno.EBUSY, f"thread {result} cannot be filtered")
        if ctypes.get_errno() != errno.EINVAL:
            break
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code))
