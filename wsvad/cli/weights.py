"""``wsvad weights``."""

import json
import logging
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from rich.console import Console
from rich.table import Table

from wsvad.backbones import shipped
from wsvad.cli.options import Configured, Stored, require
from wsvad.errors import EXIT_CONFLICT, EXIT_OK, UsageError, WeightsError
from wsvad.options import HIDDEN, Flag, Option, Word
from wsvad.storage import StoreOptions
from wsvad.weights.catalogue import CATALOGUE, EMBEDDED
from wsvad.weights.digests import parse_digest
from wsvad.weights.folder import default_folder, find_weights
from wsvad.weights.listing import ListedWeights, list_weights

log = logging.getLogger("wsvad")

Action = Literal["list", "fetch", "convert", "verify"]

_OPTIONS: dict[Action, set[str]] = {
    "list": {"to"},
    "fetch": {"to", "digest"},
    "convert": {"to", "out", "architecture", "overwrite"},
    "verify": {"to", "architecture"},
}
"""Options supported by each action."""
_WIDTH = 160
"""Width of the list if the output is not a terminal, in columns."""


_DOES = (
    "list: show known and installed weights; fetch: download and verify; convert: write a known layout as safetensors; "
    "verify: identify a file (exit code 5 if it cannot be used)"
)
_OF_WHAT = (
    "fetch: a listed name, a URL, or a file to copy; convert: a file (.pt, .safetensors, .index, .pkl); verify: "
    "a name or a file"
)


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """An action on weights."""

    action: Annotated[Action, HIDDEN, Word("ACTION", _DOES)] = "list"
    what: Annotated[str | None, HIDDEN, Word("NAME|FILE|URL", _OF_WHAT, required=False)] = None
    to: Annotated[str | None, Option(metavar="FOLDER")] = None
    """folder of weights (default: $WSVAD_WEIGHTS, or the user's cache)"""
    digest: Annotated[str | None, Option(metavar="DIGEST")] = None
    """fetch: sha256:<64 hex> or git:<40 hex> of a file without a published digest"""
    out: Annotated[str | None, Option(metavar="FILE")] = None
    """convert: file to write (.safetensors), local or s3://"""
    architecture: Annotated[str | None, Option(metavar="NAME")] = None
    """convert, verify: expected network (default: detected)"""
    overwrite: Flag = False
    """convert: replace an existing, different file at --out"""
    store: Stored = field(default_factory=StoreOptions)


def run(options: Options) -> int:
    """Perform the action, show the result, return the exit code."""
    what = _check(options)
    folder = Path(options.to).expanduser().absolute() if options.to else default_folder()
    if options.action == "list":
        return _list(options, folder)
    if options.action == "fetch":
        return _fetch(options, what, folder)
    return _convert(options, what) if options.action == "convert" else _verify(options, what, folder)


def _check(options: Options) -> str:
    given = {name for name in ("to", "digest", "out", "architecture", "overwrite") if getattr(options, name)}
    if wrong := given - _OPTIONS[options.action]:
        raise UsageError(f"weights {options.action} does not support --{', --'.join(sorted(wrong))}")
    if options.action == "list" and options.what:
        raise UsageError(f"weights list takes no argument, got {options.what!r:.100}")
    if options.action != "list" and not options.what:
        raise UsageError(f"weights {options.action} requires an argument; `wsvad weights list` shows the names")
    return options.what or ""


def _list(options: Options, folder: Path) -> int:
    lines = list_weights(folder)
    if options.json:
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
        return "provide your own"
    return "verified, convert it" if line.state == "verified" and line.path is None else line.state


def _fetch(options: Options, what: str, folder: Path) -> int:
    from wsvad.weights.fetch import fetch

    digest = None if options.digest is None else parse_digest(options.digest)
    done = fetch(what, folder, digest=digest, console=Console(stderr=True), options=options.store)
    if options.json:
        _print_json({**asdict(done), "exit_code": EXIT_OK})
    else:
        how = f"{done.bytes_fetched / 1e6:.1f} MB in {done.elapsed_s:.1f} s" if done.files else "already present"
        _show({"name": done.name, "for": done.architecture, "fetched": how, "digest": done.digest, "file": done.path})
    return EXIT_OK


def _convert(options: Options, what: str) -> int:
    (out,) = require(options, "out")
    from wsvad.weights.convert import convert  # imported here: PyTorch takes seconds

    done = convert(
        what,
        out,
        architecture=options.architecture,
        overwrite=options.overwrite,
        options=options.store,
    )
    if options.json:
        _print_json({**asdict(done), "out": out, "exit_code": EXIT_OK})
    else:
        _show({"name": done.name, "for": done.architecture, "from": done.format, "digest": done.digest, "file": out})
    return EXIT_OK


def _verify(options: Options, what: str, folder: Path) -> int:
    from wsvad.weights.convert import describe  # imported here: PyTorch takes seconds

    try:
        uri = str(find_weights(what, folder)) if what in CATALOGUE else what
        found = describe(uri, architecture=options.architecture, options=options.store)
        if what == EMBEDDED and found.digest != shipped.DIGEST:
            raise WeightsError(f"{uri}: differs from the weights of this version ({shipped.DIGEST}); reinstall wsvad")
    except WeightsError as error:
        log.error("%s", error)
        if options.json:
            _print_json({"uri": what, "fault": str(error), "exit_code": EXIT_CONFLICT})
        return EXIT_CONFLICT
    if options.json:
        _print_json({**asdict(found), "exit_code": EXIT_OK})
        return EXIT_OK
    published = "identical to the published file" if found.known else "not a published file, but intact"
    if found.digest == shipped.DIGEST:
        published = "embedded weights of this package"
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
