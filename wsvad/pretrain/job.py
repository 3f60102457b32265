"""Train the embedded backbone, and write what ships: weights and the record of how they came about."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from rich.console import Console

from wsvad.cluster import PoolOptions, connected, fit, nodes
from wsvad.errors import UsageError, WsvadError
from wsvad.pretrain.config import PretrainConfig
from wsvad.pretrain.export import export
from wsvad.pretrain.worker import CLIPS, PretrainPlan, run_pretraining
from wsvad.train.group import Alone
from wsvad.train.progress import TrainView
from wsvad.train.run import run_group

log = logging.getLogger(__name__)

RECIPE = "recipe.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; returns the exit code."""
    args = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        config = PretrainConfig(**{field.name: getattr(args, field.name) for field in fields(PretrainConfig)})
        out = Path(args.out)
        _claim(out, config)
        plan = PretrainPlan(config, str(out), str(args.clips or out / CLIPS), args.renderers, threads=args.threads)
        with TrainView(config.steps, Console(stderr=True)) as view:
            if args.no_ray:
                run_pretraining(plan, Alone(), view.add)
            else:
                _on_ray(plan, args, view)
        export(out, config)
    except WsvadError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _on_ray(plan: PretrainPlan, args: argparse.Namespace, view: TrainView) -> None:
    with connected(args.address, verbose=args.verbose):
        pool = fit(PoolOptions(args.workers, float(args.threads), args.gpus_per_worker), nodes())
        if plan.config.batch % pool.workers:
            raise UsageError(f"a batch of {plan.config.batch} clips cannot be shared by {pool.workers} workers")
        placed = PretrainPlan(**asdict(plan) | {"config": plan.config, "device": pool.device})
        run_group(run_pretraining, placed, pool, view.add, max_failures=args.max_failures, verbose=args.verbose)


def _claim(out: Path, config: PretrainConfig) -> None:
    """Make the folder this recipe's, or find that it is."""
    out.mkdir(parents=True, exist_ok=True)
    recipe = json.dumps(config.to_dict(), indent=1)
    note = out / RECIPE
    if note.exists() and note.read_text(encoding="utf-8") != recipe:
        raise UsageError(f"{out} holds a run of another recipe ({note}): name another folder")
    note.write_text(recipe, encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train the embedded backbone on video that wsvad renders itself.")
    parser.add_argument("--out", required=True, help="folder of the run, on a file system that all workers reach")
    parser.add_argument("--clips", help="folder of the rendered clips on every worker's node (default: OUT/clips)")
    for field in fields(PretrainConfig):
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(option, type=type(field.default), default=field.default, help=f"default {field.default}")
    parser.add_argument("--workers", type=int, default=1, help="that share every batch")
    parser.add_argument("--renderers", type=int, default=1, help="processes of each worker that render")
    parser.add_argument("--threads", type=int, default=1, help="of each worker's training")
    parser.add_argument("--gpus-per-worker", type=float, default=0.0)
    parser.add_argument("--max-failures", type=int, default=3)
    parser.add_argument("--address", help="of a Ray cluster")
    parser.add_argument("--no-ray", action="store_true", help="train in this process")
    parser.add_argument("--verbose", action="store_true")
    return parser
