"""``wsvad events``."""

from dataclasses import dataclass, field
from typing import Annotated

from rich.console import Console

from wsvad.cli.ending import finish
from wsvad.cli.options import Configured, Stored, require
from wsvad.errors import UsageError
from wsvad.events.config import EventSettings
from wsvad.options import AnyPositiveFloat, Flag, Option, Uri, group
from wsvad.storage import StoreOptions

_SETTINGS = frozenset({"high", "low", "gap", "smooth", "min-length"})
"""Options that a thresholds file replaces."""


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Find events per camera and day in scores."""

    scores: Uri | None = None
    """root of a scores data set, from score"""
    out: Uri | None = None
    """root of the events data set, local or s3://"""
    cameras: Uri | None = None
    """TOML file that assigns videos to cameras and start times (default: every folder is a camera, and times are
    offsets)"""
    text: Uri | None = None
    """folder for all events as events.csv, events.json, events.ics and one .vtt file per video"""
    thresholds: Annotated[Uri | None, Option(metavar="FILE")] = None
    """file of thresholds written by --calibrate; thresholds in the cameras file take precedence"""
    calibrate: Annotated[Uri | None, Option(metavar="FILE")] = None
    """instead of finding events: treat all footage as normal, and write thresholds that keep a budget of false events
    to this file"""
    budget: Annotated[AnyPositiveFloat | None, Option(metavar="N")] = None
    """false events per camera and day allowed by --calibrate (default: from the cameras file, or 1)"""
    dry_run: Flag = False
    """check and plan, but write nothing"""
    settings: Annotated[EventSettings, group("events (part of the data set's fingerprint)")] = field(
        default_factory=EventSettings
    )
    store: Stored = field(default_factory=StoreOptions)


def run(options: Options) -> int:
    """Find events, show the summary, return the exit code."""
    if options.calibrate is not None:
        return _calibrate(options, options.calibrate)
    scores, out = require(options, "scores", "out")
    if options.budget is not None:
        raise UsageError("--budget requires --calibrate FILE; give both, or omit --budget")
    both = sorted(_SETTINGS & options.given)
    if options.thresholds is not None and both:
        raise UsageError(f"--{both[0]} cannot be combined with --thresholds, which sets it; give only one")
    from wsvad.events.job import EventsOptions, find_all_events  # imported here: it loads Arrow

    asked = EventsOptions(
        scores=scores,
        out=out,
        cameras=options.cameras,
        settings=options.settings,
        thresholds=options.thresholds,
        text=options.text,
        store=options.store,
        dry_run=options.dry_run,
    )
    return finish(find_all_events(asked, Console(stderr=True)), options)


def _calibrate(options: Options, out: str) -> int:
    """Write thresholds instead of events."""
    (scores,) = require(options, "scores")
    for name in ("out", "text", "thresholds"):
        if getattr(options, name) is not None:
            raise UsageError(
                f"--{name} cannot be combined with --calibrate, which only writes thresholds; give only one"
            )
    from wsvad.events.calibrate_job import CalibrateOptions, calibrate_scores  # imported here: it loads Arrow

    asked = CalibrateOptions(
        scores=scores,
        out=out,
        cameras=options.cameras,
        settings=options.settings,
        budget=options.budget,
        store=options.store,
        dry_run=options.dry_run,
    )
    return finish(calibrate_scores(asked), options)
