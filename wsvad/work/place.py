"""Where units run: in this process or on Ray. What was said decides; where nothing was, how much there is to do."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from wsvad.errors import UsageError
from wsvad.work.address import cluster_address
from wsvad.work.pool import Pool, PoolOptions


@dataclass(frozen=True)
class Place:
    """Where the units of a run are worked on."""

    on_ray: bool
    why: str
    """What decided: a phrase that people are told."""

    @property
    def name(self) -> str:
        """What records say: ``ray`` or ``process``."""
        return "ray" if self.on_ray else "process"


def asked_for(use_ray: bool | None, pool: PoolOptions, address: str | None) -> Place | None:
    """Return the place that options, the environment or a connection decide; ``None`` leaves it to the work.

    Args:
        use_ray: whether Ray was asked for or refused.
        pool: options of the workers; any that is given asks for Ray.
        address: of a Ray cluster, as given; ``RAY_ADDRESS`` counts, too.
    """
    if use_ray is not None:
        return Place(use_ray, "as asked for by --ray" if use_ray else "as asked for by --no-ray")
    if address is not None or cluster_address(None) is not None:
        return Place(True, "an address of a cluster is given")
    if pool != PoolOptions():
        return Place(True, "options of workers are given")
    if _connected():
        return Place(True, "this process is connected to Ray already")
    return None


def _connected() -> bool:
    ray = sys.modules.get("ray")  # not imported for the question
    return ray is not None and bool(ray.is_initialized())


def refuse_unused(use_ray: bool | None, pool: PoolOptions, address: str | None, does: str) -> None:
    """Raise where Ray is refused and options are given that mean nothing without it.

    Args:
        use_ray: whether Ray was asked for or refused.
        pool: options of the workers; cores and a GPU mean something in this process, too.
        address: of a Ray cluster, as given.
        does: what the verb does, e.g. ``extracts``.

    Raises:
        UsageError: names the options.
    """
    if use_ray is not False:
        return
    given = {
        "--address": address is not None,
        "--workers": (pool.workers or 1) > 1,
        "--memory-per-worker": pool.memory_per_worker is not None,
        "--in-flight": pool.in_flight != PoolOptions().in_flight,
    }
    named = " and ".join(option for option, is_given in given.items() if is_given)
    if named:
        raise UsageError(f"--no-ray {does} alone in this process: leave out {named}, or --no-ray")


def this_process(options: PoolOptions, gpus: int) -> Pool:
    """Return this process as a pool of one worker, with the device and the threads that a local Ray gives a worker.

    So it makes the same bytes: sums may round differently with another number of threads.

    Args:
        options: what was asked for.
        gpus: that are here.

    Raises:
        UsageError: a GPU was asked for, and there is none.
    """
    each = options.gpus_per_worker
    if each and each > gpus:
        raise UsageError(f"--gpus-per-worker {each:g}: PyTorch sees {gpus} GPUs on this machine")
    each = float(gpus > 0) if each is None else each
    return Pool(1, options.cpus_per_worker or 1.0, each, 0, options.in_flight)
