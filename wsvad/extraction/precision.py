"""What ``--precision auto`` means: what the data set has, else what all nodes that will work have in hardware."""

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
    asked: str,
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
        asked: ``fp32``, ``bf16``, or ``auto``.
        out: the target; a data set that is there has its precision already.
        options: how to reach it.
        pool: the workers that will run; where they have GPUs, the GPUs decide.
        address: of a Ray cluster, as given; its nodes are asked, not the machine of the driver.
        use_ray: ``False`` asks this machine, whatever cluster there is.
        verbose: let Ray's own logs through.

    Returns:
        ``bf16`` where every node multiplies it in hardware, else ``fp32``, which runs everywhere.

    Raises:
        UsageError: the cluster cannot hold a worker.
        ClusterError: it cannot be reached, or does not answer.
    """
    if asked != "auto":
        return "fp32" if asked == "fp32" else "bf16"
    described = read_dataset(open_store(out, options)) or {}
    there = described.get("config", {}).get("precision")
    if there in get_args(Precision):
        return "fp32" if there == "fp32" else "bf16"
    if use_ray is False or cluster_address(address) is None:
        return _of_this_machine(pool)
    from wsvad.work import cluster  # brings Ray with it

    with cluster.connected(address, verbose=verbose):
        fitting = fit_pool(pool, cluster.nodes())
        question = functools.partial(default_precision, fitting.device)
        answers = Counter(cluster.run_on_worker_nodes(question, fitting).values())
    if len(answers) > 1:
        log.warning(
            "%d of %d nodes have bf16 in hardware: all work in fp32, so that features do not depend on the node; "
            "say --precision bf16 for a cluster of those nodes alone",
            answers["bf16"],
            answers.total(),
        )
    return "bf16" if answers.keys() == {"bf16"} else "fp32"


def _of_this_machine(pool: PoolOptions) -> Precision:
    if pool.gpus_per_worker != 0:
        try:
            return default_precision("cuda")
        except UsageError:  # no GPU here
            pass
    return default_precision()
