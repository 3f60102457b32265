"""``wsvad rescore``."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from rich.console import Console

from wsvad.cli.ending import finish
from wsvad.cli.options import (
    Cluster,
    Configured,
    DecoderOptions,
    OnCluster,
    ReadingOptions,
    Stored,
    WeightsName,
    require,
)
from wsvad.errors import EXIT_OK, EXIT_QUARANTINE, WsvadError
from wsvad.events.config import EventSettings
from wsvad.manifest.names import Identity
from wsvad.notebook import NotebookView
from wsvad.options import Flag, Option, PositiveInt, Uri, group
from wsvad.review.config import ChoiceOptions, ReviewOptions, SourceOptions
from wsvad.storage import StoreOptions, open_store

if TYPE_CHECKING:
    from wsvad.nightly.options import RescoreOptions
    from wsvad.nightly.summary import RescoreSummary
    from wsvad.review.folder import ReviewSummary


@dataclass(frozen=True, kw_only=True)
class ArchiveOptions:
    """How to read the archive."""

    weights: WeightsName | None = None
    """weights of the backbone; not needed if they are part of the package, or for an untrained network"""
    flow_weights: WeightsName | None = None
    """weights of the flow stream of a two-stream backbone"""
    identity: Identity = "stat"
    """how to detect changed content, as for extract"""
    follow_links: Flag = False
    """follow links that lead out of the folder"""
    reading: Annotated[ReadingOptions, Option(name="*")] = field(default_factory=ReadingOptions)
    retry_quarantined: Flag = False
    """retry videos that earlier nights quarantined"""


@dataclass(frozen=True, kw_only=True)
class TellOptions:
    """Exit code and metrics for monitoring."""

    tolerate_quarantine: Flag = False
    """exit with 0 despite failed, short or doubtful footage; it is still in the summary, metrics and published data"""
    textfile: Annotated[str | None, Option(metavar="FILE.prom")] = None
    """file for node_exporter's textfile collector"""
    push: Annotated[str | None, Option(metavar="URL")] = None
    """URL of a Pushgateway for the same metrics"""


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Bring scores and events of a video archive up to date."""

    archive: Uri | None = None
    """file, folder, prefix, or manifest of videos"""
    root: Uri | None = None
    """root folder for all results, local or s3://"""
    checkpoint: Uri | None = None
    """checkpoint of the model for the first night; later nights use the champion"""
    candidate: Annotated[tuple[str, ...], Option(metavar="URI")] = ()
    """checkpoint to score in addition to the champion in this and later nights, for `wsvad promote`; can be repeated"""
    cameras: Annotated[str | None, Option(metavar="FILE")] = None
    """cameras.toml, which assigns videos to cameras and start times (default: every folder is a camera)"""
    thresholds: Annotated[tuple[str, ...], Option(metavar="FILE")] = ()
    """thresholds of a model, from `wsvad events --calibrate`; can be repeated; other models use --high and --low"""
    apply_retention: Flag = False
    """purge videos older than the retention_days of their camera; without it, they are only counted"""
    review: Uri | None = None
    """folder for a review page of the night; `wsvad review --out` has more options"""
    review_top: Annotated[PositiveInt, Option(metavar="N")] = 200
    """number of events on that page, those with the highest scores above their camera's threshold"""
    dry_run: Flag = False
    """list the archive and show the pending work, but write nothing"""
    events: Annotated[EventSettings, group("events")] = field(default_factory=EventSettings)
    reading: Annotated[ArchiveOptions, group("reading the archive")] = field(default_factory=ArchiveOptions)
    telling: Annotated[TellOptions, group("monitoring")] = field(default_factory=TellOptions)
    decoder: Annotated[DecoderOptions, group("decoder")] = field(default_factory=DecoderOptions)
    cluster: OnCluster = field(default_factory=Cluster)
    store: Stored = field(default_factory=StoreOptions)


@dataclass(frozen=True)
class NightSummary(NotebookView):
    """The summary of a night and of the review page that it wrote."""

    night: "RescoreSummary"
    page: "ReviewSummary"
    tolerate_quarantine: bool

    @property
    def exit_code(self) -> int:
        """The night's; where that is 0, the page's."""
        tolerated = self.tolerate_quarantine and self.page.exit_code == EXIT_QUARANTINE
        return int(self.night.exit_code) or (EXIT_OK if tolerated else int(self.page.exit_code))

    def to_json(self) -> str:
        """Return the night's summary as one JSON object, with the page's under ``review``."""
        return json.dumps({**self.night.to_dict(), "review": self.page.to_dict()}, indent=1)

    def show(self, console: Console) -> None:
        """Print both."""
        self.night.show(console)
        self.page.show(console)


def perform(
    options: Options, console: Console, on_night: "Callable[[RescoreSummary], object]" = lambda summary: None
) -> "RescoreSummary | NightSummary":
    """Bring the archive up to date, write the review page where one is asked for, and return the summary.

    Args:
        options: of the verb.
        console: gets progress.
        on_night: called with the summary of a night whose page could not be written; the error follows.
    """
    asked = options_from(options)
    page = None
    if options.review and not options.dry_run:
        from wsvad.review.folder import check_folder

        page = ReviewOptions(
            SourceOptions(root=options.root, store=options.store),
            ChoiceOptions(top=options.review_top),
            limits=options.decoder.limits,
        )
        check_folder(open_store(options.review, options.store), page)  # checked first, as a night may take hours
    from wsvad.nightly.job import rescore  # imported here: PyTorch takes seconds

    summary = rescore(asked, console)
    if page is None or options.review is None:
        return summary
    from wsvad.review.folder import write_review

    try:
        written = write_review(page, options.review, console)
    except WsvadError:
        on_night(summary)  # the night itself succeeded
        raise
    return NightSummary(summary, written, options.telling.tolerate_quarantine)


def run(options: Options) -> int:
    """Bring the archive up to date, show the summary, return the exit code."""
    summary = perform(options, Console(stderr=True), on_night=lambda night: finish(night, options))
    return finish(summary, options)


def options_from(options: Options) -> "RescoreOptions":
    """Resolve the options. Raises ``UsageError``."""
    archive, root = require(options, "archive", "root")
    from wsvad.nightly.options import RescoreOptions

    reading, telling, cluster = options.reading, options.telling, options.cluster
    return RescoreOptions(
        archive=archive,
        root=root,
        checkpoint=options.checkpoint,
        candidates=options.candidate,
        cameras=options.cameras,
        settings=options.events,
        thresholds=options.thresholds,
        weights=reading.weights,
        flow_weights=reading.flow_weights,
        identity=reading.identity,
        follow_links=reading.follow_links,
        reading=reading.reading.reading,
        min_coverage=reading.reading.min_coverage,
        retry_quarantined=reading.retry_quarantined,
        tolerate_quarantine=telling.tolerate_quarantine,
        apply_retention=options.apply_retention,
        textfile=telling.textfile,
        push=telling.push,
        limits=options.decoder.limits,
        pool=cluster.pool,
        address=cluster.address,
        use_ray=cluster.ray,
        store=options.store,
        dry_run=options.dry_run,
        verbose=options.verbose,
    )
