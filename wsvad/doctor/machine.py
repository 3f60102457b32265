"""Checks of the machine: processor and numerical precision, memory, shared memory, disk, open files."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from pathlib import Path

from wsvad.cores import cgroup_folders, kernel_text, usable_cores
from wsvad.doctor.report import Check, Value

GIB = 1 << 30

# Ray uses 30 % of the memory for its object store, at most 95 % of /dev/shm, at most 200 GB
# (ray/_private/ray_constants.py and utils.py:resolve_object_store_memory, Ray 2.60).
_RAY_STORE_SHARE = 0.3
_RAY_STORE_MAX = 200 * 10**9
# Frames never pass through the object store (docs: exactly once), so 256 MiB are enough.
_ENOUGH_SHM = GIB // 4
# Ray schedules no work on a node whose temporary disk is fuller than this (local_fs_capacity_threshold).
_RAY_DISK_FULL = 0.95
# Ray raises its own soft limit and warns below this many open files (ray/_private/worker.py).
_RAY_MIN_FILES = 4096
# AVX-512 without bf16 instructions emulates bf16, which is slower than fp32.
_INTERESTING = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_tile", "amx_bf16", "asimd", "bf16")


def check_cpu(root: Path = Path("/")) -> Check:
    """Check the number of usable cores, and which precision the processor supports well."""
    cores = usable_cores(root)
    model, features = cpu_features(root)
    advice, has_bf16 = _precision_advice(features)
    data: dict[str, Value] = {
        "cores": cores,
        "model": model,
        "features": [*sorted(features & set(_INTERESTING))],
        "bf16": has_bf16,
    }
    summary = f"{cores:g} core{'s' if cores != 1 else ''}, {model or 'unknown model'}; {advice}"
    remedy = "" if has_bf16 else "jobs here run in fp32; set --precision fp32 on every machine that shares a data set"
    return Check("cpu", "ok" if has_bf16 else "warn", summary, remedy, data)


def _precision_advice(features: frozenset[str]) -> tuple[str, bool]:
    if {"amx_tile", "amx_bf16"} <= features:
        return "AMX: fast bf16 on matrix tiles", True
    if "avx512_bf16" in features:
        return "AVX512-BF16: bf16 instructions", True
    if {"asimd", "bf16"} <= features:
        return "Arm: its bf16 instructions are not used", False
    if "avx512f" in features:
        return "AVX-512 without bf16 instructions: bf16 would be emulated, slower than fp32", False
    if "avx2" in features:
        return "AVX2 only: bf16 would be emulated, slower than fp32", False
    return "no vector extension that the model's kernels support: slow", False


def cpu_features(root: Path = Path("/")) -> tuple[str, frozenset[str]]:
    """Return the model name and the feature flags of the first processor, as Linux names them (lower case)."""
    model, features = "", frozenset[str]()
    for line in kernel_text(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name" and not model:
            model = value.strip()
        elif name.strip() in ("flags", "Features"):
            features = frozenset(value.lower().split())
        elif not line.strip() and features:
            break
    return model, features


def memory_bytes(root: Path = Path("/")) -> tuple[int, int]:
    """Return ``(total, available)`` bytes; the total is limited by the container's limit."""
    info = {}
    for line in kernel_text(root / "proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        info[name] = int(value.split()[0]) * 1024 if value.split() else 0
    total = info.get("MemTotal", 0)
    for folder in cgroup_folders(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = kernel_text(folder / name).strip()
            if limit.isdigit():
                total = min(total, int(limit))
    return total, min(info.get("MemAvailable", total), total)


def check_memory(root: Path = Path("/")) -> Check:
    """Check the memory: an extraction worker on a CPU needs 1.5 GiB, Ray itself about 0.5 GiB."""
    total, available = memory_bytes(root)
    summary = f"{available / GIB:.1f} GiB available of {total / GIB:.1f} GiB"
    data: dict[str, Value] = {"total": total, "available": available}
    if available < 2 * GIB:
        return Check("memory", "warn", summary, "Ray and one worker need 2 GiB: free memory", data)
    return Check("memory", "ok", summary, data=data)


def check_shared_memory(path: Path = Path("/dev/shm"), root: Path = Path("/")) -> Check:
    """Check the shared memory, which holds Ray's object store; containers often have only 64 MiB."""
    name = "shared memory"
    try:
        size = shutil.disk_usage(path).total
    except OSError as error:
        remedy = "mount a tmpfs at /dev/shm, otherwise Ray uses the disk"
        return Check(name, "warn", f"{path}: {error.strerror}", remedy)
    wanted = int(min(memory_bytes(root)[0] * _RAY_STORE_SHARE, _RAY_STORE_MAX))
    data: dict[str, Value] = {"size": size, "ray_default_store": wanted}
    summary = f"{path} has {size / GIB:.2f} GiB; Ray would take {wanted / GIB:.1f} GiB for its object store"
    if size < _ENOUGH_SHM:
        remedy = "docker run --shm-size=2g (Kubernetes: an emptyDir of medium Memory at /dev/shm)"
        return Check(name, "warn", summary, remedy, data)
    if wanted > 0.95 * size:
        summary += ", but is limited to less; this is enough, because frames do not pass through it"
    return Check(name, "ok", summary, data=data)


def check_disk(folder: Path | None = None) -> Check:
    """Check the space in the temporary folder, where Ray writes logs and spills objects."""
    folder = folder or Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir())
    name = "temporary disk"
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        return Check(name, "fail", f"{folder}: {error.strerror}", "set TMPDIR to an existing, writable folder")
    data: dict[str, Value] = {"folder": str(folder), "free": usage.free, "total": usage.total}
    summary = f"{usage.free / GIB:.1f} GiB free of {usage.total / GIB:.1f} GiB in {folder}"
    remedy = "free space, or set TMPDIR (for Ray: RAY_TMPDIR) to another disk"
    # The blocks reserved for root count as used for other users, and Ray counts them in the same way.
    if usage.free < GIB or 1 - usage.free / max(usage.total, 1) > _RAY_DISK_FULL:
        return Check(name, "fail", f"{summary}: Ray schedules no work with so little free space", remedy, data)
    if usage.free < 5 * GIB:
        return Check(name, "warn", summary, remedy, data)
    return Check(name, "ok", summary, data=data)


def check_file_limit(limits: tuple[int, int] | None = None) -> Check:
    """Check the limit of open files that Ray can set (``limits`` is ``(soft, hard)``, for tests)."""
    soft, hard = limits or resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    shown = "unlimited" if hard == unlimited else str(hard)
    data: dict[str, Value] = {"soft": soft, "hard": None if hard == unlimited else hard}
    summary = f"{'unlimited' if soft == unlimited else soft} open files, can be raised to {shown}"
    if hard != unlimited and hard < _RAY_MIN_FILES:
        return Check("open files", "warn", summary, "ulimit -Hn 8192 (or the container's --ulimit nofile=8192)", data)
    return Check("open files", "ok", summary, data=data)
