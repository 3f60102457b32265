"""Checks of the machine, with kernel files in temporary folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from wsvad.backbones.extractor import default_precision
from wsvad.doctor import machine

MODEL = "model name\t: Some Processor @ 2.00GHz\n"


def write_files(root: Path, files: dict[str, str]) -> Path:
    """Write the given files below ``root``."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


class Usage(NamedTuple):
    """Result of ``shutil.disk_usage``."""

    total: int
    used: int
    free: int


def usage(total_gib: float, free_gib: float) -> Usage:
    """Return a disk of that many GiB."""
    total, free = int(total_gib * machine.GIB), int(free_gib * machine.GIB)
    return Usage(total, total - free, free)


@pytest.mark.parametrize(
    ("flags", "status", "words"),
    [
        ("flags : fpu avx2 avx512f avx512_bf16 amx_bf16 amx_tile", "ok", "AMX"),
        ("flags : fpu avx2 avx512f avx512_vnni avx512_bf16", "ok", "AVX512-BF16"),
        ("Features : fp asimd bf16 sve", "warn", "Arm"),
        ("flags : fpu avx2 avx512f avx512_vnni", "warn", "AVX-512 without bf16"),
        ("flags : fpu sse4_2 avx2", "warn", "AVX2 only"),
        ("flags : fpu sse4_2", "warn", "no vector extension"),
        ("", "warn", "no vector extension"),
    ],
)
def test_processor_features_determine_the_precision(tmp_path: Path, flags: str, status: str, words: str) -> None:
    """bf16 only with bf16 instructions; otherwise the remedy is fp32."""
    root = write_files(
        tmp_path, {"proc/cpuinfo": f"processor : 0\n{MODEL}{flags}\n\nprocessor : 1\n{MODEL}flags : other\n"}
    )
    check = machine.check_cpu(root)
    assert check.status == status
    assert words in check.summary
    assert ("fp32" in check.remedy) == (status == "warn")
    assert check.data["model"] == "Some Processor @ 2.00GHz"


def test_the_advice_agrees_with_the_choice_of_jobs() -> None:
    """On this machine."""
    assert machine.check_cpu().data["bf16"] == (default_precision("cpu") == "bf16")


MEMINFO = "MemTotal:       16384000 kB\nMemFree:  100 kB\nMemAvailable:    8192000 kB\n"


@pytest.mark.parametrize(
    ("files", "total", "available", "status"),
    [
        ({}, 16384000 * 1024, 8192000 * 1024, "ok"),
        ({"sys/fs/cgroup/memory.max": "max\n"}, 16384000 * 1024, 8192000 * 1024, "ok"),
        ({"sys/fs/cgroup/memory.max": "1073741824\n"}, 1 << 30, 1 << 30, "warn"),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "4294967296\n"}, 4 << 30, 4 << 30, "ok"),
    ],
    ids=["bare", "v2 unlimited", "v2", "v1"],
)
def test_memory_is_limited_by_the_container(
    tmp_path: Path, files: dict[str, str], total: int, available: int, status: str
) -> None:
    """The container's limit if it is below the machine's memory; too little is a warning."""
    root = write_files(tmp_path, {"proc/meminfo": MEMINFO, **files})
    assert machine.memory_bytes(root) == (total, available)
    assert machine.check_memory(root).status == status


def test_memory_agrees_with_the_kernel() -> None:
    """On this machine the total is at most that of ``sysconf``."""
    total, available = machine.memory_bytes()
    assert 0 < available <= total <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("gib", "status"),
    [(0.0625, "warn"), (1.0, "ok"), (64.0, "ok")],
    ids=["docker's default", "less than wanted", "ample"],
)
def test_small_shared_memory_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gib: float, status: str
) -> None:
    """For 64 MiB, the default of containers; the remedy names the option."""
    root = write_files(tmp_path, {"proc/meminfo": MEMINFO})
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: usage(gib, gib))
    check = machine.check_shared_memory(Path("/dev/shm"), root)
    assert check.status == status
    assert ("--shm-size" in check.remedy) == (status == "warn")


@pytest.mark.parametrize(
    ("free_gib", "total_gib", "status"),
    [(50, 100, "ok"), (3, 20, "warn"), (0.5, 20, "fail"), (40, 1000, "fail")],
    ids=["ample", "little", "none", "fuller than Ray accepts"],
)
def test_a_full_temporary_disk_is_detected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_gib: float, total_gib: float, status: str
) -> None:
    """Little space is a warning; too little for Ray is a failure."""
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: usage(total_gib, free_gib))
    check = machine.check_disk(tmp_path)
    assert check.status == status
    assert bool(check.remedy) == (status != "ok")


def test_missing_folders_are_detected(tmp_path: Path) -> None:
    """A missing temporary folder is a failure, missing shared memory a warning."""
    assert machine.check_disk(tmp_path / "none").status == "fail"
    assert machine.check_shared_memory(tmp_path / "none").status == "warn"


@pytest.mark.parametrize(
    ("limits", "status"), [((1024, 1 << 20), "ok"), ((1024, 1024), "warn"), ((-1, -1), "ok")], ids=str
)
def test_the_hard_limit_of_open_files_counts(limits: tuple[int, int], status: str) -> None:
    """Ray raises its own soft limit, so only a low hard limit is a warning."""
    check = machine.check_file_limit(limits)
    assert check.status == status
    assert ("ulimit" in check.remedy) == (status == "warn")
