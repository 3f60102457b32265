"""Connecting to Ray, and finding out before any work whether it is large enough."""

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
from wsvad.work.pool import Node, Pool, places_on
from wsvad.work.ray_link import joined_ray, local_ray
from wsvad.work.software import differences, installed

log = logging.getLogger(__name__)

T = TypeVar("T")

_ANSWER_S = 180.0  # a node imports PyTorch before it can tell
_VERSIONS_S = 60.0  # it imports nothing
_same_software: set[str] = set()  # ids of nodes: a verb connects more than once, and a node's software stays
_TOLD_ALWAYS = "memory pressure"  # of all that Ray has to say, what explains a lost worker and can be acted upon


@contextlib.contextmanager
def connected(
    address: str | None, *, num_cpus: int | None = None, verbose: bool = False, same_software: bool = True
) -> Iterator[None]:
    """Connect to Ray for the length of a ``with`` block; use the connection that is there if there is one.

    Args:
        address: of a cluster (``auto``, ``host:port``, ``ray://…``); ``None`` takes ``RAY_ADDRESS`` (``ray job submit``
            sets it) and starts a private local Ray where that is not set either, as ``local`` does in any case. A Ray
            that happens to run on this machine is not joined unasked.
        num_cpus: cores of a local Ray; default all that this process may use, a container's quota included.
        verbose: let Ray's own logs through.

        same_software: refuse a cluster with a node that has other versions of what results depend on.

    Raises:
        UsageError: the address cannot be one, a local Ray cannot start on this machine as it is set up, or the nodes of
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
    if not verbose:  # Ray's C++ core prints to the terminal by itself, and knows no other switch
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    options = {"logging_level": logging.INFO if verbose else logging.ERROR, "log_to_driver": verbose}
    if address:
        log.info("connecting to the Ray cluster at %s", address)
        link = joined_ray(address, **options)
    else:
        link = local_ray(num_cpus or whole_cores(), **options)
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(_RayMessages()))
        with contextlib.nullcontext() if verbose else _silent_stderr():
            stack.enter_context(link)
        if address and same_software:
            _refuse_other_software()
        yield


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


def nodes() -> list[Node]:
    """Return the living nodes' total resources."""
    return list(_nodes_by_id().values())


def _nodes_by_id() -> dict[str, Node]:
    return {
        n["NodeID"]: Node(r.get("CPU", 0.0), r.get("GPU", 0.0), r.get("memory", 0.0))
        for n in _alive()
        for r in [n["Resources"]]
    }


def ask_nodes(question: Callable[[], T], pool: Pool) -> dict[str, T]:
    """Run a small function on every node that can hold a worker of this pool; return its answers by node id.

    It runs where a worker would, with a worker's GPU.

    Raises:
        ClusterError: a node does not answer, or cannot.
    """
    need = (pool.cpus_per_worker, pool.gpus_per_worker, pool.memory_per_worker)
    asked = [node_id for node_id, node in _nodes_by_id().items() if places_on(node, *need)]
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


def node_names() -> dict[str, str]:
    """Return names of the living nodes for people, by id: the host, and the beginning of the id."""
    return {n["NodeID"]: f"{n['NodeName'] or n['NodeManagerAddress']} ({n['NodeID'][:8]})" for n in _alive()}


def ask_every_node(question: Callable[[], T], timeout_s: float, *, but: Set[str] = frozenset()) -> dict[str, T]:
    """Run a small function on every living node, those without room for a worker, too; return its answers by id.

    Nodes whose ids are in ``but`` are left out. What does not answer in time, or left meanwhile, is left out, too; an
    error that the function raised is raised here, as ``RayTaskError``.
    """
    task = ray.remote(lambda: question())
    asked = {
        task.options(
            num_cpus=0, max_retries=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False)
        ).remote(): node_id
        for node_id in living_nodes() - but
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
    """Mixed versions make results that depend on who made them, and fail in odd places. Before any work."""
    try:
        found = ask_every_node(installed, _VERSIONS_S, but=_same_software)
    except RayTaskError as error:
        raise UsageError(
            f"a node of the cluster cannot run wsvad ({str(error).strip().splitlines()[-1]}); install the same on "
            "every node, or submit with a working directory"
        ) from error
    if not found:
        return
    names = node_names()
    different = differences(installed(), {names.get(node_id, node_id): found[node_id] for node_id in found})
    if different:
        raise UsageError(
            f"the nodes of the cluster have other software: {'; '.join(different)}. No work was begun; install from "
            "one constraints.txt on every node, and start its Ray again"
        )
    _same_software.update(found)


def living_nodes() -> frozenset[str]:
    """Return the ids of the living nodes."""
    return frozenset(n["NodeID"] for n in _alive())


def _alive() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]
