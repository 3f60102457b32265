"""``wsvad doctor``."""

from __future__ import annotations

import argparse
import sys

from wsvad import doctor
from wsvad.cli.options import Verbs, add_store_options, add_verb, store_options


def add_parser(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(verbs, "doctor", run, "Check this machine, a store and a cluster before a long job.")
    parser.add_argument("--out", metavar="URI", help="where results would go: writable? create-only honoured?")
    parser.add_argument("--videos", metavar="URI", help="where videos would come from: readable?")
    parser.add_argument("--address", help="of a Ray cluster; or RAY_ADDRESS")
    add_store_options(parser)


def run(args: argparse.Namespace) -> int:
    """Check, show the report, return the exit code."""
    report = doctor.run(args.out, store_options(args), args.address, videos_uri=args.videos)
    sys.stdout.write((doctor.to_json(report) if args.json else doctor.render(report)) + "\n")
    return report.exit_code
