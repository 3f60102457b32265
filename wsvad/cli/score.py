"""``wsvad score``."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from wsvad.cli.options import add_store_options, natural, positive_int, require, store_options
from wsvad.cli.pool import add_cluster_options, pool_options
from wsvad.cli.reading import add_reading_options, reading_options
from wsvad.errors import UsageError
from wsvad.pipelines.score_videos import VideoSource, score_videos
from wsvad.scoring.job import ScoreOptions, score


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--features", metavar="URI", help="root of a features data set, from extract")
    parser.add_argument("--checkpoint", metavar="URI", help="folder of a checkpoint, from train")
    parser.add_argument("--out", metavar="URI", help="root of the scores data set, local or s3://")
    parser.add_argument("--config", metavar="FILE", help="TOML file of these options; the command line wins over it")
    parser.add_argument("--dry-run", action="store_true", help="check and plan; write nothing")
    parser.add_argument(
        "--window",
        type=positive_int,
        metavar="N",
        help="clips that the model sees at once (default: 4096, of cuboids 1024); longer videos are scored in "
        "windows that overlap by half",
    )
    parser.add_argument(
        "--max-quarantine", type=natural, default=0, metavar="N", help="exit 0 with up to N quarantined, 3 with more"
    )
    _add_video_options(parser)
    add_cluster_options(parser)
    add_store_options(parser)


def _add_video_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("straight from video (extracts into OUT/features first, as the checkpoint wants)")
    group.add_argument("--videos", metavar="URI", help="file, folder, prefix, or manifest; instead of --features")
    group.add_argument(
        "--weights",
        metavar="NAME|FILE|URI",
        help="the backbone's; not needed where they come with the package, or are an untrained network's",
    )
    group.add_argument("--flow-weights", metavar="NAME|FILE|URI", help="likewise, of the second of two streams")
    group.add_argument(
        "--identity", choices=("stat", "digest"), default="stat", help="what tells videos apart, as for extract"
    )
    group.add_argument("--id-prefix", default="", metavar="TEXT", help="put before the ids of listed videos")
    group.add_argument("--follow-links", action="store_true", help="also list links that lead out of the folder")
    add_reading_options(group)
    group.add_argument("--retry-quarantined", action="store_true", help="try again what earlier extractions set aside")


def options_from(args: argparse.Namespace) -> ScoreOptions:
    """Resolve parsed arguments.

    Raises:
        UsageError: options are missing, or exclude each other.
    """
    require(args, "checkpoint", "out")
    if bool(args.features) == bool(args.videos):
        raise UsageError("give either --features or --videos")
    if args.features and (args.weights or args.flow_weights):
        raise UsageError("--weights and --flow-weights go with --videos; features are made already")
    return ScoreOptions(
        features=args.features or "",
        checkpoint=args.checkpoint,
        out=args.out,
        window=args.window,
        pool=pool_options(args),
        store=store_options(args),
        address=args.address,
        use_ray=args.ray,
        max_quarantine=args.max_quarantine,
        dry_run=args.dry_run,
        verbose=args.verbose,
    )


def run(args: argparse.Namespace) -> int:
    """Score, show the summary, return the exit code."""
    options, console = options_from(args), Console(stderr=True)
    if args.videos:
        source = VideoSource(
            videos=args.videos,
            weights=args.weights,
            flow_weights=args.flow_weights,
            identity=args.identity,
            id_prefix=args.id_prefix,
            follow_links=args.follow_links,
            retry_quarantined=args.retry_quarantined,
            min_coverage=args.min_coverage,
            reading=reading_options(args),
        )
        summary = score_videos(options, source, console)
    else:
        summary = score(options, console)
    if args.json:
        sys.stdout.write(summary.to_json() + "\n")
    else:
        summary.show(Console())
    return summary.exit_code
