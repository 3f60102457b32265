"""``wsvad manifest``."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from typing import Any, get_args

from rich.console import Console
from rich.table import Table

from wsvad.cli.options import add_store_options, natural, number, require, store_options
from wsvad.manifest.public.build import DATASETS, ManifestConfig, build, write
from wsvad.manifest.public.ucsd_ped2 import Ped2Split
from wsvad.manifest.records import check_suffix
from wsvad.storage import probe_object

log = logging.getLogger("wsvad")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    names = "; ".join(f"{name}: {known.about}" for name, known in DATASETS.items())
    parser.add_argument("name", metavar="NAME", choices=tuple(DATASETS), help=names.replace("%", "%%"))
    parser.add_argument("--root", metavar="URI", help="folder or prefix with the videos and the annotation files")
    parser.add_argument("--out", metavar="URI", help="manifest to write, .parquet or .csv")
    parser.add_argument("--annotations", metavar="URI", help="where the annotation files are, if not below the root")
    parser.add_argument(
        "--val-fraction",
        type=number,
        default=0.0,
        metavar="SHARE",
        help="of the training videos, by label and category, to set aside as split 'val'",
    )
    parser.add_argument("--seed", type=natural, default=0, help="which videos are set aside")
    parser.add_argument(
        "--test-as-val", action="store_true", help="the published test videos are for selection: make them split 'val'"
    )
    parser.add_argument("--allow-missing", action="store_true", help="leave out videos that are not below the root")
    parser.add_argument("--train-truth", action="store_true", help="keep spans and boxes of training videos, too")
    parser.add_argument(
        "--ped2-split",
        choices=get_args(Ped2Split),
        default="weak",
        help="ucsd-ped2: which of its videos train and which test; see docs/datasets.md",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace another manifest that is at --out")
    parser.add_argument("--config", metavar="FILE", help="TOML file with these options; the command line wins")
    add_store_options(parser)


def run(args: argparse.Namespace) -> int:
    """Make and write the manifest, show what is in it, return the exit code."""
    require(args, "root", "out")
    options = store_options(args)
    config = ManifestConfig(
        name=args.name,
        root=args.root,
        annotations=args.annotations,
        val_fraction=args.val_fraction,
        seed=args.seed,
        test_as_val=args.test_as_val,
        allow_missing=args.allow_missing,
        train_truth=args.train_truth,
        ped2_split=args.ped2_split,
    )
    check_suffix(args.out)
    probe_object(args.out, options)
    built = build(config, args.out, options)
    write(built, args.out, overwrite=args.overwrite, options=options)
    summary = built.summary | {"out": args.out}
    if not summary["found"]:
        log.warning("none of the videos is below %s: the manifest holds their published names only", args.root)
    if summary["missing"]:
        log.warning("%d videos are not below %s and were left out", summary["missing"], args.root)
    if args.json:
        sys.stdout.write(json.dumps(summary) + "\n")
    else:
        _show(summary)
    return 0


def _show(summary: dict[str, Any]) -> None:
    console = Console()
    console.print(
        f"{summary['data_set']}: {summary['videos']:,} videos in {summary['out']}", soft_wrap=True, markup=False
    )
    table = Table()
    for column in ("split", "normal", "anomalous", "anomalous frames", "boxes"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for split, counts in summary["splits"].items():
        table.add_row(split, *("not known" if value is None else f"{value:,}" for value in counts.values()))
    console.print(table)
