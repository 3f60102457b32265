"""Options of how videos are read, for the verbs that read videos."""

from __future__ import annotations

import argparse

from wsvad.cli.options import natural, natural_float, positive_float
from wsvad.features.coverage import MIN_COVERAGE
from wsvad.video import Reading


def add_reading_options(group: argparse._ArgumentGroup) -> None:
    """Add which stream is read, its rate where it states none, and how much of a video may be missing."""
    group.add_argument(
        "--stream",
        type=natural,
        metavar="N",
        help="which of a file's video streams, from 0 (default: the one that holds the footage); or a manifest column",
    )
    group.add_argument(
        "--frame-rate",
        type=positive_float,
        metavar="FPS",
        help="frames per second of videos without time stamps, such as elementary streams; or a manifest column",
    )
    group.add_argument(
        "--min-coverage",
        type=natural_float,
        default=MIN_COVERAGE,
        metavar="PERCENT",
        help="a video with fewer of its clips counts like a quarantined one",
    )


def reading_options(args: argparse.Namespace) -> Reading:
    """Make the reading of parsed arguments."""
    return Reading(args.stream, args.frame_rate)
