"""``wsvad events``."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from rich.console import Console

from wsvad.cli.ending import finish
from wsvad.cli.options import Configured, Stored, require
from wsvad.errors import UsageError
from wsvad.events.config import EventSettings
from wsvad.options import AnyPositiveFloat, Flag, Option, Uri, group
from wsvad.storage import StoreOptions

if TYPE_CHECKING:
    pass

_SETTINGS = frozenset({"high", "low", "gap", "smooth", "min-length"})
"""Options that a file of thresholds stands for."""


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Scores in, events per camera and day out."""

    scores: Uri | None = None
    """root of a scores data set, the --out of score"""
    out: Uri | None = None
    """root of the events data set, local or s3://"""
    cameras: Uri | None = None
    """TOML file of cameras: whose a video is and when it starts (default: every folder is a camera,
    and times are offsets)"""
    text: Uri | None = None
    """also write all events as events.csv, events.json, events.ics and one .vtt a video into this folder"""
    thresholds: Annotated[Uri | None, Option(metavar="FILE")] = None
    """open and close events at the thresholds of this file, which --calibrate wrote; those of a camera that the file of
    cameras gives itself stay"""
    calibrate: Annotated[Uri | None, Option(metavar="FILE")] = None
    """instead of events: take all footage to be normal, and write thresholds that keep a budget of false events to this
    file"""
    budget: Annotated[AnyPositiveFloat | None, Option(metavar="N")] = None
    """false events of a camera and day that --calibrate allows (default: what the file of cameras says, else 1)"""
    dry_run: Flag = False
    """check and plan; write nothing"""
    settings: Annotated[EventSettings, group("events (these make the fingerprint of the data set)")] = field(
        default_factory=EventSettings
    )
    store: Stored = field(default_factory=StoreOptions)


def run(options: Options) -> int:
    """Find events, show the summary, return the exit code."""
    if options.calibrate is not None:
        return _calibrate(options, options.calibrate)
    scores, out = require(options, "scores", "out")
    if options.budget is not None:
        raise UsageError("--budget is what --calibrate allows; give --calibrate FILE, or leave it out")
    both = sorted(_SETTINGS & options.given)
    if options.thresholds is not None and both:
        raise UsageError(f"--{both[0]} comes with --thresholds, which has all of them; give one of the two")
    from wsvad.events.job import EventsOptions, find_all_events  # brings Arrow with it

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
            raise UsageError(f"--{name} is for events, and --calibrate writes thresholds alone; give one of the two")
    from wsvad.events.calibrate_job import CalibrateOptions, calibrate_scores  # brings Arrow with it

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
