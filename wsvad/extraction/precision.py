"""Resolve ``--precision auto``: that of the data set, else bf16 if all worker nodes support it in hardware."""

from __future__ import annotations

import functools
import logging
from collections import Counter
from typing import get_args

from wsvad.backbones.extractor import default_precision
from wsvad.backbones.names import Precision
from wsvad.dataset.snapshots import read_dataset
from wsvad.errors import UsageError
from wsvad.storage import StoreOptions, open_store
from wsvad.work.address import cluster_address
from wsvad.work.pool import PoolOptions, fit_pool

log = logging.getLogger(__name__)


def resolve_precision(
    requested: str,
    out: str,
    options: StoreOptions,
    pool: PoolOptions,
    address: str | None,
    *,
    use_ray: bool | None = None,
    verbose: bool = False,
) -> Precision:
    """Return the precision to extract with.

    Args:
        requested: ``fp32``, ``bf16``, or ``auto``.
        out: URI of the data set; an existing one determines the precision.
        options: Access options of the store.
        pool: Workers that will run; if they use GPUs, the GPUs decide.
        address: Address of a Ray cluster as given by the user; its nodes are queried, not the driver's machine.
        use_ray: ``False`` queries this machine, whatever cluster exists.
        verbose: Show Ray's own logs.

    Returns:
        ``bf16`` if every node multiplies it in hardware, else ``fp32``, which runs everywhere.

    Raises:
        UsageError: The cluster cannot hold a worker.
        ClusterError: The cluster cannot be reached, or does not respond.
    """
    if requested != "auto":
        return "fp32" if requested == "fp32" else "bf16"
    described = read_dataset(open_store(out, options)) or {}
    there = described.get("config", {}).get("precision")
    if there in get_args(Precision):
        return "fp32" if there == "fp32" else "bf16"
    if use_ray is False or cluster_address(address) is None:
        return _of_this_machine(pool)
    from wsvad.work import cluster  # imported here: loads Ray

    with cluster.connected(address, verbose=verbose):
        fitted = fit_pool(pool, cluster.nodes())
        question = functools.partial(default_precision, fitted.device)
        answers = Counter(cluster.run_on_worker_nodes(question, fitted).values())
    if len(answers) > 1:
        log.warning(
            "%d of %d nodes have bf16 in hardware: all nodes use fp32, so that features do not depend on the node; "
            "use --precision bf16 for a cluster of only such nodes",
            answers["bf16"],
            answers.total(),
        )
    return "bf16" if answers.keys() == {"bf16"} else "fp32"


def _of_this_machine(pool: PoolOptions) -> Precision:
    if pool.gpus_per_worker != 0:
        try:
            return default_precision("cuda")
        except UsageError:  # no GPU on this machine
            pass
    return default_precision()
