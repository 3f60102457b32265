"""``wsvad pretrain``."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, fields

from rich.console import Console

from wsvad.cli.options import (
    add_store_options,
    any_positive_float,
    natural,
    natural_float,
    positive_int,
    require,
    small_int,
    store_options,
)
from wsvad.errors import UsageError
from wsvad.pretrain.config import MAY_BE_NOUGHT, PretrainConfig

_HELP = {
    "seed": "of the clips, the weights and the order",
    "shards": "of rendered clips; the first is for validation",
    "shard_clips": "clips in a shard",
    "steps": "updates of the weights",
    "batch": "clips a step, of all workers together",
    "lr": "highest learning rate",
    "warmup": "steps until it is reached",
    "weight_decay": "of AdamW",
    "gradient_norm": "longest gradient",
    "motion_weight": "of the loss over measures of motion, in each cell",
    "labels_weight": "of the loss over labels, in each cell",
    "clip_weight": "of the loss over what is asked of the whole clip",
    "hidden": "share of the clips whose last four frames are hidden: motion is foretold there",
    "eval_every": "steps between looks at the validation clips, and between saved states",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--out", metavar="URI", help="folder of the run, one that all workers reach, or s3://")
    parser.add_argument("--config", metavar="FILE", help="TOML file of these options; the command line wins over it")
    parser.add_argument("--clips", metavar="FOLDER", help="of rendered clips on every node; none: OUT/clips")
    recipe = parser.add_argument_group("recipe (the defaults are that of the embedded weights)")
    for field in fields(PretrainConfig):
        kind: Callable[[str], float]
        if isinstance(field.default, int):
            kind = natural if field.name in MAY_BE_NOUGHT else positive_int
        else:
            kind = natural_float if field.name in MAY_BE_NOUGHT else any_positive_float
        option = f"--{field.name.replace('_', '-')}"
        recipe.add_argument(option, type=kind, default=field.default, metavar="N", help=_HELP[field.name])
    where = parser.add_argument_group("where it runs")
    where.add_argument("--no-ray", action="store_true", help="train in this process")
    where.add_argument("--address", help="of a Ray cluster; or RAY_ADDRESS; neither: a local Ray")
    where.add_argument("--workers", type=small_int, default=1, metavar="N", help="that share every batch")
    where.add_argument("--renderers", type=small_int, default=1, metavar="N", help="processes of each that render")
    where.add_argument("--threads", type=small_int, default=1, metavar="N", help="of each worker's arithmetic")
    where.add_argument("--gpus-per-worker", type=natural_float, metavar="X", help="none: 1 where there are any")
    where.add_argument("--max-failures", type=natural, default=3, metavar="N", help="lost workers to replace")
    add_store_options(parser)


def run(args: argparse.Namespace) -> int:
    """Train, and say what came of it."""
    require(args, "out")
    if importlib.util.find_spec("cv2") is None:
        raise UsageError("rendering needs OpenCV: pip install 'wsvad[flow]'")
    from wsvad.pretrain.job import PretrainOptions, pretrain  # which cannot be imported without it

    config = PretrainConfig(**{field.name: getattr(args, field.name) for field in fields(PretrainConfig)})
    exported = pretrain(
        PretrainOptions(
            out=args.out,
            config=config,
            clips=args.clips,
            workers=args.workers,
            renderers=args.renderers,
            threads=args.threads,
            gpus_per_worker=args.gpus_per_worker,
            max_failures=args.max_failures,
            address=args.address,
            use_ray=not args.no_ray,
            store=store_options(args),
            verbose=args.verbose,
        ),
        Console(stderr=True),
    )
    if args.json:
        sys.stdout.write(json.dumps(asdict(exported)) + "\n")
    else:
        Console().print(f"{exported.steps} steps, validation loss {exported.loss:.4f}: {exported.weights}")
    return 0
