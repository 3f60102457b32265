"""``wsvad review``."""

import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from rich.console import Console

from wsvad.cli.ending import finish
from wsvad.cli.options import Configured, DecoderOptions, Stored, require
from wsvad.errors import UsageError
from wsvad.options import Option, Uri, group
from wsvad.review.config import ChoiceOptions, MediaOptions, ReviewOptions, ServeOptions, SourceOptions
from wsvad.storage import StoreOptions, open_store
from wsvad.video import check_sandbox

if TYPE_CHECKING:
    from wsvad.work.summary import Summary


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Create or serve a page with events and pictures, ordered by score above the threshold."""

    root: Uri | None = None
    """root of the nightly job, from rescore; the newest night is shown"""
    events: Uri | None = None
    """events data set, from events; instead of --root"""
    scores: Uri | None = None
    """with --events: scores data set in which the events were found"""
    cameras: Annotated[str | None, Option(metavar="FILE")] = None
    """with --events: cameras.toml with purpose and thresholds of each camera"""
    manifest: Uri | None = None
    """manifest with annotations and locations of videos"""
    videos_root: Uri | None = None
    """root of the videos, if they are not at the URIs in the scores"""
    out: Uri | None = None
    """folder for a page that can be opened from disk, local or s3://"""
    case: Annotated[tuple[str, ...], Option(metavar="ID|FILE.json")] = ()
    """with --zip: id of an event, or a list of events saved by the page (.json); can be repeated"""
    zip: Annotated[str | None, Option(metavar="FILE.zip")] = None
    """write the events of --case as one file with their own page; with --out, pictures of that page are reused"""
    title: Annotated[str | None, Option(metavar="TEXT")] = None
    """title of the page"""
    serving: Annotated[ServeOptions, group("serving")] = field(default_factory=ServeOptions)
    choice: Annotated[ChoiceOptions, group("choice of events")] = field(default_factory=ChoiceOptions)
    media: Annotated[MediaOptions, group("pictures")] = field(default_factory=MediaOptions)
    decoder: Annotated[DecoderOptions, group("decoder")] = field(default_factory=DecoderOptions)
    store: Stored = field(default_factory=StoreOptions)

    def resolved(self) -> ReviewOptions:
        """Return the options of the review. Raises ``UsageError``."""
        source = SourceOptions(
            self.root, self.events, self.scores, self.cameras, self.manifest, self.videos_root, self.store
        )
        return ReviewOptions(source, self.choice, self.media, self.title, self.decoder.limits)


def run(options: Options) -> int:
    """Create or serve the page, show the summary, return the exit code."""
    asked = options.resolved()
    if asked.media.media:
        check_sandbox(asked.limits)
    if options.serving.serve:
        return _serve(asked, options)
    summary = _case(asked, options) if options.zip or options.case else _page(asked, options)
    return finish(summary, options)


def _serve(asked: ReviewOptions, options: Options) -> int:
    """Serve until a signal arrives."""
    if options.out or options.zip or options.case:
        raise UsageError("--serve cannot be combined with --out, --zip or --case")
    try:
        from wsvad.review.server import serve
    except ModuleNotFoundError as error:
        raise UsageError(f"--serve requires {error.name}: pip install 'wsvad[serve]'") from error
    return serve(asked, options.serving, as_json=options.json)


def _page(asked: ReviewOptions, options: Options) -> "Summary":
    """Write a page."""
    (out,) = require(options, "out")
    from wsvad.review.folder import write_review

    return write_review(asked, out, Console(stderr=True))


def _case(asked: ReviewOptions, options: Options) -> "Summary":
    """Write a case file."""
    target, *_ = require(options, "zip", "case")
    from wsvad.review.case import write_case

    with tempfile.TemporaryDirectory() as folder:
        scratch = open_store(options.out, options.store) if options.out else open_store(folder)
        return write_case(asked, options.case, target, scratch)
