"""``wsvad weights``."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from wsvad.backbones import shipped
from wsvad.cli.options import add_store_options, require, store_options
from wsvad.errors import EXIT_CONFLICT, EXIT_OK, UsageError, WeightsError
from wsvad.weights.catalogue import CATALOGUE, EMBEDDED
from wsvad.weights.digests import parse_digest
from wsvad.weights.fetch import fetch
from wsvad.weights.folder import default_folder, find_weights
from wsvad.weights.listing import ListedWeights, list_weights

log = logging.getLogger("wsvad")

_OPTIONS = {
    "list": {"to"},
    "fetch": {"to", "digest"},
    "convert": {"to", "out", "architecture", "overwrite"},
    "verify": {"to", "architecture"},
}
"""What each action takes."""
_WIDTH = 160
"""Columns of the list where no terminal says how many there are."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.add_argument(
        "action",
        choices=tuple(_OPTIONS),
        help="list: what there is and what is here; fetch: get and prove it; convert: write any known layout as "
        "safetensors; verify: say what a file is (exit code 5 where it cannot be used)",
    )
    parser.add_argument(
        "what",
        nargs="?",
        metavar="NAME|FILE|URL",
        help="fetch: a name of the list, a URL, or a file to copy; convert: a file (.pt, .safetensors, .index, .pkl); "
        "verify: a name or a file",
    )
    parser.add_argument(
        "--to", metavar="FOLDER", help="folder of weights (default: $WSVAD_WEIGHTS, or the user's cache)"
    )
    parser.add_argument(
        "--digest", metavar="DIGEST", help="fetch: sha256:<64 hex> or git:<40 hex> of a file that none is published of"
    )
    parser.add_argument("--out", metavar="FILE", help="convert: file to write, .safetensors, local or s3://")
    parser.add_argument(
        "--architecture", metavar="NAME", help="convert, verify: the network it must be for; else found out"
    )
    parser.add_argument("--overwrite", action="store_true", help="convert: replace another file that is at --out")
    parser.add_argument("--config", metavar="FILE", help="TOML file of these options; the command line wins over it")
    add_store_options(parser)


def run(args: argparse.Namespace) -> int:
    """Do it, show what came of it, return the exit code."""
    _check(args)
    folder = Path(args.to).expanduser().absolute() if args.to else default_folder()
    if args.action == "list":
        return _list(args, folder)
    if args.action == "fetch":
        return _fetch(args, folder)
    return _convert(args) if args.action == "convert" else _verify(args, folder)


def _check(args: argparse.Namespace) -> None:
    given = {name for name in ("to", "digest", "out", "architecture", "overwrite") if getattr(args, name)}
    if wrong := given - _OPTIONS[args.action]:
        raise UsageError(f"weights {args.action} does not take --{', --'.join(sorted(wrong))}")
    if args.action == "list" and args.what:
        raise UsageError(f"weights list takes no name, got {args.what!r:.100}")
    if args.action != "list" and not args.what:
        raise UsageError(f"weights {args.action}: say what; `wsvad weights list` shows the names")


def _list(args: argparse.Namespace, folder: Path) -> int:
    lines = list_weights(folder)
    if args.json:
        _print_json({"folder": str(folder), "weights": [asdict(line) for line in lines], "exit_code": EXIT_OK})
        return EXIT_OK
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "for", "trained on", "MB", "licence", "here"):
        table.add_column(heading, justify="right" if heading == "MB" else "left", no_wrap=heading != "trained on")
    for line in lines:
        size = "" if line.size is None else f"{line.size / 1e6:.0f}"
        table.add_row(line.name, line.architecture or "?", line.about, size, line.licence, _state(line))
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    console.print(table, markup=False)
    console.print(f"folder: {folder}; URLs and digests: --json", markup=False, highlight=False, soft_wrap=True)
    return EXIT_OK


def _state(line: ListedWeights) -> str:
    if line.state == "absent" and None in line.digests:
        return "bring your own"
    return "verified, convert it" if line.state == "verified" and line.path is None else line.state


def _fetch(args: argparse.Namespace, folder: Path) -> int:
    digest = None if args.digest is None else parse_digest(args.digest)
    done = fetch(args.what, folder, digest=digest, console=Console(stderr=True), options=store_options(args))
    if args.json:
        _print_json({**asdict(done), "exit_code": EXIT_OK})
    else:
        how = f"{done.bytes_fetched / 1e6:.1f} MB in {done.elapsed_s:.1f} s" if done.files else "was already here"
        _show({"name": done.name, "for": done.architecture, "fetched": how, "digest": done.digest, "file": done.path})
    return EXIT_OK


def _convert(args: argparse.Namespace) -> int:
    require(args, "out")
    from wsvad.weights.convert import convert  # seconds, because of PyTorch

    done = convert(
        args.what,
        args.out,
        architecture=args.architecture,
        overwrite=args.overwrite,
        options=store_options(args),
    )
    if args.json:
        _print_json({**asdict(done), "out": args.out, "exit_code": EXIT_OK})
    else:
        _show(
            {"name": done.name, "for": done.architecture, "from": done.format, "digest": done.digest, "file": args.out}
        )
    return EXIT_OK


def _verify(args: argparse.Namespace, folder: Path) -> int:
    from wsvad.weights.convert import describe  # seconds, because of PyTorch

    try:
        uri = str(find_weights(args.what, folder)) if args.what in CATALOGUE else args.what
        found = describe(uri, architecture=args.architecture, options=store_options(args))
        if args.what == EMBEDDED and found.digest != shipped.DIGEST:
            raise WeightsError(f"{uri}: not what came with this version ({shipped.DIGEST}); install it again")
    except WeightsError as error:
        log.error("%s", error)
        if args.json:
            _print_json({"uri": args.what, "fault": str(error), "exit_code": EXIT_CONFLICT})
        return EXIT_CONFLICT
    if args.json:
        _print_json({**asdict(found), "exit_code": EXIT_OK})
        return EXIT_OK
    published = "as published, byte for byte" if found.known else "no published file, but whole"
    if found.digest == shipped.DIGEST:
        published = "those that come with the package"
    classes = "none" if found.classes is None else f"{found.classes} classes"
    _show({
        "name": f"{found.name} ({published})", "for": found.architecture, "format": found.format, "classifier": classes,
        "digest": found.digest, **{digest: uri for uri, digest in found.files.items()},
    })  # fmt: skip
    return EXIT_OK


def _show(rows: dict[str, str]) -> None:
    width = max(map(len, rows)) + 2
    for name, value in rows.items():
        sys.stdout.write(f"{name:{width}}{value}\n")


def _print_json(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=1) + "\n")
