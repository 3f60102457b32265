"""``wsvad promote``."""

import sys
from dataclasses import dataclass, field
from typing import Annotated

from rich.console import Console

from wsvad.cli.options import Configured, Stored, require
from wsvad.options import Flag, Option, Uri
from wsvad.storage import StoreOptions


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Make another model the champion, whose scores and events readers see; takes effect immediately."""

    root: Uri | None = None
    """root of the nightly job, from rescore"""
    model: Annotated[str | None, Option(metavar="DIGEST")] = None
    """first digits of the digest of a model scored by the nightly job"""
    back: Flag = False
    """promote the previous champion"""
    drop: Flag = False
    """stop scoring with --model; its data is kept"""
    dry_run: Flag = False
    """show the changes, but write nothing"""
    store: Stored = field(default_factory=StoreOptions)


def run(options: Options) -> int:
    """Promote, show the summary, return the exit code."""
    (root,) = require(options, "root")
    from wsvad.nightly.promotion import PromoteOptions, promote

    summary = promote(
        PromoteOptions(
            root, options.model, back=options.back, drop=options.drop, store=options.store, dry_run=options.dry_run
        )
    )
    if options.json:
        sys.stdout.write(summary.to_json() + "\n")
    else:
        summary.show(Console())
    return summary.exit_code
