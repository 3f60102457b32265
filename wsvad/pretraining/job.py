"""Train the embedded backbone, from the recipe to the exported file."""

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
from wsvad.pretraining.clip_order import worker_shards
from wsvad.pretraining.config import PretrainConfig
from wsvad.pretraining.export import ExportResult, export
from wsvad.pretraining.worker import CLIPS, PretrainPlan, run_pretraining
from wsvad.storage import Created, Store, StoreOptions, normalize_uri, open_store
from wsvad.work.cluster import connected, nodes
from wsvad.work.pool import PoolOptions, fit_pool
from wsvad.work.target import probe_target, refuse_job_working_dir

RECIPE = "recipe.json"


@dataclass(frozen=True)
class PretrainOptions:
    """Options of a pretraining run; ``wsvad pretrain --help`` explains the same options."""

    out: str
    """Folder of the run, local (on a file system shared by all workers) or ``s3://``."""
    config: PretrainConfig = field(default_factory=PretrainConfig)
    clips: str | None = None
    """Folder of the rendered clips on every worker's node; ``None``: ``OUT/clips`` if OUT is a local folder."""
    workers: int = 1
    renderers: int = 1
    threads: int = 1
    gpus_per_worker: float | None = None
    max_failures: int = 3
    address: str | None = None
    use_ray: bool = True
    store: StoreOptions = field(default_factory=StoreOptions)
    verbose: bool = False


def pretrain(options: PretrainOptions, console: Console) -> ExportResult:
    """Train, or resume an interrupted run; then write the weights.

    Args:
        options: Options of the run.
        console: Console for the progress display.

    Raises:
        UsageError: No folder for the clips, workers without Ray, or clips that workers cannot share evenly.
        ConflictError: The folder holds a run of another recipe.
        TrainingError: A loss is not finite.
        ClusterError, StorageError: Failure of the cluster or the store.
    """
    _check_workers(options)
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


def _check_workers(options: PretrainOptions) -> None:
    """Raise the workers' errors before the folder is claimed: the corrected command is then no conflict with it."""
    if not options.use_ray and (options.workers > 1 or options.address):
        raise UsageError("--no-ray trains in this process only: omit --workers and --address, or --no-ray")
    if options.config.batch % options.workers:
        raise UsageError(f"a batch of {options.config.batch} clips cannot be divided among {options.workers} workers")
    worker_shards(options.config.shards, 0, options.workers)


def _clips_folder(given: str | None, out: str) -> str:
    """Return the local folder in which workers store rendered clips."""
    parts = urlsplit(out)
    if given is None and parts.scheme != "file":
        raise UsageError(f"{out} is not a local folder: use --clips for the rendered clips on each node")
    return given or str(Path(unquote(parts.path)) / CLIPS)


def _claim(out: Store, config: PretrainConfig) -> None:
    """Claim the folder for this recipe. Raises ConflictError if it holds another one."""
    recipe = json.dumps(config.to_dict(), indent=1).encode()
    if out.create(RECIPE, recipe) is Created.DIFFERENT:
        raise ConflictError(f"{out.uri}/{RECIPE} has another recipe. Nothing was changed. Use another --out.")
