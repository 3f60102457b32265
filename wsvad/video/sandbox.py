"""The sandbox of the decode child: after :func:`enter`, only computing and its open descriptors are left to it.

Two independent layers, each as far as the kernel offers it: a filter of system calls (seccomp), which denies everything
that decoding does not need, and Landlock, which takes away files, TCP ports and other processes. Either alone denies
files and programs; the filter alone denies all. Why, and what that leaves: ``docs/decisions/0013-decoder-sandbox.md``.
"""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from wsvad.video import landlock, seccomp

_PR_SET_NO_NEW_PRIVS = 38


@dataclass(frozen=True)
class Sandbox:
    """What confines a decode child."""

    seccomp: bool = False
    """Whether the filter of system calls is in force. It alone denies files, sockets, programs and processes."""
    landlock: int = 0
    """Version of Landlock's interface that is in force; 0 for none."""
    missing: str = ""
    """Why a layer is not in force; empty if both are."""

    @property
    def complete(self) -> bool:
        """Whether everything is denied that ``--require-sandbox`` asks for."""
        return self.seccomp

    def to_dict(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: object) -> Sandbox:
        """Return the sandbox with these fields; one without any layer if they are not valid."""
        if not isinstance(fields, Mapping):
            return cls(missing="the decoder does not say")
        version = fields.get("landlock")
        return cls(
            fields.get("seccomp") is True,
            version if isinstance(version, int) else 0,
            str(fields.get("missing"))[:500],
        )


def enter() -> Sandbox:
    """Confine this process, which must have one thread, for good; return what is in force.

    Import and open everything before. Raises no exception: a kernel that offers nothing confines nothing.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return Sandbox(missing=f"no_new_privs: {os.strerror(ctypes.get_errno())}")
    missing = []
    version, filtered = 0, False
    try:
        version = landlock.restrict(libc)
    except OSError as error:
        missing.append(f"Landlock: {error.strerror}")
    try:
        seccomp.install(libc)
        filtered = _denied(_open_folder) and _denied(_open_socket)
        if not filtered:
            missing.append("seccomp: accepted, but not applied")
    except OSError as error:
        missing.append(f"seccomp: {error.strerror}")
    return Sandbox(filtered, version, "; ".join(missing))


def _denied(attempt: Callable[[], None]) -> bool:
    try:
        attempt()
    except PermissionError:
        return True
    return False


def _open_folder() -> None:
    os.close(os.open("/", os.O_RDONLY))


def _open_socket() -> None:
    socket.socket(socket.AF_UNIX).close()
