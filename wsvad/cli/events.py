"""``wsvad events``."""

import sys
from dataclasses import dataclass, field
from typing import Annotated

from rich.console import Console

from wsvad.cli.options import Configured, Stored, require
from wsvad.events.config import EventSettings
from wsvad.options import Flag, Uri, group
from wsvad.storage import StoreOptions


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
    dry_run: Flag = False
    """check and plan; write nothing"""
    settings: Annotated[EventSettings, group("events (these make the fingerprint of the data set)")] = field(
        default_factory=EventSettings
    )
    store: Stored = field(default_factory=StoreOptions)


def run(options: Options) -> int:
    """Find events, show the summary, return the exit code."""
    scores, out = require(options, "scores", "out")
    from wsvad.events.job import EventsOptions, find_all_events  # brings Arrow with it

    asked = EventsOptions(
        scores=scores,
        out=out,
        cameras=options.cameras,
        settings=options.settings,
        text=options.text,
        store=options.store,
        dry_run=options.dry_run,
    )
    summary = find_all_events(asked, Console(stderr=True))
    if options.json:
        sys.stdout.write(summary.to_json() + "\n")
    else:
        summary.show(Console())
    return summary.exit_code
