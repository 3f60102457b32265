"""Connecting to Ray, and finding out before any work whether it is large enough."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from wsvad.cores import whole_cores
from wsvad.documents import DocumentError, parse_object
from wsvad.errors import ClusterError, UsageError
from wsvad.storage import normalize_uri

log = logging.getLogger(__name__)

T = TypeVar("T")

GIB = 1 << 30
CPU_WORKER_BYTES = 3 * GIB // 2
"""Memory that a worker and its decoder want on a CPU: the network, one unit's features, a queue of clips."""
_LOCAL_OBJECT_STORE_BYTES = 300 << 20  # holds the weights and small receipts; frames never pass through it
_ANSWER_S = 180.0  # a node imports PyTorch before it can tell
_TOO_SLOW = "timed out during startup"  # what Ray says of a start that took more than its 30 s
_TOLD_ALWAYS = "memory pressure"  # of all that Ray has to say, what explains a lost worker and can be acted upon


@dataclass(frozen=True)
class PoolOptions:
    """How many workers to run, and what each gets; ``None`` lets the cluster decide."""

    workers: int | None = None
    """Actors at once, at least 1."""
    cpus_per_worker: float | None = None
    """CPU cores reserved for (and used by) a worker; default 1, with a GPU 2 (one feeds, one decodes)."""
    gpus_per_worker: float | None = None
    """GPUs of a worker, whole ones or a fraction of one; default: up to 8 workers share a GPU; 0 without GPUs."""
    memory_per_worker: int | None = None
    """Bytes of memory that Ray reserves for a worker; default: none reserved, but the default number of workers
    leaves 1.5 GiB for each."""
    in_flight: int = 2
    """Units handed to a worker at once: the second waits so that the worker never does."""

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
    """A pool that fits the cluster."""

    workers: int
    cpus_per_worker: float
    gpus_per_worker: float
    memory_per_worker: int
    in_flight: int

    @property
    def device(self) -> str:
        """Where the network runs."""
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


@contextlib.contextmanager
def connected(address: str | None, *, num_cpus: int | None = None, verbose: bool = False) -> Iterator[None]:
    """Connect to Ray for the length of a ``with`` block; use the connection that is there if there is one.

    Args:
        address: of a cluster (``auto``, ``host:port``); ``None`` takes ``RAY_ADDRESS`` (``ray job submit`` sets it)
            and starts a private local Ray where that is not set either. A Ray that happens to run on this machine
            is not joined unasked.
        num_cpus: cores of a local Ray; default all that this process may use, a container's quota included.
        verbose: let Ray's own logs through.

    Raises:
        ClusterError: Ray cannot be reached or started.
    """
    if address is not None and not address.strip():
        raise UsageError("the address of the Ray cluster is empty; leave the option out for a local Ray")
    if ray.is_initialized():
        yield
        return
    address = cluster_address(address)
    level = logging.INFO if verbose else logging.ERROR
    os.environ.setdefault("RAY_COLOR_PREFIX", "0")
    if not verbose:  # Ray's C++ core prints to the terminal by itself, and knows no other switch
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        with contextlib.nullcontext() if verbose else _silent_stderr():
            if address:
                ray.init(address=address, logging_level=level, log_to_driver=verbose)
            else:
                start_local(num_cpus or whole_cores(), logging_level=level, log_to_driver=verbose)
    except Exception as error:  # Ray raises bare exceptions here, e.g. when a node takes too long to start
        where = f"the Ray cluster at {address}" if address else "a local Ray"
        raise ClusterError(f"cannot connect to {where}: {error}") from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_sigterm)  # ray.init takes it away, and exits with 15
    with contextlib.redirect_stdout(_RayMessages()):
        try:
            yield
        finally:
            ray.shutdown()


def start_local(num_cpus: int, **options: Any) -> None:
    """Start a Ray of this process's own; once more if the machine is too busy for it to be ready within Ray's 30 s.

    Args:
        num_cpus: cores that it has.
        options: more of ``ray.init``.
    """
    for patient in (True, False):
        try:
            ray.init(
                address="local",
                num_cpus=num_cpus,
                object_store_memory=_LOCAL_OBJECT_STORE_BYTES,
                include_dashboard=False,
                **options,
            )
            return
        except Exception as error:  # a bare one
            if not patient or _TOO_SLOW not in str(error):
                raise
            log.debug("Ray did not start within its time, once more: %s", error)
            ray.shutdown()


class _RayMessages(io.TextIOBase):
    """Standard output for as long as Ray runs: it prints there of dying workers, in the midst of a ``--json`` summary.

    The lines go to the log: what explains a lost worker as a warning, everything else for ``--verbose`` only.
    """

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.strip():
                log.log(logging.WARNING if _TOLD_ALWAYS in line else logging.DEBUG, "Ray: %s", line)
        return len(text)


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drop what is written to file descriptor 2: the C++ core announces there that it was told to be quiet."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def in_job_copy(uri: str) -> bool:
    """Whether a URI or path lies in the copy of the working directory that this submitted job runs in.

    ``ray job submit --working-dir`` unpacks the directory on the head and deletes it after the job. A relative path
    given to the job leads into that copy.
    """
    try:  # Ray's job supervisor sets it
        environment = parse_object(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR") or "{}").get("runtime_env")
    except DocumentError as error:
        raise UsageError(f"the environment variable RAY_JOB_CONFIG_JSON_ENV_VAR is not Ray's: {error}") from error
    if not (isinstance(environment, dict) and environment.get("working_dir")):
        return False
    return f"{normalize_uri(uri)}/".startswith(f"{normalize_uri(os.getcwd())}/")


def cluster_address(given: str | None) -> str | None:
    """Return the address of the cluster that a run will use; ``None`` for a local Ray of its own."""
    address = given or os.environ.get("RAY_ADDRESS") or None
    return None if address == "local" else address


def nodes() -> list[Node]:
    """Return the living nodes' total resources."""
    return list(_nodes_by_id().values())


def _nodes_by_id() -> dict[str, Node]:
    return {
        n["NodeID"]: Node(r.get("CPU", 0.0), r.get("GPU", 0.0), r.get("memory", 0.0))
        for n in ray.nodes()
        if n["Alive"]
        for r in [n["Resources"]]
    }


def ask_nodes(question: Callable[[], T], pool: Pool) -> dict[str, T]:
    """Run a small function on every node that can hold a worker of this pool; return its answers by node id.

    It runs where a worker would, with a worker's GPU.

    Raises:
        ClusterError: a node does not answer, or cannot.
    """
    need = (pool.cpus_per_worker, pool.gpus_per_worker, pool.memory_per_worker)
    asked = [node_id for node_id, node in _nodes_by_id().items() if _places(node, *need)]
    task = ray.remote(lambda: question())
    answers = [
        task.options(
            num_cpus=0,
            num_gpus=pool.gpus_per_worker or None,
            max_retries=1,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False),
        ).remote()
        for node_id in asked
    ]
    try:
        return dict(zip(asked, ray.get(answers, timeout=_ANSWER_S), strict=True))
    except RayError as error:
        raise ClusterError(
            f"not every node of the cluster could be asked what it is ({(str(error).strip() or repr(error))[-300:]}); "
            "say --precision, or run the same command again"
        ) from error


def living_nodes() -> frozenset[str]:
    """Return the ids of the living nodes."""
    return frozenset(n["NodeID"] for n in ray.nodes() if n["Alive"])


def fit(options: PoolOptions, found: list[Node]) -> Pool:
    """Choose the pool: what was asked for, else what the nodes can hold.

    Raises:
        UsageError: no node can hold a worker, or the cluster cannot hold the workers asked for; says what is needed
            and what is there.
    """
    cpus, gpus = sum(n.cpus for n in found), sum(n.gpus for n in found)
    gpus_each = options.gpus_per_worker
    if gpus_each is None:
        gpus_each = 1.0 / max(1, min(8, int(cpus / gpus / 2))) if gpus else 0.0
    cpus_each = options.cpus_per_worker
    if cpus_each is None:
        cpus_each = 2.0 if gpus_each else 1.0
    memory_each = options.memory_per_worker or 0
    places = sum(_places(n, cpus_each, gpus_each, memory_each) for n in found)
    need = f"{cpus_each:g} CPU" + (f", {gpus_each:g} GPU" if gpus_each else "")
    need += f", {memory_each / GIB:.1f} GiB memory" if memory_each else ""
    have = "; ".join(f"{n.cpus:g} CPU, {n.gpus:g} GPU, {n.memory / GIB:.1f} GiB" for n in found) or "no node"
    if not places:
        raise UsageError(f"a worker needs {need}, and no node can hold one; the cluster has {have}")
    if options.workers is not None and options.workers > places:
        raise UsageError(
            f"{options.workers} workers of {need} were asked for, the cluster can hold {places}; it has {have}"
        )
    workers = options.workers
    if workers is None:
        roomy = sum(_places(n, cpus_each, gpus_each, memory_each or CPU_WORKER_BYTES) for n in found)
        workers = max(1, min(places, roomy))
    return Pool(workers, cpus_each, gpus_each, memory_each, options.in_flight)


def _places(node: Node, cpus: float, gpus: float, memory: float) -> int:
    limits = [have / each for have, each in ((node.cpus, cpus), (node.gpus, gpus), (node.memory, memory)) if each]
    return int(min(limits) + 1e-6) if limits else 1
