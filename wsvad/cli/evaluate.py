"""``wsvad evaluate``."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from rich.console import Console

from wsvad.cli.ending import finish
from wsvad.cli.options import Configured, Stored, require
from wsvad.manifest.names import Split
from wsvad.metrics.event_options import EventOptions
from wsvad.metrics.options import MetricOptions, TruthMode
from wsvad.options import Flag, Uri, group
from wsvad.storage import StoreOptions

if TYPE_CHECKING:
    from wsvad.evaluation.summary import EvaluateSummary


@dataclass(frozen=True, kw_only=True)
class TruthOptions:
    """Which videos, and what is true of them."""

    split: Split = "test"
    """which videos"""
    truth_mode: TruthMode = "true"
    """frames of a video: as they are, cut to whole blocks of 16, or filled up to them (published numbers)"""
    allow_missing: Flag = False
    """leave out videos that have no scores"""
    distinct_names: Flag = False
    """videos that share a file name with training videos are different ones; the report lists them"""
    videos_root: Uri | None = None
    """what relative video URIs are relative to, for the frames"""
    frames: bool = True
    """show frames of the videos in the report"""


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Scores and truth in, figures out."""

    scores: Uri | None = None
    """root of a scores data set, the --out of score"""
    manifest: Uri | None = None
    """manifest with splits, labels and truth (.csv, .parquet)"""
    out: Uri | None = None
    """folder of report.json and report.html, local or s3://"""
    replace: Flag = False
    """write over a report of other inputs or options"""
    truth: Annotated[TruthOptions, group("videos and truth")] = field(default_factory=TruthOptions)
    metrics: Annotated[MetricOptions, group("metrics")] = field(default_factory=MetricOptions)
    events: Annotated[EventOptions, group("events")] = field(default_factory=EventOptions)
    store: Stored = field(default_factory=StoreOptions)


def perform(options: Options, console: Console) -> "EvaluateSummary":
    """Evaluate and return the summary; progress goes to ``console``."""
    scores, manifest, out = require(options, "scores", "manifest", "out")
    from wsvad.cli.parser import command_of
    from wsvad.evaluation.job import EvaluateOptions, evaluate  # seconds, because of the figures

    truth = options.truth
    asked = EvaluateOptions(
        scores=scores,
        manifest=manifest,
        out=out,
        split=truth.split,
        truth_mode=truth.truth_mode,
        metrics=options.metrics,
        events=options.events,
        allow_missing=truth.allow_missing,
        distinct_names=truth.distinct_names,
        replace=options.replace,
        frames=truth.frames,
        videos_root=truth.videos_root,
        store=options.store,
        command=command_of("evaluate", options),
    )
    return evaluate(asked)


def run(options: Options) -> int:
    """Evaluate, show the summary, return the exit code."""
    return finish(perform(options, Console(stderr=True)), options)
