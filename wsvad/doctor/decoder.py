"""Check of the decoder's process: what confines it on this machine."""

from __future__ import annotations

from wsvad.doctor.report import Check, Value
from wsvad.errors import ClusterError
from wsvad.video.contract import Limits
from wsvad.video.process import DecodeChild

_REMEDY = (
    "needs Linux 3.17 or newer on x86-64 or aarch64 with seccomp filters, allowed in the container; without them, "
    "hostile video is held by the limits and the withheld environment only (SECURITY.md)"
)


def check_sandbox(command: list[str] | None = None) -> Check:
    """Start a decoder as a job does, and check what confines it.

    Args:
        command: command of another decoder, for tests.
    """
    name = "sandbox"
    try:
        child = DecodeChild(Limits(), command)
    except ClusterError as error:
        return Check(name, "fail", str(error), "reinstall: pip install -c constraints.txt .")
    sandbox = child.sandbox
    child.kill()
    data: dict[str, Value] = sandbox.to_dict()
    layers = ["a filter of system calls"] if sandbox.seccomp else []
    layers += [f"Landlock (version {sandbox.landlock})"] if sandbox.landlock else []
    summary = f"the decoder's process has {' and '.join(layers) or 'no sandbox, only limits'}"
    summary += f"; missing: {sandbox.missing}" if sandbox.missing else ""
    if sandbox.complete:
        return Check(name, "ok", summary, data=data)
    return Check(name, "warn", summary, _REMEDY, data)
