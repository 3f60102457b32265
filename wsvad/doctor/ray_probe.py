"""Start or join a Ray as a run does: ``python -m wsvad.doctor.ray_probe ADDRESS`` prints one JSON object.

``local`` as the address starts one.
"""

from __future__ import annotations

import json
import os
import sys
import time

import ray

from wsvad.errors import WsvadError
from wsvad.work.cluster import connected


def probe(address: str) -> dict[str, str | int | float]:
    """Connect, count, disconnect.

    Returns:
        ``nodes, cpus, gpus, memory`` (bytes), ``object_store`` (bytes) of the living nodes, ``start_s`` (seconds until
        it was there), ``niceness`` of a worker; or ``error``, with ``exit_code`` where it is one of ours.
    """
    started = time.monotonic()
    try:
        with connected(address):
            start_s = time.monotonic() - started
            resources = ray.cluster_resources()
            return {
                "nodes": sum(bool(node["Alive"]) for node in ray.nodes()),
                "cpus": float(resources.get("CPU", 0.0)),
                "gpus": float(resources.get("GPU", 0.0)),
                "memory": float(resources.get("memory", 0.0)),
                "object_store": float(resources.get("object_store_memory", 0.0)),
                "start_s": round(start_s, 1),
                "niceness": ray.get(ray.remote(_niceness).options(num_cpus=0).remote()),
            }
    except WsvadError as error:
        return {"error": " ".join(str(error).split()), "exit_code": error.exit_code}
    except Exception as error:  # whatever Ray raises here is the finding, and Ray's own tree is wide
        first = (str(error).strip().splitlines() or ["no message"])[0]
        return {"error": f"{type(error).__name__}: {first}"}


def _niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


if __name__ == "__main__":
    print(json.dumps(probe(sys.argv[1])), flush=True)
