"""``wsvad evaluate``."""

from __future__ import annotations

import argparse
import sys
from typing import get_args

from rich.console import Console

from wsvad.cli.options import add_store_options, natural, number, require, store_options
from wsvad.evaluate.job import EvaluateOptions, evaluate
from wsvad.manifest.records import Split
from wsvad.metrics.figures import MetricOptions
from wsvad.metrics.truth import TruthMode


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--scores", metavar="URI", help="root of a scores data set, the --out of score")
    parser.add_argument("--manifest", metavar="URI", help="manifest with splits, labels and truth (.csv, .parquet)")
    parser.add_argument("--out", metavar="URI", help="folder of report.json and report.html, local or s3://")
    parser.add_argument("--config", metavar="FILE", help="TOML file of these options; the command line wins over it")
    parser.add_argument("--replace", action="store_true", help="write over a report of other inputs or options")
    _add_truth_options(parser)
    _add_metric_options(parser)
    add_store_options(parser)


def _add_truth_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("videos and truth")
    group.add_argument("--split", choices=get_args(Split), default="test", help="which videos")
    group.add_argument(
        "--truth-mode",
        choices=get_args(TruthMode),
        default="true",
        help="frames of a video: as they are, cut to whole blocks of 16, or filled up to them (published numbers)",
    )
    group.add_argument("--allow-missing", action="store_true", help="leave out videos that have no scores")
    group.add_argument(
        "--distinct-names",
        action="store_true",
        help="videos that share a file name with training videos are different ones; the report lists them",
    )
    group.add_argument("--videos-root", metavar="URI", help="what relative video URIs are relative to, for the frames")
    group.add_argument(
        "--frames", action=argparse.BooleanOptionalAction, default=True, help="show frames of the videos in the report"
    )


def _add_metric_options(parser: argparse.ArgumentParser) -> None:
    default = MetricOptions()
    group = parser.add_argument_group("metrics")
    group.add_argument("--threshold", type=number, default=default.threshold, metavar="S", help="score that flags")
    group.add_argument(
        "--false-alarm-rate", type=number, default=default.false_alarm_rate, metavar="R", help="to find a threshold for"
    )
    group.add_argument(
        "--min-overlap",
        type=number,
        default=default.min_overlap,
        metavar="SHARE",
        help="of the smaller of cell and box, for a cuboid to be anomalous; 0: any",
    )
    group.add_argument("--alpha", type=number, default=default.alpha, metavar="SHARE", help="of a track to find (TBDC)")
    group.add_argument(
        "--beta", type=number, default=default.beta, metavar="IOU", help="that finds a region (RBDC, TBDC)"
    )
    group.add_argument(
        "--resamples", type=natural, default=default.resamples, metavar="N", help="of the bootstrap; 0: no intervals"
    )
    group.add_argument("--seed", type=natural, default=default.seed, metavar="N", help="of the bootstrap")


def command_of(args: argparse.Namespace) -> list[str]:
    """Return the command that gives these options, those of an option file included; defaults are left out."""
    words = ["wsvad", "evaluate"]
    for action in args.parser._actions:
        value = getattr(args, action.dest, action.default)
        if value == action.default or action.dest in ("help", "config", "json", "verbose"):
            continue
        name = action.option_strings[-1] if value is False else action.option_strings[0]
        words += [name] if isinstance(value, bool) else [name, str(value)]
    return words


def run(args: argparse.Namespace) -> int:
    """Evaluate, show the summary, return the exit code."""
    require(args, "scores", "manifest", "out")
    options = EvaluateOptions(
        scores=args.scores,
        manifest=args.manifest,
        out=args.out,
        split=args.split,
        truth_mode=args.truth_mode,
        metrics=MetricOptions(
            threshold=args.threshold,
            false_alarm_rate=args.false_alarm_rate,
            min_overlap=args.min_overlap,
            alpha=args.alpha,
            beta=args.beta,
            resamples=args.resamples,
            seed=args.seed,
        ),
        allow_missing=args.allow_missing,
        distinct_names=args.distinct_names,
        replace=args.replace,
        frames=args.frames,
        videos_root=args.videos_root,
        store=store_options(args),
        command=command_of(args),
    )
    summary = evaluate(options)
    if args.json:
        sys.stdout.write(summary.to_json() + "\n")
    else:
        summary.show(Console())
    return summary.exit_code
