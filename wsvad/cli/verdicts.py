"""``wsvad verdicts``."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from rich.console import Console

from wsvad.cli.ending import finish
from wsvad.cli.options import Configured, Stored, require
from wsvad.options import Option, Uri
from wsvad.storage import StoreOptions

if TYPE_CHECKING:
    from wsvad.review.judging import VerdictSummary


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """What reviewers said: precision, recall as far as random spans tell, thresholds, videos for the next training."""

    root: Uri | None = None
    """of the nightly job, from rescore"""
    import_: Annotated[tuple[str, ...], Option(name="--import", metavar="FILE")] = ()
    """verdicts that a page exported, to be kept below --root; may be repeated, and given twice does no harm"""
    reviewer: Annotated[str | None, Option(metavar="NAME")] = None
    """with --import: whose they are, whatever the file says"""
    out: Annotated[str | None, Option(metavar="FILE")] = None
    """manifest for training, .csv or .parquet: a label for each video that reviewers judged; needs --manifest"""
    manifest: Uri | None = None
    """manifest with splits: what is of a test or validation split never gets into --out"""
    store: Stored = field(default_factory=StoreOptions)


def perform(options: Options, console: Console) -> "VerdictSummary":
    """Judge and return the summary; progress goes to ``console``."""
    (root,) = require(options, "root")
    from wsvad.review.judging import VerdictOptions, judge

    return judge(VerdictOptions(root, options.import_, options.reviewer, options.out, options.manifest, options.store))


def run(options: Options) -> int:
    """Judge, show the summary, return the exit code."""
    return finish(perform(options, Console(stderr=True)), options)
