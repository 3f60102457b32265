"""Train the embedded backbone, from the recipe to the file that ships."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rich.console import Console

from wsvad.errors import ConflictError, UsageError
from wsvad.loop.group import SingleWorker
from wsvad.loop.progress import TrainView
from wsvad.loop.ray_train import run_group
from wsvad.pretraining.config import PretrainConfig
from wsvad.pretraining.export import Exported, export
from wsvad.pretraining.order import own_shards
from wsvad.pretraining.worker import CLIPS, PretrainPlan, run_pretraining
from wsvad.storage import Created, Store, StoreOptions, normalize_uri, open_store
from wsvad.work.cluster import connected, nodes
from wsvad.work.pool import PoolOptions, fit_pool
from wsvad.work.target import probe_target, refuse_job_working_dir

RECIPE = "recipe.json"


@dataclass(frozen=True)
class PretrainOptions:
    """What to train and where; ``wsvad pretrain --help`` explains the same options."""

    out: str
    """Folder of the run, local (on a file system that all workers reach) or ``s3://``."""
    config: PretrainConfig = field(default_factory=PretrainConfig)
    clips: str | None = None
    """Folder of the rendered clips on every worker's node; ``None``: ``OUT/clips``, where OUT is a folder."""
    workers: int = 1
    renderers: int = 1
    threads: int = 1
    gpus_per_worker: float | None = None
    max_failures: int = 3
    address: str | None = None
    use_ray: bool = True
    store: StoreOptions = field(default_factory=StoreOptions)
    verbose: bool = False


def pretrain(options: PretrainOptions, console: Console) -> Exported:
    """Train, or go on with a run that was ended; then write the weights.

    Args:
        options: what and where.
        console: where progress is drawn.

    Raises:
        UsageError: no folder for the clips, workers without Ray, or what they cannot share evenly.
        ConflictError: the folder holds a run of another recipe.
        TrainingError: a loss is not finite.
        ClusterError, StorageError: as everywhere.
    """
    _refuse_shares(options)
    refuse_job_working_dir(options.out)
    uri = normalize_uri(options.out)
    clips = _clips_folder(options.clips, uri)
    out = probe_target(open_store(uri, options.store))
    _claim(out, options.config)
    plan = PretrainPlan(options.config, uri, clips, options.renderers, store=out.options, threads=options.threads)
    with TrainView(options.config.steps, console) as view:
        if options.use_ray:
            _on_ray(plan, options, view)
        else:
            run_pretraining(plan, SingleWorker(), view.add)
    return export(out, options.config)


def _on_ray(plan: PretrainPlan, options: PretrainOptions, view: TrainView) -> None:
    with connected(options.address, verbose=options.verbose):
        found = nodes()
        gpus = options.gpus_per_worker if options.gpus_per_worker is not None else float(any(n.gpus for n in found))
        pool = fit_pool(PoolOptions(options.workers, float(options.threads), gpus), found)
        placed = replace(plan, device=pool.device)
        run_group(
            run_pretraining, placed, pool, view.add, max_failures=options.max_failures, verbose=options.verbose
        )  # fmt: skip


def _refuse_shares(options: PretrainOptions) -> None:
    """Raise what the workers would, while nothing is claimed: a mended command is not another recipe's then."""
    if not options.use_ray and (options.workers > 1 or options.address):
        raise UsageError("--no-ray trains alone in this process: leave out --workers and --address, or --no-ray")
    if options.config.batch % options.workers:
        raise UsageError(f"{options.config.batch} clips a batch cannot be shared evenly by {options.workers} workers")
    own_shards(options.config.shards, 0, options.workers)


def _clips_folder(given: str | None, out: str) -> str:
    """Return where workers keep what they render, which is no place for objects."""
    parts = urlsplit(out)
    if given is None and parts.scheme != "file":
        raise UsageError(f"{out} is no folder: say with --clips where each node keeps what it renders")
    return given or str(Path(unquote(parts.path)) / CLIPS)


def _claim(out: Store, config: PretrainConfig) -> None:
    """Make the folder this recipe's, or find that it is."""
    recipe = json.dumps(config.to_dict(), indent=1).encode()
    if out.create(RECIPE, recipe) is Created.DIFFERENT:
        raise ConflictError(f"{out.uri}/{RECIPE} is another recipe's. Nothing was changed. Use another --out.")
