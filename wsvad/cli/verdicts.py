"""``wsvad verdicts``."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from rich.console import Console

from wsvad.cli.ending import finish
from wsvad.cli.options import Configured, Stored, require
from wsvad.options import Option, Uri
from wsvad.storage import StoreOptions

if TYPE_CHECKING:
    from wsvad.review.verdict_job import VerdictSummary


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Process verdicts: precision, estimated recall, suggested thresholds, and a training manifest."""

    root: Uri | None = None
    """root of the nightly job, from rescore"""
    import_: Annotated[tuple[str, ...], Option(name="--import", metavar="FILE")] = ()
    """file of verdicts exported by a page, to store below --root; can be repeated; idempotent"""
    reviewer: Annotated[str | None, Option(metavar="NAME")] = None
    """with --import: name of the reviewer, replaces that in the file"""
    out: Annotated[str | None, Option(metavar="FILE")] = None
    """training manifest to write (.csv, .parquet), with a label for each judged video; requires --manifest"""
    manifest: Uri | None = None
    """manifest with splits; its test and validation videos are excluded from --out"""
    store: Stored = field(default_factory=StoreOptions)


def perform(options: Options, console: Console) -> "VerdictSummary":
    """Process verdicts and return the summary; progress goes to ``console``."""
    (root,) = require(options, "root")
    from wsvad.review.verdict_job import VerdictOptions, process_verdicts

    return process_verdicts(
        VerdictOptions(root, options.import_, options.reviewer, options.out, options.manifest, options.store)
    )


def run(options: Options) -> int:
    """Process verdicts, show the summary, return the exit code."""
    return finish(perform(options, Console(stderr=True)), options)
