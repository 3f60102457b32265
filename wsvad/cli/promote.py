"""``wsvad promote``."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from rich.console import Console

from wsvad.cli.ending import finish
from wsvad.cli.options import Configured, Stored, require
from wsvad.options import Flag, Option, Uri
from wsvad.storage import StoreOptions

if TYPE_CHECKING:
    from wsvad.nightly.promotion import PromoteSummary


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


def perform(options: Options, console: Console) -> "PromoteSummary":
    """Promote and return the summary; progress goes to ``console``."""
    (root,) = require(options, "root")
    from wsvad.nightly.promotion import PromoteOptions, promote

    return promote(
        PromoteOptions(
            root, options.model, back=options.back, drop=options.drop, store=options.store, dry_run=options.dry_run
        )
    )


def run(options: Options) -> int:
    """Promote, show the summary, return the exit code."""
    return finish(perform(options, Console(stderr=True)), options)
