"""``wsvad verdicts``."""

import sys
from dataclasses import dataclass, field
from typing import Annotated

from rich.console import Console

from wsvad.cli.options import Configured, Stored, require
from wsvad.options import Option, Uri
from wsvad.storage import StoreOptions


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


def run(options: Options) -> int:
    """Judge, show the summary, return the exit code."""
    (root,) = require(options, "root")
    from wsvad.review.verdict_job import VerdictOptions, process_verdicts

    summary = process_verdicts(
        VerdictOptions(root, options.import_, options.reviewer, options.out, options.manifest, options.store)
    )
    if options.json:
        sys.stdout.write(summary.to_json() + "\n")
    else:
        summary.show(Console())
    return summary.exit_code
