"""``wsvad review``."""

import sys
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from rich.console import Console

from wsvad.cli.options import Configured, DecoderOptions, Stored, require
from wsvad.errors import UsageError
from wsvad.options import Option, Uri, group
from wsvad.review.config import ChoiceOptions, MediaOptions, ReviewOptions, ServeOptions, SourceOptions
from wsvad.storage import StoreOptions, open_store

if TYPE_CHECKING:
    from wsvad.work.summary import Summary


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Events with their pictures, in the order in which they are worth looking at, as a page."""

    root: Uri | None = None
    """of the nightly job, from rescore: the newest night is shown"""
    events: Uri | None = None
    """instead of --root: an events data set, the --out of events"""
    scores: Uri | None = None
    """with --events: the scores that they were found in"""
    cameras: Annotated[str | None, Option(metavar="FILE")] = None
    """with --events: cameras.toml, for purpose and thresholds of each camera"""
    manifest: Uri | None = None
    """manifest with the truth and the places of videos"""
    videos_root: Uri | None = None
    """where the videos are, when they are not where the scores say"""
    out: Uri | None = None
    """folder for a page that works from disk, local or s3://"""
    case: Annotated[tuple[str, ...], Option(metavar="ID|FILE.json")] = ()
    """with --zip: an event of the case, or a list of events that the page saved (.json); may be repeated"""
    zip: Annotated[str | None, Option(metavar="FILE.zip")] = None
    """instead of --out: hand these events on as one file with a page of its own; with --out pictures of that page are
    used"""
    title: Annotated[str | None, Option(metavar="TEXT")] = None
    """of the page"""
    serving: Annotated[ServeOptions, group("serving")] = field(default_factory=ServeOptions)
    choice: Annotated[ChoiceOptions, group("which events")] = field(default_factory=ChoiceOptions)
    media: Annotated[MediaOptions, group("pictures")] = field(default_factory=MediaOptions)
    decoder: Annotated[DecoderOptions, group("decoder")] = field(default_factory=DecoderOptions)
    store: Stored = field(default_factory=StoreOptions)

    def resolved(self) -> ReviewOptions:
        """Return what is reviewed and how. Raises ``UsageError``."""
        source = SourceOptions(
            self.root, self.events, self.scores, self.cameras, self.manifest, self.videos_root, self.store
        )
        return ReviewOptions(source, self.choice, self.media, self.title, self.decoder.limits)


def run(options: Options) -> int:
    """Write the page, show the summary, return the exit code."""
    asked = options.resolved()
    if options.serving.serve:
        return _serve(asked, options)
    summary = _case(asked, options) if options.zip or options.case else _page(asked, options)
    if options.json:
        sys.stdout.write(summary.to_json() + "\n")
    else:
        summary.show(Console())
    return int(summary.exit_code)


def _serve(asked: ReviewOptions, options: Options) -> int:
    """Serve until a signal comes."""
    if options.out or options.zip or options.case:
        raise UsageError("--serve shows the page itself; leave out --out, --zip and --case")
    try:
        from wsvad.review.server import serve
    except ModuleNotFoundError as error:
        raise UsageError(f"--serve needs {error.name}: pip install 'wsvad[serve]'") from error
    return serve(asked, options.serving, as_json=options.json)


def _page(asked: ReviewOptions, options: Options) -> "Summary":
    """Write a page."""
    (out,) = require(options, "out")
    from wsvad.review.folder import write_review

    return write_review(asked, out, Console(stderr=True))


def _case(asked: ReviewOptions, options: Options) -> "Summary":
    """Write a case."""
    target, *_ = require(options, "zip", "case")
    from wsvad.review.case import write_case

    with tempfile.TemporaryDirectory() as folder:
        scratch = open_store(options.out, options.store) if options.out else open_store(folder)
        return write_case(asked, options.case, target, scratch)
