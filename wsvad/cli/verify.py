"""``wsvad verify``."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console

from wsvad.cli.options import add_store_options, positive_float, require, store_options
from wsvad.dataset import layout
from wsvad.dataset.collect import DEFAULT_GRACE_HOURS
from wsvad.features.config import FeatureConfig
from wsvad.features.encoding import decode_unit
from wsvad.loop.claim import is_run
from wsvad.manifest.listing import list_videos
from wsvad.scores.config import ScoreConfig
from wsvad.scores.table import summarize_scores
from wsvad.storage import open_store
from wsvad.verify.data_set import verify
from wsvad.verify.data_set_report import VerifyReport

if TYPE_CHECKING:
    from wsvad.verify.run import RunReport


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--out", metavar="URI", help="root of the data set, or of a training run, or a checkpoint")
    parser.add_argument("--videos", metavar="URI", help="also check that all of these videos are in it")
    parser.add_argument("--id-prefix", default="", metavar="TEXT", help="as given to extract")
    parser.add_argument("--follow-links", action="store_true", help="as given to extract")
    parser.add_argument("--identity", choices=("stat", "digest"), default="stat", help="as given to extract")
    parser.add_argument("--quick", action="store_true", help="only presence and size of objects; read none")
    parser.add_argument(
        "--repair",
        action="store_true",
        help="mend what can be mended; remove damaged objects, so that they are made again",
    )
    parser.add_argument(
        "--collect", action="store_true", help="if all is well, delete objects and snapshots that nobody needs any more"
    )
    parser.add_argument(
        "--grace-hours",
        type=positive_float,
        default=DEFAULT_GRACE_HOURS,
        metavar="H",
        help="--collect keeps what was written, or named by the newest snapshot, within so many hours (at least 24)",
    )
    add_store_options(parser)


def run(args: argparse.Namespace) -> int:
    """Verify, show the report, return the exit code."""
    require(args, "out")
    options = store_options(args)
    listing = None
    if args.videos:
        listing = list_videos(
            args.videos,
            identity=args.identity,
            id_prefix=args.id_prefix,
            options=replace(options, follow_links=args.follow_links),
            ours=layout.uris(open_store(args.out, options).uri),
        )
    out = open_store(args.out, options)
    if args.repair or args.collect:
        out.probe()  # what cannot be written is found before everything is read
    report: VerifyReport | RunReport
    if is_run(out):
        from wsvad.verify.run import verify_run  # brings torch with it

        report = verify_run(out, repair=args.repair)
    else:
        report = verify(
            out,
            decoders={FeatureConfig.kind: decode_unit, ScoreConfig.kind: summarize_scores},
            deep=not args.quick,
            listing=listing,
            repair=args.repair,
            collect_after_hours=args.grace_hours if args.collect else None,
        )
    if args.json:
        sys.stdout.write(report.to_json() + "\n")
    else:
        report.show(Console())
    return report.exit_code
