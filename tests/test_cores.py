"""CPU cores of a container, with kernel files in temporary folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import ray

from tests.doctor.test_machine import write_files
from wsvad.cores import usable_cores, whole_cores
from wsvad.work import cluster
from wsvad.work.cluster import connected


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, None),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
        ({"proc/self/cgroup": "0::/jobs/a\n", "sys/fs/cgroup/jobs/cpu.max": "75000 100000\n"}, 0.75),
        (
            {
                "proc/self/cgroup": "0::/jobs/a\n",
                "sys/fs/cgroup/jobs/cpu.max": "90000 100000\n",
                "sys/fs/cgroup/jobs/a/cpu.max": "25000 100000\n",
            },
            0.25,
        ),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "30000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 0.3),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"sys/fs/cgroup/cpu.max": "rubbish\n"}, None),
    ],
    ids=["bare", "v2 unlimited", "v2", "v2 parent", "v2 nested", "v1", "v1 unlimited", "unreadable"],
)
def test_cores_are_limited_by_the_quota(tmp_path: Path, files: dict[str, str], cores: float | None) -> None:
    """The tightest limit of all parent cgroups counts; without one it is the affinity (``None`` in the table)."""
    root = write_files(tmp_path, files)
    assert usable_cores(root) == pytest.approx(cores or len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(("quota", "workers"), [(50_000, 1), (150_000, 1), (200_000, 2), (6_400_000, None)])
def test_whole_cores_rounds_the_quota_down(tmp_path: Path, quota: int, workers: int | None) -> None:
    """1.5 of 64 cores allow one worker instead of 64 that are throttled; at least one."""
    root = write_files(tmp_path, {"sys/fs/cgroup/cpu.max": f"{quota} 100000\n"})
    cores = len(os.sched_getaffinity(0))
    assert whole_cores(root) == min(cores, workers or cores)


def test_local_ray_has_the_cores_of_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """An explicit number is used; otherwise the quota decides, not the host."""
    asked: list[int] = []
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_COLOR_PREFIX", "0")
    monkeypatch.setenv("RAY_BACKEND_LOG_LEVEL", "fatal")
    monkeypatch.setattr(cluster, "whole_cores", lambda: 5)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **options: asked.append(options["num_cpus"]))
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    for num_cpus in (None, 3):
        with connected(None, num_cpus=num_cpus):
            pass
    assert asked == [5, 3]
