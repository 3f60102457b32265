"""``wsvad compare``."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from wsvad.cli.options import (
    add_store_options,
    any_positive_float,
    natural,
    natural_float,
    number,
    positive_float,
    positive_int,
    require,
    small_int,
    store_options,
)
from wsvad.errors import UsageError
from wsvad.experiments.job import compare
from wsvad.experiments.options import CompareOptions
from wsvad.experiments.rows import parse_rows, read_rows
from wsvad.manifest.records import Split

_TRAINING = ("steps", "pairs", "lr", "weight_decay", "segments", "eval_every", "patience", "val_fraction", "val_seed")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--features", metavar="URI", help="root of a features data set, from extract")
    parser.add_argument("--manifest", metavar="URI", help=".csv or .parquet with labels, splits and truth")
    parser.add_argument("--out", metavar="URI", help="folder of the table and of every run, local or s3://")
    parser.add_argument("--config", metavar="FILE", help="TOML file of these options; the command line wins over it")
    parser.add_argument("--dry-run", action="store_true", help="check everything; train and write nothing")
    parser.add_argument(
        "--models", default="all", metavar="LIST", help="e.g. ltgs,ltgs:no_decay,st_mil (model:preset); all: each once"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of every model named, over its preset's; may be repeated",
    )
    parser.add_argument("--seeds", type=small_int, default=5, metavar="N", help="runs of each")
    parser.add_argument(
        "--rows",
        metavar="FILE",
        help="TOML file of the table's rows, in place of --models: [[row]] with model, preset, name, set, training",
    )
    parser.add_argument("--split", default="test", metavar="LIST", help="which the figures are of: test, val, or both")
    parser.add_argument("--drop-states", action="store_true", help="delete the states of trainings that are finished")
    parser.add_argument("--allow-missing", action="store_true", help="leave out videos that have no features")
    group = parser.add_argument_group("training of every model (default: its own recipe, see wsvad train)")
    group.add_argument("--steps", type=positive_int, metavar="N", help="updates of the weights")
    group.add_argument("--pairs", type=small_int, metavar="N", help="anomalous videos a step, and as many normal")
    group.add_argument("--lr", type=any_positive_float, metavar="X", help="learning rate")
    group.add_argument("--weight-decay", type=natural_float, metavar="X", help="L2 penalty")
    group.add_argument("--segments", type=small_int, metavar="N", help="segments of a video")
    group.add_argument("--eval-every", type=positive_int, metavar="N", help="steps between evaluations")
    group.add_argument("--patience", type=natural, metavar="N", help="evaluations without a better one to stop at")
    group.add_argument("--val-fraction", type=number, metavar="X", help="share of the training videos to hold out")
    group.add_argument("--val-seed", type=natural, metavar="N", help="of the choice of those videos")
    place = parser.add_argument_group("where it runs")
    place.add_argument("--no-ray", action="store_true", help="one run after the other in this process")
    place.add_argument("--cpus-per-run", type=positive_float, default=1.0, metavar="N", help="cores of a run on Ray")
    place.add_argument("--gpus-per-run", type=natural_float, default=0.0, metavar="N", help="GPUs of a run on Ray")
    place.add_argument("--address", help="of a Ray cluster; or RAY_ADDRESS; neither: a local Ray")
    add_store_options(parser)


def _splits(text: str) -> tuple[Split, ...]:
    found: list[Split] = []
    for word in text.split(","):
        if (split := {"test": "test", "val": "val"}.get(word.strip())) is None:
            raise UsageError(f"--split must be test, val, or both with a comma between them, got {text!r:.80}")
        found.append("test" if split == "test" else "val")
    return tuple(found)


def run(args: argparse.Namespace) -> int:
    """Compare, show the table, return the exit code."""
    require(args, "features", "manifest", "out")
    store = store_options(args)
    options = CompareOptions(
        features=args.features,
        manifest=args.manifest,
        out=args.out,
        rows=read_rows(args.rows, store) if args.rows else parse_rows(args.models),
        seeds=args.seeds,
        training={name: getattr(args, name) for name in _TRAINING if getattr(args, name) is not None},
        splits=_splits(args.split),
        overrides=args.set,
        allow_missing=args.allow_missing,
        drop_states=args.drop_states,
        cpus=args.cpus_per_run,
        gpus=args.gpus_per_run,
        use_ray=not args.no_ray,
        address=args.address,
        store=store,
        dry_run=args.dry_run,
        verbose=args.verbose,
    )
    summary = compare(options)
    if args.json:
        sys.stdout.write(summary.to_json() + "\n")
    else:
        summary.show(Console())
    return summary.exit_code
