"""Connect to a Ray as a run does: ``python -m wsvad.doctor.ray_probe ADDRESS`` prints one JSON object.

The address ``local`` starts a local Ray. Standard input has the probes for every node of a cluster as JSON:
``{"videos": URI|null, "out": URI|null, "store": {…}}``.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import RayTaskError

from wsvad.doctor.nodes import probe_node
from wsvad.errors import WsvadError
from wsvad.storage import StoreOptions
from wsvad.work.address import LOCAL
from wsvad.work.cluster import connected, node_names, run_on_every_node

_NODES_S = 60.0


def probe(address: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """Connect, read the cluster's resources, probe the nodes, and disconnect.

    Args:
        address: address of the cluster, or ``local``.
        about: parsed standard input.

    Returns:
        ``nodes, cpus, gpus, memory`` (bytes) and ``object_store`` (bytes) of the living nodes, ``start_s`` (seconds to
        connect), ``niceness`` of a worker. For a cluster also ``answers`` (results of ``probe_node`` by node) and
        ``silent`` (nodes that did not answer), or ``nodes_error``. On failure ``error``, with ``exit_code`` if it is
        an error of this package.
    """
    started = time.monotonic()
    try:
        with connected(address, same_software=False):  # differences are reported by a check of their own
            start_s = time.monotonic() - started
            resources = ray.cluster_resources()
            found: dict[str, Any] = {
                "nodes": sum(bool(node["Alive"]) for node in ray.nodes()),
                "cpus": float(resources.get("CPU", 0.0)),
                "gpus": float(resources.get("GPU", 0.0)),
                "memory": float(resources.get("memory", 0.0)),
                "object_store": float(resources.get("object_store_memory", 0.0)),
                "start_s": round(start_s, 1),
                "niceness": ray.get(ray.remote(_niceness).options(num_cpus=0).remote()),
            }
            if address != LOCAL:
                question = functools.partial(probe_node, about["videos"], about["out"], StoreOptions(**about["store"]))
                try:
                    answers, names = run_on_every_node(question, _NODES_S), node_names()
                    found["answers"] = {names.get(node_id, node_id): answers[node_id] for node_id in answers}
                    found["silent"] = sorted(set(names.values()) - set(found["answers"]))
                except RayTaskError as error:
                    found["nodes_error"] = str(error).strip().splitlines()[-1]
            return found
    except WsvadError as error:
        return {"error": " ".join(str(error).split()), "exit_code": error.exit_code}
    except Exception as error:  # Ray may raise anything; the error is the result
        lines = str(error).strip().splitlines() or ["no message"]
        return {"error": f"{type(error).__name__}: {lines[0]}" + (f" … {lines[-1]}" if len(lines) > 1 else "")}


def _niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


if __name__ == "__main__":
    print(json.dumps(probe(sys.argv[1], json.loads(sys.stdin.read()))), flush=True)
