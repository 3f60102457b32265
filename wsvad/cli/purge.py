"""``wsvad purge``."""

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Annotated

from rich.console import Console

from wsvad.cli.ending import finish
from wsvad.cli.options import Configured, Stored, require
from wsvad.errors import UsageError
from wsvad.options import Flag, Option, Uri
from wsvad.storage import StoreOptions

if TYPE_CHECKING:
    from wsvad.nightly.purging import PurgeSummary


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Videos out of everything that was made of them, for good. The archive itself is not touched."""

    root: Uri | None = None
    """of the nightly job, from rescore"""
    video: Annotated[tuple[str, ...], Option(metavar="ID")] = ()
    """id of a video; may be repeated"""
    camera: Annotated[tuple[str, ...], Option(metavar="NAME")] = ()
    """all videos of a camera; may be repeated; with --before, those that are older"""
    before: Annotated[str | None, Option(metavar="YYYY-MM-DD")] = None
    """videos that ended before this day began, in UTC"""
    retention: Flag = False
    """videos that are older than the retention_days of their camera"""
    apply: Flag = False
    """do it; without this it is only said what would be purged"""
    force: Flag = False
    """also where that is more than 10 % of the videos"""
    store: Stored = field(default_factory=StoreOptions)


def perform(options: Options, console: Console) -> "PurgeSummary":
    """Purge and return the summary; progress goes to ``console``."""
    (root,) = require(options, "root")
    from wsvad.nightly.purging import PurgeOptions, purge

    try:
        before = date.fromisoformat(options.before) if options.before else None
    except ValueError:
        raise UsageError(f"--before takes a day such as 2026-03-01, got {options.before!r:.80}") from None
    return purge(
        PurgeOptions(
            root, options.video, options.camera, before, retention=options.retention, apply=options.apply,
            force=options.force, store=options.store,
        ),
        console,
    )  # fmt: skip


def run(options: Options) -> int:
    """Purge, show the summary, return the exit code."""
    return finish(perform(options, Console(stderr=True)), options)
