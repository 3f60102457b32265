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
    """Another model becomes the one whose scores and events readers are shown, at once."""

    root: Uri | None = None
    """of the nightly job, from rescore"""
    model: Annotated[str | None, Option(metavar="DIGEST")] = None
    """first digits of the digest of a model that was scored beside the champion"""
    back: Flag = False
    """the champion before this one"""
    drop: Flag = False
    """do not score --model any longer; what it made stays"""
    dry_run: Flag = False
    """say what would change; write nothing"""
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
