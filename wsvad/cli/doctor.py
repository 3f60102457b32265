"""``wsvad doctor``."""

from __future__ import annotations

import argparse
import sys

from wsvad import doctor
from wsvad.cli.options import add_store_options, store_options


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument("--out", metavar="URI", help="where results would go: writable? create-only honoured?")
    parser.add_argument("--videos", metavar="URI", help="where videos would come from: readable?")
    parser.add_argument("--address", help="of a Ray cluster; or RAY_ADDRESS")
    add_store_options(parser)


def run(args: argparse.Namespace) -> int:
    """Check, show the report, return the exit code."""
    report = doctor.run(args.out, store_options(args), args.address, videos_uri=args.videos)
    text = doctor.to_json(report) if args.json else doctor.render(report, color=sys.stdout.isatty())
    sys.stdout.write(text.rstrip("\n") + "\n")
    return report.exit_code
