"""Options of the review page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from wsvad.errors import UsageError
from wsvad.options import HIDDEN, Flag, Natural, NaturalFloat, Option, PositiveFloat, PositiveInt
from wsvad.storage import StoreOptions
from wsvad.video.contract import Limits

FORMAT = 1
"""Format version of the page's document and of verdicts."""
Codec = Literal["vp9", "h264"]
"""Codec of clips. Every browser plays VP9 in WebM; patent-free builds of Chromium lack H.264."""
Pixelate = Literal["faces", "people"]
"""What is pixelated in pictures."""


@dataclass(frozen=True, kw_only=True)
class ChoiceOptions:
    """Choice of the events to show."""

    top: Annotated[PositiveInt | None, Option(metavar="N")] = None
    """show only the N events with the highest scores above their camera's threshold"""
    day: Annotated[tuple[str, ...], Option(metavar="YYYY-MM-DD")] = ()
    """show only events of this day (UTC); can be repeated"""
    camera: Annotated[tuple[str, ...], Option(metavar="NAME")] = ()
    """show only events of this camera; can be repeated"""
    control: Natural = 0
    """number of random spans without events to add, distributed over the cameras; verdicts on them give an estimate of
    recall"""
    seed: Natural = 0
    """random seed of these spans"""
    fold_s: Annotated[NaturalFloat, Option(name="--fold", metavar="S")] = 60.0
    """maximum gap between events of a camera to group them, in seconds"""
    context_s: Annotated[NaturalFloat, Option(name="--context", metavar="S")] = 30.0
    """length of the score curve shown before and after an event, in seconds"""
    control_s: Annotated[float, HIDDEN] = 10.0
    """Length of a control span in seconds."""

    def __post_init__(self) -> None:
        if self.context_s > 3600:
            raise UsageError(f"--context must be at most 3600 s, got {self.context_s:g}")


@dataclass(frozen=True, kw_only=True)
class MediaOptions:
    """Pictures to create for an event."""

    media: bool = True
    """--no-media: create no pictures; the page shows only scores"""
    clip_codec: Codec = "vp9"
    """video codec of clips; h264 for players without VP9"""
    clip_width: Annotated[PositiveInt, Option(metavar="PX")] = 640
    """longest side of a clip in pixels"""
    clip_length_s: Annotated[PositiveFloat, Option(name="--clip-length", metavar="S")] = 60.0
    """maximum length of a clip in seconds; of a longer event it shows the beginning, or the part around the peak"""
    clip_margin_s: Annotated[NaturalFloat, Option(name="--clip-margin", metavar="S")] = 3.0
    """length of video before and after an event, in seconds"""
    pixelate: Pixelate | None = None
    """pixelate faces, or people and everything else that moves, in clips, film strips and posters, where detected
    (extra wsvad[pixelate])"""

    def __post_init__(self) -> None:
        if not 64 <= self.clip_width <= 1920:
            raise UsageError(f"--clip-width must be between 64 and 1920 pixels, got {self.clip_width}")
        if self.clip_length_s > 600:
            raise UsageError(f"--clip-length must be at most 600 s, got {self.clip_length_s:g}")

    def to_dict(self) -> dict[str, Any]:
        """Return the options that determine the pictures of an event, as JSON values."""
        settings = {
            "version": 1,
            "codec": self.clip_codec,
            "width": self.clip_width,
            "length_s": self.clip_length_s,
            "margin_s": self.clip_margin_s,
        }
        return settings | {"pixelate": [self.pixelate, 1]} if self.pixelate else settings


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Options of the review server."""

    serve: Flag = False
    """serve the page instead of writing it (--out); clips are created on demand, verdicts are stored below --root"""
    host: Annotated[str, Option(metavar="ADDRESS")] = "127.0.0.1"
    """address to listen on; any but a loopback address requires --token-file, and a TLS proxy in front"""
    port: Natural = 8765
    """port to listen on; 0: a free port"""
    reviewer: Annotated[tuple[str, ...], Option(metavar="NAME")] = ()
    """name of a reviewer who gets a personal link; can be repeated (default: reviewer)"""
    token_file: Annotated[str | None, Option(metavar="FILE")] = None
    """file with a line `TOKEN NAME` per reviewer, not readable by others; replaces random tokens"""
    public_name: Annotated[tuple[str, ...], Option(metavar="HOST[:PORT]")] = ()
    """host name of the TLS proxy in front of this server; can be repeated"""
    prepare: Natural = 50
    """number of events, from the first, whose pictures are created in advance"""

    def __post_init__(self) -> None:
        if self.port > 65535:
            raise UsageError(f"--port must be at most 65535, got {self.port}")
        if self.token_file and self.reviewer:
            raise UsageError("--token-file names the reviewers: omit --reviewer")


@dataclass(frozen=True)
class SourceOptions:
    """Source of the events: a nightly job, or data sets of events and scores."""

    root: str | None = None
    """Root of a nightly job."""
    events: str | None = None
    """Root of an events data set."""
    scores: str | None = None
    """Root of the scores data set in which the events were found."""
    cameras: str | None = None
    """URI of the cameras file for ``events``; a nightly job stores its own."""
    manifest: str | None = None
    """Manifest with annotations and locations of videos."""
    videos_root: str | None = None
    """Root of the videos, if they are not at the URIs in the scores."""
    store: StoreOptions = field(default_factory=StoreOptions)

    def __post_init__(self) -> None:
        if bool(self.root) == bool(self.events or self.scores):
            raise UsageError("select what to review: --root of a nightly job, or --events with --scores")
        if not self.root and not (self.events and self.scores):
            raise UsageError("--events and --scores require each other: the page shows the scores around an event")
        if self.root and self.cameras:
            raise UsageError("--cameras requires --events; a nightly job stores its own cameras file")


@dataclass(frozen=True)
class ReviewOptions:
    """Options of a review page; ``wsvad review --help`` explains the same options."""

    source: SourceOptions
    choice: ChoiceOptions = field(default_factory=ChoiceOptions)
    media: MediaOptions = field(default_factory=MediaOptions)
    title: str | None = None
    limits: Limits = field(default_factory=Limits)
