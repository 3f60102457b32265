"""Parse, call one verb, turn what it raises into a message and an exit code."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from wsvad import __version__, signals
from wsvad.cli.options import option_words
from wsvad.cli.output import guarded
from wsvad.cli.parser import Parser, parse
from wsvad.cli.stopping import stoppable
from wsvad.errors import WsvadError
from wsvad.storage import check_folder

log = logging.getLogger("wsvad")

VERBS = {
    "extract": "Extract I3D features of a folder, bucket or manifest of videos.",
    "import-features": "Import features made by others (.npy, text) as a features data set.",
    "train": "Train a model on features and video-level labels; Ray Train, or one process.",
    "score": "Score every clip of features, or of videos, with a trained model.",
    "evaluate": "Compare scores with the truth of a manifest: figures with intervals, and a page.",
    "compare": "Train, score and evaluate several models with several seeds; one table.",
    "verify": "Prove features or scores complete: whole objects, every clip once.",
    "manifest": "Make the manifest of a public data set from its published annotation files.",
    "weights": "List, fetch, convert and verify weights of the networks that features come from.",
    "pretrain": "Train the embedded backbone again, on video that it renders itself; Ray Train.",
    "doctor": "Check this machine, a store and a cluster before a long job.",
    "demo": "The whole story on videos that it renders itself: features, both models, a report.",
}
"""Every verb with what it does; its module in this package bears its name, with ``_`` for ``-``."""

WRITES = ("extract", "import-features", "train", "score", "evaluate", "compare", "pretrain")
"""Verbs that write into the folder that ``--out`` names."""


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Names a default where there is one to know."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.nargs == 0 or action.default in (None, "", []):
            return action.help
        return super()._get_help_string(action)


def build_parser(verb: str | None) -> argparse.ArgumentParser:
    """Build the parser; only the options of ``verb`` are filled in, because a verb's module takes seconds to import."""
    parser = Parser(
        prog="wsvad",
        description="Find anomalies in surveillance video from video-level labels, at archive scale.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"wsvad {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, text in VERBS.items():
        own = verbs.add_parser(
            name,
            help=text,
            description=text,
            allow_abbrev=False,
            formatter_class=_Help,
        )
        if name == verb:
            module = importlib.import_module(f"wsvad.cli.{name.replace('-', '_')}")
            own.add_argument("--json", action="store_true", help="print the end summary as JSON on standard output")
            own.add_argument("--verbose", action="store_true", help="more logging, Ray's own included")
            own.set_defaults(run=module.run, parser=own)
            module.add_options(own)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (2 for wrong options, as argparse itself exits with)."""
    with signals.heeded():
        return guarded(lambda: _run(list(sys.argv[1:] if argv is None else argv)))


def _run(words: list[str]) -> int:
    verb = next((word for word in words if word in VERBS), None)
    args = parse(build_parser(verb), words)
    _set_up_logging(verbose=args.verbose)
    try:
        if getattr(args, "config", None):
            words = [args.verb, *option_words(args.config, args.parser), *words[words.index(args.verb) + 1 :]]
            args = parse(build_parser(verb), words)
        if args.verb in WRITES and args.out:
            check_folder(args.out)
        return stoppable(args.verb, lambda: int(args.run(args)))
    except WsvadError as error:
        log.error("%s", error)
        return error.exit_code


def _set_up_logging(*, verbose: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    log.handlers[:] = [handler]
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
