"""Number of CPU cores that this process may use, which a container's quota may limit to less than the host has."""

from __future__ import annotations

import os
from pathlib import Path


def usable_cores(root: Path = Path("/")) -> float:
    """Return the number of usable cores: the CPU affinity, or the cgroup quota if it is lower.

    Args:
        root: root of the kernel's file systems, for tests.
    """
    affinity = float(len(os.sched_getaffinity(0)))
    return min([affinity, *_cgroup_cores(root)])


def whole_cores(root: Path = Path("/")) -> int:
    """Return how many single-core processes can run here without competing for cores; at least 1."""
    return max(1, int(usable_cores(root) + 1e-6))


def limit_threads(threads: int) -> int:
    """Limit a number of threads to the machine's cores: starting many thousands can crash the process."""
    return max(1, min(threads, os.cpu_count() or 1))


def cgroup_folders(root: Path, controller: str) -> list[Path]:
    """Return the cgroup folders whose limits apply to this process, innermost first. The lowest limit applies."""
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
    """Return the text of a small kernel file, or ``""`` if this kernel or container does not have it."""
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
