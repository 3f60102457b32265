"""Options of the verbs that run units of work on a cluster; apart, because they load Ray."""

from __future__ import annotations

import argparse

from wsvad.cli.options import natural_float, positive_float, size_bytes, small_int
from wsvad.work.pool import PoolOptions


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """Add where units run, and how many at once."""
    group = parser.add_argument_group("cluster (default: what fits)")
    group.add_argument(
        "--ray",
        action=argparse.BooleanOptionalAction,
        help="on Ray; --no-ray: in this process, one unit after the other, where the end of a worker (memory, say) is "
        "the end of the run. Without either: in this process where there is little to do and neither a cluster nor "
        "workers are asked for",
    )
    group.add_argument("--address", help="of a Ray cluster; or RAY_ADDRESS; neither: a local Ray")
    group.add_argument("--workers", type=small_int, metavar="N", help="workers at once")
    group.add_argument("--cpus-per-worker", type=positive_float, metavar="N", help="CPU cores of a worker")
    group.add_argument(
        "--gpus-per-worker",
        type=natural_float,
        metavar="N",
        help="GPUs of a worker: whole ones, a fraction of one, or 0",
    )
    group.add_argument("--memory-per-worker", type=size_bytes, metavar="BYTES", help="memory to reserve, e.g. 2GiB")
    group.add_argument("--in-flight", type=small_int, default=2, metavar="N", help="units handed to a worker at once")


def pool_options(args: argparse.Namespace) -> PoolOptions:
    """Make the pool options of parsed arguments."""
    return PoolOptions(args.workers, args.cpus_per_worker, args.gpus_per_worker, args.memory_per_worker, args.in_flight)
