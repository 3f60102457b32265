"""``wsvad import-features``."""

from __future__ import annotations

import argparse
import sys
from typing import get_args

from rich.console import Console

from wsvad.cli.options import add_store_options, natural, positive_float, require, small_int, store_options
from wsvad.clips import ClipSpec
from wsvad.importing.files import Layout, Naming
from wsvad.importing.job import ImportOptions, import_features
from wsvad.importing.lengths import Mismatch
from wsvad.importing.npy import Axes


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--files", metavar="URI", help="feature file, folder or prefix, local or s3://")
    parser.add_argument("--out", metavar="URI", help="root of the features data set, local or s3://")
    parser.add_argument(
        "--source",
        metavar="TEXT",
        help="what made the features, e.g. 'RTFM i3d-r50 ten-crop'; the same for all that belong together",
    )
    parser.add_argument("--manifest", metavar="URI", help="holds the ids, and numbers of frames where known")
    parser.add_argument("--config", metavar="FILE", help="TOML file of these options; the command line wins over it")
    parser.add_argument("--dry-run", action="store_true", help="list, match and check shapes; write nothing")
    parser.add_argument(
        "--mismatch",
        choices=get_args(Mismatch),
        default="refuse",
        help="videos whose number of clips does not fit the manifest's num_frames: import nothing, skip them, or keep "
        "them as they are (default: refuse)",
    )
    parser.add_argument(
        "--max-quarantine",
        type=natural,
        default=0,
        metavar="N",
        help="exit 0 with up to N such videos skipped or kept, 3 with more",
    )
    _add_name_options(parser)
    _add_layout_options(parser)
    add_store_options(parser)


def _add_name_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("ids (a file's name without folders, extension and number of the crop)")
    group.add_argument(
        "--strip",
        action="append",
        default=[],
        metavar="TEXT",
        help="end of names to cut off; may be given again (default: _i3d of .npy, _C and _c3d of .txt)",
    )
    group.add_argument("--id-suffix", default="", metavar="TEXT", help="put behind the names, e.g. .mp4")
    group.add_argument("--id-prefix", default="", metavar="TEXT", help="put before the names")
    group.add_argument("--follow-links", action="store_true", help="also list links that lead out of the folder")
    group.add_argument("--allow-unmatched", action="store_true", help="leave out what the manifest does not have")


def _add_layout_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is in the files")
    group.add_argument(
        "--layout",
        choices=("auto", *get_args(Layout)),
        default="auto",
        help="npy: an array a video; npy-crops: one a crop, NAME__0.npy and so on; segments-text: 32 lines a video",
    )
    group.add_argument(
        "--axes",
        choices=("auto", *get_args(Axes)),
        default="auto",
        help="of arrays with three: [T, crops, D] or [crops, T, D]; auto: what gives all files 1, 5 or 10 crops",
    )
    group.add_argument("--clip-length", type=small_int, default=16, metavar="N", help="frames in a clip")
    group.add_argument("--clip-stride", type=small_int, default=16, metavar="N", help="frames between clip starts")
    group.add_argument(
        "--fps", type=positive_float, default=25.0, metavar="F", help="of the videos; only times depend on it"
    )


def options_from(args: argparse.Namespace) -> ImportOptions:
    """Resolve parsed arguments. Raises ``UsageError`` naming what is missing."""
    require(args, "files", "out", "source")
    return ImportOptions(
        files=args.files,
        out=args.out,
        source=args.source,
        manifest=args.manifest,
        layout=None if args.layout == "auto" else args.layout,
        axes=None if args.axes == "auto" else args.axes,
        clips=ClipSpec(args.clip_length, args.clip_stride),
        fps=args.fps,
        naming=Naming(tuple(args.strip) or None, args.id_prefix, args.id_suffix),
        follow_links=args.follow_links,
        allow_unmatched=args.allow_unmatched,
        mismatch=args.mismatch,
        max_quarantine=args.max_quarantine,
        store=store_options(args),
        dry_run=args.dry_run,
    )


def run(args: argparse.Namespace) -> int:
    """Import, show the summary, return the exit code."""
    summary = import_features(options_from(args), Console(stderr=True))
    if args.json:
        sys.stdout.write(summary.to_json() + "\n")
    else:
        summary.show(Console())
    return summary.exit_code
