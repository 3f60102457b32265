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
from wsvad.video.contract import Limits

if TYPE_CHECKING:
    from wsvad.evaluation.summary import EvaluateSummary


@dataclass(frozen=True, kw_only=True)
class TruthOptions:
    """Choice of videos and their annotations."""

    split: Split = "test"
    """split of the videos to evaluate"""
    truth_mode: TruthMode = "true"
    """length of a video in frames: true, rounded down or up to multiples of 16 (as in published results)"""
    allow_missing: Flag = False
    """skip videos without scores"""
    distinct_names: Flag = False
    """treat videos with the file name of a training video as different videos; the report lists them"""
    videos_root: Uri | None = None
    """base of relative video URIs, for the frames in the report"""
    frames: bool = True
    """include frames of the videos in the report"""
    require_sandbox: Flag = False
    """fail with exit code 2 if the decoder's process cannot be confined here (`wsvad doctor` says what this machine
    offers)"""


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Evaluate scores against annotations."""

    scores: Uri | None = None
    """root of a scores data set, from score"""
    manifest: Uri | None = None
    """manifest with splits, labels and annotations (.csv, .parquet)"""
    out: Uri | None = None
    """folder for report.json and report.html, local or s3://"""
    replace: Flag = False
    """overwrite a report of other inputs or options"""
    truth: Annotated[TruthOptions, group("videos and annotations")] = field(default_factory=TruthOptions)
    metrics: Annotated[MetricOptions, group("metrics")] = field(default_factory=MetricOptions)
    events: Annotated[EventOptions, group("events")] = field(default_factory=EventOptions)
    store: Stored = field(default_factory=StoreOptions)


def perform(options: Options, console: Console) -> "EvaluateSummary":
    """Evaluate and return the summary; progress goes to ``console``."""
    scores, manifest, out = require(options, "scores", "manifest", "out")
    from wsvad.cli.parser import command_of
    from wsvad.evaluation.job import EvaluateOptions, evaluate  # imported here: it takes seconds

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
        limits=Limits(require_sandbox=truth.require_sandbox),
        videos_root=truth.videos_root,
        store=options.store,
        command=command_of("evaluate", options),
    )
    return evaluate(asked)


def run(options: Options) -> int:
    """Evaluate, show the summary, return the exit code."""
    return finish(perform(options, Console(stderr=True)), options)
