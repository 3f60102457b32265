"""Size of the worker pool and resources per worker, from the options and the cluster. Does not import Ray."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from wsvad.documents import DocumentError, parse_object
from wsvad.errors import UsageError
from wsvad.options import NaturalFloat, PositiveFloat, Size, SmallInt
from wsvad.storage import normalize_uri

GIB = 1 << 30
CPU_WORKER_BYTES = 3 * GIB // 2
"""Memory for a worker and its decoder on a CPU: the network, one unit's features, a queue of clips."""


@dataclass(frozen=True)
class PoolOptions:
    """Number of workers and resources per worker; ``None`` derives a value from the cluster."""

    workers: SmallInt | None = None
    """number of workers"""
    cpus_per_worker: PositiveFloat | None = None
    """CPU cores per worker (default: 1; with a GPU 2, one to prepare input and one to decode)"""
    gpus_per_worker: NaturalFloat | None = None
    """GPUs per worker: a whole number, a fraction of one, or 0 (default: up to 8 workers share a GPU)"""
    memory_per_worker: Size | None = None
    """memory reserved per worker, e.g. 2GiB (default: none, but workers are limited to one per 1.5 GiB)"""
    in_flight: SmallInt = 2
    """units assigned to a worker at once; 2 lets the next unit wait at the worker while one runs"""

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"workers must be at least 1, got {self.workers}")
        for name, least in (("cpus_per_worker", 0.01), ("gpus_per_worker", 0.0), ("memory_per_worker", 1)):
            value = getattr(self, name)
            if value is not None and not (least <= value < math.inf):
                raise UsageError(f"{name} must be at least {least:g} and finite, got {value}")
        if self.gpus_per_worker and self.gpus_per_worker < 0.01:
            raise UsageError(f"gpus_per_worker must be 0 or at least 0.01, got {self.gpus_per_worker}")
        if self.gpus_per_worker is not None and self.gpus_per_worker > 1 and self.gpus_per_worker % 1:
            raise UsageError(f"gpus_per_worker must be a fraction of one GPU or whole GPUs, got {self.gpus_per_worker}")
        if self.in_flight < 1:
            raise UsageError(f"in_flight must be at least 1, got {self.in_flight}")


@dataclass(frozen=True)
class Pool:
    """Number of workers and resources per worker that fit the cluster."""

    workers: int
    cpus_per_worker: float
    gpus_per_worker: float
    memory_per_worker: int
    in_flight: int

    @property
    def device(self) -> str:
        """Device of the network, ``cuda`` or ``cpu``."""
        return "cuda" if self.gpus_per_worker else "cpu"

    @property
    def threads(self) -> int:
        """Threads of the network on a CPU."""
        return max(1, int(self.cpus_per_worker))


@dataclass(frozen=True)
class Node:
    """Resources of one living node."""

    cpus: float
    gpus: float
    memory: float


def in_job_working_dir(uri: str) -> bool:
    """Whether a URI or path lies in the working directory of a submitted Ray job.

    ``ray job submit --working-dir`` unpacks a copy of the directory on the head node and deletes it after the job.
    Relative paths passed to the job lead into that copy.
    """
    try:  # set by Ray's job supervisor
        environment = parse_object(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR") or "{}").get("runtime_env")
    except DocumentError as error:
        raise UsageError(f"the environment variable RAY_JOB_CONFIG_JSON_ENV_VAR is not valid: {error}") from error
    if not (isinstance(environment, dict) and environment.get("working_dir")):
        return False
    return f"{normalize_uri(uri)}/".startswith(f"{normalize_uri(os.getcwd())}/")


def fit_pool(options: PoolOptions, found: list[Node]) -> Pool:
    """Choose the pool: the requested workers, else as many as the nodes can hold.

    Raises:
        UsageError: no node can hold a worker, or the cluster cannot hold the requested workers. The message states
            required and available resources.
    """
    cpus, gpus = sum(n.cpus for n in found), sum(n.gpus for n in found)
    gpus_each = options.gpus_per_worker
    if gpus_each is None:
        gpus_each = 1.0 / max(1, min(8, int(cpus / gpus / 2))) if gpus else 0.0
    cpus_each = options.cpus_per_worker
    if cpus_each is None:
        cpus_each = 2.0 if gpus_each else 1.0
    memory_each = options.memory_per_worker or 0
    slots = sum(worker_slots(n, cpus_each, gpus_each, memory_each) for n in found)
    need = f"{cpus_each:g} CPU" + (f", {gpus_each:g} GPU" if gpus_each else "")
    need += f", {memory_each / GIB:.1f} GiB memory" if memory_each else ""
    have = "; ".join(f"{n.cpus:g} CPU, {n.gpus:g} GPU, {n.memory / GIB:.1f} GiB" for n in found) or "no node"
    if not slots:
        raise UsageError(f"a worker needs {need}, and no node can hold one; the cluster has {have}")
    if options.workers is not None and options.workers > slots:
        raise UsageError(
            f"{options.workers} workers of {need} were requested, but the cluster can hold {slots}; it has {have}"
        )
    workers = options.workers
    if workers is None:
        with_memory = sum(worker_slots(n, cpus_each, gpus_each, memory_each or CPU_WORKER_BYTES) for n in found)
        workers = max(1, min(slots, with_memory))
    return Pool(workers, cpus_each, gpus_each, memory_each, options.in_flight)


def worker_slots(node: Node, cpus: float, gpus: float, memory: float) -> int:
    """Return how many workers with these resources a node can hold."""
    limits = [have / each for have, each in ((node.cpus, cpus), (node.gpus, gpus), (node.memory, memory)) if each]
    return int(min(limits) + 1e-6) if limits else 1
