"""Choose where units run: in this process or on Ray. Options decide; without any, the amount of work does."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from wsvad.errors import UsageError
from wsvad.work.address import cluster_address
from wsvad.work.pool import Pool, PoolOptions


@dataclass(frozen=True)
class Backend:
    """Where the units of a run are executed."""

    on_ray: bool
    why: str
    """Reason for the choice, as shown to users."""

    @property
    def name(self) -> str:
        """Name in records: ``ray`` or ``process``."""
        return "ray" if self.on_ray else "process"


def requested_backend(use_ray: bool | None, pool: PoolOptions, address: str | None) -> Backend | None:
    """Return the backend that options, the environment or a connection determine, or ``None`` if none does.

    Args:
        use_ray: value of ``--ray``/``--no-ray``, ``None`` if not given.
        pool: options of the worker pool; any that differs from its default selects Ray.
        address: address of a Ray cluster, if given; ``RAY_ADDRESS`` selects Ray, too.
    """
    if use_ray is not None:
        return Backend(use_ray, "requested by --ray" if use_ray else "requested by --no-ray")
    if address is not None or cluster_address(None) is not None:
        return Backend(True, "the address of a cluster is given")
    if pool != PoolOptions():
        return Backend(True, "options of workers are given")
    if _is_connected():
        return Backend(True, "this process is already connected to Ray")
    return None


def _is_connected() -> bool:
    ray = sys.modules.get("ray")  # do not import Ray only to ask
    return ray is not None and bool(ray.is_initialized())


def refuse_unused_options(use_ray: bool | None, pool: PoolOptions, address: str | None, action: str) -> None:
    """Refuse options that have no effect without Ray, if Ray is refused.

    Args:
        use_ray: value of ``--ray``/``--no-ray``, ``None`` if not given.
        pool: options of the worker pool; cores and a GPU also apply to this process.
        address: address of a Ray cluster, if given.
        action: what the verb does, e.g. ``extracts``.

    Raises:
        UsageError: an option has no effect; the message names it.
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
        raise UsageError(f"--no-ray {action} in this process only: leave out {named}, or --no-ray")


def inline_pool(options: PoolOptions, gpus: int) -> Pool:
    """Return this process as a pool of one worker, with the device and threads of a worker on a local Ray.

    Thus both produce the same bytes: floating-point sums depend on the number of threads.

    Args:
        options: requested resources.
        gpus: number of GPUs on this machine.

    Raises:
        UsageError: a GPU was requested, and there is none.
    """
    each = options.gpus_per_worker
    if each and each > gpus:
        raise UsageError(f"--gpus-per-worker {each:g}: PyTorch finds {gpus} GPUs on this machine")
    each = float(gpus > 0) if each is None else each
    return Pool(1, options.cpus_per_worker or 1.0, each, 0, options.in_flight)
