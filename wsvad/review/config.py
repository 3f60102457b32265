"""What is to be reviewed, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from wsvad.errors import UsageError
from wsvad.options import HIDDEN, Flag, Natural, NaturalFloat, Option, PositiveFloat, PositiveInt
from wsvad.storage import StoreOptions
from wsvad.video.contract import Limits

FORMAT = 1
"""Of the document that the page reads, and of verdicts."""
Codec = Literal["vp9", "h264"]
"""Of clips. Every browser plays VP9 in WebM; builds of Chromium without patents lack H.264."""
Pixelate = Literal["faces", "people"]
"""What is made unrecognisable in pictures."""


@dataclass(frozen=True, kw_only=True)
class ChoiceOptions:
    """Which events are shown."""

    top: Annotated[PositiveInt | None, Option(metavar="N")] = None
    """only the N events that are farthest above the threshold of their camera"""
    day: Annotated[tuple[str, ...], Option(metavar="YYYY-MM-DD")] = ()
    """only events of this day (UTC); may be repeated"""
    camera: Annotated[tuple[str, ...], Option(metavar="NAME")] = ()
    """only events of this camera; may be repeated"""
    control: Natural = 0
    """random spans without an event to mix in, spread over the cameras: what reviewers say of them tells how much is
    missed"""
    seed: Natural = 0
    """of these spans"""
    fold_s: Annotated[NaturalFloat, Option(name="--fold", metavar="S")] = 60.0
    """an event of a camera that begins so shortly after another is shown below it"""
    context_s: Annotated[NaturalFloat, Option(name="--context", metavar="S")] = 30.0
    """scores shown before and after an event"""
    control_s: Annotated[float, HIDDEN] = 10.0
    """Length of a control span in seconds."""

    def __post_init__(self) -> None:
        if self.context_s > 3600:
            raise UsageError(f"--context must be at most 3600 s, got {self.context_s:g}")


@dataclass(frozen=True, kw_only=True)
class MediaOptions:
    """What pictures are made of an event."""

    media: bool = True
    """--no-media: no pictures; the page then shows scores alone"""
    clip_codec: Codec = "vp9"
    """of clips; h264 where a player knows no VP9"""
    clip_width: Annotated[PositiveInt, Option(metavar="PX")] = 640
    """longest side of a clip"""
    clip_length_s: Annotated[PositiveFloat, Option(name="--clip-length", metavar="S")] = 60.0
    """longest clip; of longer events it shows the beginning, or what is around the peak"""
    clip_margin_s: Annotated[NaturalFloat, Option(name="--clip-margin", metavar="S")] = 3.0
    """shown before and after an event"""
    pixelate: Pixelate | None = None
    """make faces, or people and whatever else moves, unrecognisable in clips, film strips and posters, as far as they
    are found (extra wsvad[pixelate])"""

    def __post_init__(self) -> None:
        if not 64 <= self.clip_width <= 1920:
            raise UsageError(f"--clip-width must be between 64 and 1920 pixels, got {self.clip_width}")
        if self.clip_length_s > 600:
            raise UsageError(f"--clip-length must be at most 600 s, got {self.clip_length_s:g}")

    def to_dict(self) -> dict[str, Any]:
        """Return what decides the bytes of an event's pictures, as JSON values."""
        said = {
            "version": 1,
            "codec": self.clip_codec,
            "width": self.clip_width,
            "length_s": self.clip_length_s,
            "margin_s": self.clip_margin_s,
        }
        return said | {"pixelate": [self.pixelate, 1]} if self.pixelate else said


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """How a page is served."""

    serve: Flag = False
    """instead of --out: serve the page; clips are cut when they are looked at, verdicts go below --root at once"""
    host: Annotated[str, Option(metavar="ADDRESS")] = "127.0.0.1"
    """address to listen at; any but this machine's own needs --token-file, and something before it that speaks TLS"""
    port: Natural = 8765
    """port to listen at; 0: one that is free"""
    reviewer: Annotated[tuple[str, ...], Option(metavar="NAME")] = ()
    """of somebody who gets a link of his own; may be repeated (default: reviewer)"""
    token_file: Annotated[str | None, Option(metavar="FILE")] = None
    """instead of random tokens: a line `TOKEN NAME` for each reviewer, in a file that nobody else may read"""
    public_name: Annotated[tuple[str, ...], Option(metavar="HOST[:PORT]")] = ()
    """what browsers call the TLS proxy before this server; may be repeated"""
    prepare: Natural = 50
    """events whose pictures are made ahead, the first ones"""

    def __post_init__(self) -> None:
        if self.port > 65535:
            raise UsageError(f"--port must be at most 65535, got {self.port}")
        if self.token_file and self.reviewer:
            raise UsageError("--token-file names the reviewers; leave out --reviewer")


@dataclass(frozen=True)
class SourceOptions:
    """Where events come from: a nightly job, or data sets of events and scores."""

    root: str | None = None
    """Of a nightly job."""
    events: str | None = None
    """Root of an events data set."""
    scores: str | None = None
    """Root of the scores that the events were found in."""
    cameras: str | None = None
    """File of cameras, for ``events``; a nightly job keeps its own."""
    manifest: str | None = None
    """With truth, and with the places of videos."""
    videos_root: str | None = None
    """Where videos are, when they are not where the scores say."""
    store: StoreOptions = field(default_factory=StoreOptions)

    def __post_init__(self) -> None:
        if bool(self.root) == bool(self.events or self.scores):
            raise UsageError("say what is to be reviewed: --root of a nightly job, or --events with --scores")
        if not self.root and not (self.events and self.scores):
            raise UsageError("--events and --scores go together: the page shows the scores around an event")
        if self.root and self.cameras:
            raise UsageError("--cameras goes with --events; a nightly job keeps its own file of cameras")


@dataclass(frozen=True)
class ReviewOptions:
    """What a page is made of; ``wsvad review --help`` explains the same options."""

    source: SourceOptions
    choice: ChoiceOptions = field(default_factory=ChoiceOptions)
    media: MediaOptions = field(default_factory=MediaOptions)
    title: str | None = None
    limits: Limits = field(default_factory=Limits)
