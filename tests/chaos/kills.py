"""Kill the driver, a worker or a node of a test's cluster."""

from __future__ import annotations

import os
import signal

import psutil
from ray.cluster_utils import Cluster


def kill_worker(cluster: Cluster, driver: int) -> bool:
    """Kill one worker below the raylets of this cluster; return False if there is none."""
    for node in cluster.list_all_nodes():
        for info in node.all_processes.get("raylet", []):
            try:
                for process in psutil.Process(info.process.pid).children(recursive=True):
                    if process.name().startswith("ray::MapWorker"):
                        process.kill()
                        return True
            except psutil.NoSuchProcess:  # it ended while we looked
                continue
    return False


def kill_node(cluster: Cluster, driver: int) -> bool:
    """Kill a node with all its processes, and start another one."""
    cluster.remove_node(next(n for n in cluster.list_all_nodes() if not n.head), allow_graceful=False)
    cluster.add_node(num_cpus=1)
    return True


def kill_driver(cluster: Cluster, driver: int) -> bool:
    """Kill the process group of the driver."""
    os.killpg(driver, signal.SIGKILL)
    return True
