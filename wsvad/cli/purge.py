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
    """Permanently remove videos from all results. The archive itself is not changed."""

    root: Uri | None = None
    """root of the nightly job, from rescore"""
    video: Annotated[tuple[str, ...], Option(metavar="ID")] = ()
    """id of a video; can be repeated"""
    camera: Annotated[tuple[str, ...], Option(metavar="NAME")] = ()
    """camera whose videos are purged; can be repeated; with --before, only older videos"""
    before: Annotated[str | None, Option(metavar="YYYY-MM-DD")] = None
    """purge videos that ended before the start of this day (UTC)"""
    retention: Flag = False
    """purge videos older than the retention_days of their camera"""
    apply: Flag = False
    """purge; without it, the videos are only counted"""
    force: Flag = False
    """allow a purge of more than 10 % of the videos"""
    store: Stored = field(default_factory=StoreOptions)


def perform(options: Options, console: Console) -> "PurgeSummary":
    """Purge and return the summary; progress goes to ``console``."""
    (root,) = require(options, "root")
    from wsvad.nightly.purging import PurgeOptions, purge

    try:
        before = date.fromisoformat(options.before) if options.before else None
    except ValueError:
        raise UsageError(f"--before must be a date such as 2026-03-01, got {options.before!r:.80}") from None
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
