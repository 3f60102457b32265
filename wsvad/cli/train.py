"""``wsvad train``."""

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
from wsvad.models.choose import MODELS
from wsvad.models.presets import PRESETS
from wsvad.train.config import TrainConfig
from wsvad.train.job import train
from wsvad.train.options import TrainOptions

_OF_THE_MODEL = "default: the model's recipe"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--features", metavar="URI", help="root of a features data set, from extract")
    parser.add_argument("--manifest", metavar="URI", help=".csv or .parquet with the labels and splits of its videos")
    parser.add_argument("--model", choices=tuple(MODELS), help="which model")
    parser.add_argument(
        "--out", metavar="URI", help="folder of the run, local or s3://; the result is in OUT/checkpoint"
    )
    parser.add_argument("--config", metavar="FILE", help="TOML file of these options; the command line wins over it")
    parser.add_argument("--dry-run", action="store_true", help="resolve and check everything; train and write nothing")
    parser.add_argument("--preset", default="paper", metavar="NAME", help="; ".join(_presets()))
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the model, over the preset's; may be repeated",
    )
    parser.add_argument("--allow-missing", action="store_true", help="leave out videos that have no features")
    parser.add_argument(
        "--report-test",
        action="store_true",
        help="also measure the frame AUC on the test videos, to report best-on-test beside the result; never selects",
    )
    _add_training_options(parser)
    _add_cluster_options(parser)
    add_store_options(parser)


def _presets() -> list[str]:
    return [f"{model}: {', '.join(presets)}" for model, presets in PRESETS.items()]


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    group, d = parser.add_argument_group("training"), TrainConfig()
    group.add_argument("--steps", type=positive_int, metavar="N", help=f"updates of the weights; {_OF_THE_MODEL}")
    group.add_argument(
        "--pairs", type=small_int, metavar="N", help=f"anomalous videos a step, and as many normal; {_OF_THE_MODEL}"
    )
    group.add_argument("--lr", type=any_positive_float, metavar="X", help=f"learning rate of Adam; {_OF_THE_MODEL}")
    group.add_argument("--weight-decay", type=natural_float, metavar="X", help=f"L2 penalty; {_OF_THE_MODEL}")
    group.add_argument("--segments", type=small_int, default=d.segments, metavar="N", help="segments of a video")
    group.add_argument("--seed", type=natural, default=d.seed, metavar="N", help="of weights, batches and dropout")
    group.add_argument(
        "--val-seed", type=natural, default=d.val_seed, metavar="N", help="of the choice of the videos to hold out"
    )
    group.add_argument("--drop-states", action="store_true", help="delete the states once the run is finished")
    group.add_argument(
        "--eval-every", type=positive_int, default=d.eval_every, metavar="N", help="steps between evaluations"
    )
    group.add_argument(
        "--patience",
        type=natural,
        default=d.patience,
        metavar="N",
        help="stop after N evaluations without a better AUC; 0: never",
    )
    group.add_argument(
        "--val-fraction",
        type=number,
        default=d.val_fraction,
        metavar="X",
        help="share of the training videos to hold out where the manifest has no split val; 0: none",
    )
    group.add_argument(
        "--save-every", type=positive_int, default=d.save_every, metavar="N", help="steps between states to resume from"
    )
    group.add_argument("--keep", type=positive_int, default=d.keep, metavar="N", help="states that are kept")


def _add_cluster_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where it runs")
    group.add_argument(
        "--no-ray",
        action="store_true",
        help="in this process, without Ray: the same loop, for debugging and small jobs",
    )
    group.add_argument("--address", help="of a Ray cluster; or RAY_ADDRESS; neither: a local Ray")
    group.add_argument("--workers", type=small_int, metavar="N", help="share every batch; default: one a GPU, else 1")
    group.add_argument("--cpus-per-worker", type=positive_float, default=1.0, metavar="N", help="cores of a worker")
    group.add_argument(
        "--gpus-per-worker", type=natural_float, metavar="N", help="default: 1 where there are any, else 0"
    )
    group.add_argument("--max-failures", type=natural, default=3, metavar="N", help="times lost workers are replaced")
    group.add_argument(
        "--cache-folder", metavar="DIR", help="where each node keeps segments; default: temporary folder"
    )


def options_from(args: argparse.Namespace) -> TrainOptions:
    """Resolve parsed arguments."""
    require(args, "features", "manifest", "model", "out")
    training = (
        "steps", "pairs", "lr", "weight_decay", "segments", "seed", "val_seed", "eval_every", "patience",
        "val_fraction", "save_every", "keep",
    )  # fmt: skip
    return TrainOptions(
        features=args.features,
        manifest=args.manifest,
        model=args.model,
        out=args.out,
        preset=args.preset,
        overrides=tuple(args.set),
        training={name: getattr(args, name) for name in training},
        allow_missing=args.allow_missing,
        report_test=args.report_test,
        use_ray=not args.no_ray,
        address=args.address,
        workers=args.workers,
        cpus_per_worker=args.cpus_per_worker,
        gpus_per_worker=args.gpus_per_worker,
        max_failures=args.max_failures,
        cache_folder=args.cache_folder,
        drop_states=args.drop_states,
        store=store_options(args),
        dry_run=args.dry_run,
        verbose=args.verbose,
    )


def run(args: argparse.Namespace) -> int:
    """Train, show the summary, return the exit code."""
    summary = train(options_from(args), Console(stderr=True))
    if args.json:
        sys.stdout.write(summary.to_json() + "\n")
    else:
        summary.show(Console())
    return summary.exit_code
