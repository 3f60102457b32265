"""Connect to Ray and inspect the cluster's nodes before any work starts."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Callable, Iterator, Set
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from wsvad.cores import whole_cores
from wsvad.errors import ClusterError, UsageError
from wsvad.work.address import cluster_address
from wsvad.work.pool import Node, Pool, worker_slots
from wsvad.work.ray_connection import cluster_ray, local_ray
from wsvad.work.software import installed_versions, version_differences

log = logging.getLogger(__name__)

T = TypeVar("T")

_ANSWER_S = 180.0  # a node imports PyTorch before it answers
_VERSIONS_S = 60.0  # a node imports nothing before it answers
_same_software: set[str] = set()  # ids of checked nodes: a verb may connect several times
_WARNED_TEXT = "memory pressure"  # the one message of Ray that explains a lost worker and that a user can act on


@contextlib.contextmanager
def connected(
    address: str | None, *, num_cpus: int | None = None, verbose: bool = False, same_software: bool = True
) -> Iterator[None]:
    """Connect to Ray for the duration of a ``with`` block. An existing connection is reused.

    Args:
        address: of a cluster (``auto``, ``host:port``, ``ray://…``). ``None`` uses ``RAY_ADDRESS``, which
            ``ray job submit`` sets, and starts a private local Ray if that is not set. ``local`` always starts a
            private local Ray. A Ray that happens to run on this machine is joined only on request.
        num_cpus: cores of a local Ray; by default all that this process may use, limited by a container's quota.
        verbose: show Ray's own logs.
        same_software: refuse a cluster if a node has other versions of the packages that results depend on.

    Raises:
        UsageError: the address is invalid, a local Ray cannot start with this machine's configuration, or the nodes of
            a cluster have other software than this process.
        ClusterError: Ray cannot be reached or started.
    """
    if address is not None and not address.strip():
        raise UsageError("the address of the Ray cluster is empty; leave the option out for a local Ray")
    if ray.is_initialized():
        yield
        return
    address = cluster_address(address)
    os.environ.setdefault("RAY_COLOR_PREFIX", "0")
    if not verbose:  # the only way to silence Ray's C++ core, which prints to the terminal
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    options = {"logging_level": logging.INFO if verbose else logging.ERROR, "log_to_driver": verbose}
    if address:
        log.info("connecting to the Ray cluster at %s", address)
        link = cluster_ray(address, **options)
    else:
        cores = num_cpus or whole_cores()
        log.info("starting a local Ray with %d cores; a command that has --no-ray can do without", cores)
        link = local_ray(cores, **options)
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(_RayMessages()))
        with contextlib.nullcontext() if verbose else _silent_stderr():
            stack.enter_context(link)
        if address and same_software:
            _refuse_other_software()
        yield


class _RayMessages(io.TextIOBase):
    """Replaces standard output while Ray runs. Ray prints messages there, which would corrupt a ``--json`` summary.

    Lines that explain a lost worker are logged as warnings, all others at debug level.
    """

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.strip():
                log.log(logging.WARNING if _WARNED_TEXT in line else logging.DEBUG, "Ray: %s", line)
        return len(text)


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Discard output to file descriptor 2: Ray's C++ core prints there that its log level was set."""
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as null:
            os.dup2(null.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def nodes() -> list[Node]:
    """Return the total resources of each living node."""
    return list(_nodes_by_id().values())


def _nodes_by_id() -> dict[str, Node]:
    return {
        n["NodeID"]: Node(r.get("CPU", 0.0), r.get("GPU", 0.0), r.get("memory", 0.0))
        for n in _alive()
        for r in [n["Resources"]]
    }


def run_on_worker_nodes(function: Callable[[], T], pool: Pool) -> dict[str, T]:
    """Run a small function on every node that can hold a worker of this pool; return the results by node id.

    The function gets a worker's share of a GPU.

    Raises:
        ClusterError: a node did not answer, or the function failed there.
    """
    need = (pool.cpus_per_worker, pool.gpus_per_worker, pool.memory_per_worker)
    asked = [node_id for node_id, node in _nodes_by_id().items() if worker_slots(node, *need)]
    task = ray.remote(lambda: function())
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
            f"not every node of the cluster answered ({(str(error).strip() or repr(error))[-300:]}); "
            "set --precision, or run the same command again"
        ) from error


def node_names() -> dict[str, str]:
    """Return readable names of the living nodes by node id: the host name and the first digits of the id."""
    return {n["NodeID"]: f"{n['NodeName'] or n['NodeManagerAddress']} ({n['NodeID'][:8]})" for n in _alive()}


def run_on_every_node(function: Callable[[], T], timeout_s: float, *, exclude: Set[str] = frozenset()) -> dict[str, T]:
    """Run a small function on every living node, even those without room for a worker; return the results by node id.

    Nodes in ``exclude`` are skipped. Nodes that do not answer in time or leave the cluster are omitted. An exception
    raised by the function is raised here as ``RayTaskError``.
    """
    task = ray.remote(lambda: function())
    asked = {
        task.options(
            num_cpus=0, max_retries=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False)
        ).remote(): node_id
        for node_id in living_nodes() - exclude
    }
    if not asked:
        return {}
    ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=timeout_s)
    answers = {}
    for reference in ready:
        try:
            answers[asked[reference]] = ray.get(reference)
        except RayTaskError:
            raise
        except RayError as error:
            log.debug("%s: %s", asked[reference], error)
    return answers


def _refuse_other_software() -> None:
    """Refuse nodes with other package versions: results would depend on the node, and errors would be obscure."""
    try:
        found = run_on_every_node(installed_versions, _VERSIONS_S, exclude=_same_software)
    except RayTaskError as error:
        raise UsageError(
            f"a node of the cluster cannot run wsvad ({str(error).strip().splitlines()[-1]}); install the same "
            "packages on every node, or submit the job with a working directory"
        ) from error
    if not found:
        return
    names = node_names()
    different = version_differences(
        installed_versions(), {names.get(node_id, node_id): found[node_id] for node_id in found}
    )
    if different:
        raise UsageError(
            f"the nodes of the cluster have other software: {'; '.join(different)}. No work was started; install from "
            "the same constraints.txt on every node and restart Ray there"
        )
    _same_software.update(found)


def living_nodes() -> frozenset[str]:
    """Return the ids of the living nodes."""
    return frozenset(n["NodeID"] for n in _alive())


def _alive() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]
