"""Parse, call one verb, turn what it raises into a message and an exit code."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from wsvad import __version__
from wsvad.cli import demo, doctor, extract, verify
from wsvad.cli.options import option_words
from wsvad.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, WsvadError

log = logging.getLogger("wsvad")

_VERBS = (extract, verify, doctor, demo)


class Terminated(BaseException):
    """SIGTERM arrived; unwinds like Ctrl-C does."""


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all verbs."""
    parser = argparse.ArgumentParser(
        prog="wsvad",
        description="Find anomalies in surveillance video from video-level labels, at archive scale.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"wsvad {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in _VERBS:
        verb.add_parser(verbs)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (2 for wrong options, as argparse itself exits with)."""
    words = list(sys.argv[1:] if argv is None else argv)
    args = build_parser().parse_args(words)
    _set_up_logging(verbose=args.verbose)
    previous = signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        if getattr(args, "config", None):
            words = [args.verb, *option_words(args.config, args.parser), *words[words.index(args.verb) + 1 :]]
            args = build_parser().parse_args(words)
        return int(args.run(args))
    except WsvadError as error:
        log.error("%s", error)
        return error.exit_code
    except KeyboardInterrupt:
        log.error("interrupted: finished units are kept; the same command goes on from here")
        return EXIT_INTERRUPTED
    except Terminated:
        log.error("terminated: finished units are kept; the same command goes on from here")
        return EXIT_TERMINATED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, previous)


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    raise Terminated


def _set_up_logging(*, verbose: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
