"""Ask a Ray cluster what it has: ``python -m wsvad.doctor.ray_probe ADDRESS`` prints one JSON object."""

from __future__ import annotations

import json
import sys

import ray


def probe(address: str) -> dict[str, str | int | float]:
    """Connect, count, disconnect.

    Returns:
        ``nodes, cpus, gpus, memory`` (bytes) and ``object_store`` (bytes) of the living nodes; or ``error``.
    """
    try:
        ray.init(address=address, configure_logging=False, log_to_driver=False)
    except Exception as error:  # whatever Ray raises here is the finding, and Ray's own tree is wide
        first = (str(error).strip().splitlines() or ["no message"])[0]
        return {"error": f"{type(error).__name__}: {first}"}
    try:
        resources = ray.cluster_resources()
        return {
            "nodes": sum(bool(node["Alive"]) for node in ray.nodes()),
            "cpus": float(resources.get("CPU", 0.0)),
            "gpus": float(resources.get("GPU", 0.0)),
            "memory": float(resources.get("memory", 0.0)),
            "object_store": float(resources.get("object_store_memory", 0.0)),
        }
    finally:
        ray.shutdown()


if __name__ == "__main__":
    print(json.dumps(probe(sys.argv[1])), flush=True)
