"""How many cores this process may use: a container on a large host is often given a share of them only."""

from __future__ import annotations

import os
from pathlib import Path


def usable_cores(root: Path = Path("/")) -> float:
    """Return how many cores this process may use: its affinity, or the share its container is given if less.

    Args:
        root: where the kernel's files are, for tests.
    """
    affinity = float(len(os.sched_getaffinity(0)))
    return min([affinity, *_cgroup_cores(root)])


def whole_cores(root: Path = Path("/")) -> int:
    """Return how many processes of one core each run here without waiting for one another; at least 1."""
    return max(1, int(usable_cores(root) + 1e-6))


def at_most_cores(threads: int) -> int:
    """Return that many threads, but no more than this machine has cores: many thousands end a process at once."""
    return max(1, min(threads, os.cpu_count() or 1))


def cgroup_folders(root: Path, controller: str) -> list[Path]:
    """Folders whose limits bind this process, its own first: the lowest limit on the way up counts."""
    mount = root / "sys/fs/cgroup"
    folders = [mount, mount / controller]
    for line in kernel_text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = ([*line.split(":", 2), "", ""])[:3]
        if controllers and controller not in controllers.split(","):
            continue
        base = mount / controller if controllers else mount
        below = base / path.strip("/")
        folders += [below, *(p for p in below.parents if base in p.parents)]
    return list(dict.fromkeys(folders))


def kernel_text(path: Path) -> str:
    """The text of a small file of the kernel's, or nothing where this kernel or container has none."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _cgroup_cores(root: Path) -> list[float]:
    shares = []
    for folder in cgroup_folders(root, "cpu"):
        quota, _, period = kernel_text(folder / "cpu.max").partition(" ")  # cgroup v2
        if not quota:
            quota, period = kernel_text(folder / "cpu.cfs_quota_us"), kernel_text(folder / "cpu.cfs_period_us")  # v1
        if quota.strip().isdigit() and period.strip().isdigit() and int(period):
            shares.append(int(quota) / int(period))
    return shares
