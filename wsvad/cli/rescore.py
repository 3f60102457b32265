"""``wsvad rescore``."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from rich.console import Console

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
from wsvad.options import Flag, Option, PositiveInt, Uri, group
from wsvad.review.config import ChoiceOptions, ReviewOptions, SourceOptions
from wsvad.storage import StoreOptions, open_store

if TYPE_CHECKING:
    from wsvad.nightly.options import RescoreOptions
    from wsvad.work.summary import Summary


@dataclass(frozen=True, kw_only=True)
class ArchiveOptions:
    """How the archive is read."""

    weights: WeightsName | None = None
    """the backbone's; not needed where they come with the package, or are an untrained network's"""
    flow_weights: WeightsName | None = None
    """likewise, of the second of two streams"""
    identity: Identity = "stat"
    """what tells videos apart, as for extract"""
    follow_links: Flag = False
    """also list links that lead out of the folder"""
    reading: Annotated[ReadingOptions, Option(name="*")] = field(default_factory=ReadingOptions)
    retry_quarantined: Flag = False
    """try again what earlier nights set aside"""


@dataclass(frozen=True, kw_only=True)
class TellOptions:
    """Who is told how it ended."""

    tolerate_quarantine: Flag = False
    """exit 0 where footage failed, is short or in doubt: it is in the summary, the metrics and what is published"""
    textfile: Annotated[str | None, Option(metavar="FILE.prom")] = None
    """file that node_exporter's textfile collector reads"""
    push: Annotated[str | None, Option(metavar="URL")] = None
    """push gateway that gets the same figures"""


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """An archive of video in; scores and events, up to date, out."""

    archive: Uri | None = None
    """file, folder, prefix, or manifest of video"""
    root: Uri | None = None
    """folder of everything that comes of it, local or s3://"""
    checkpoint: Uri | None = None
    """of the model, on the first night; later nights go on with the champion"""
    candidate: Annotated[tuple[str, ...], Option(metavar="URI")] = ()
    """a checkpoint to score beside the champion from now on, for `wsvad promote`; may be repeated"""
    cameras: Annotated[str | None, Option(metavar="FILE")] = None
    """cameras.toml: which videos are of which camera, and when they begin; none: every folder is a camera"""
    thresholds: Annotated[tuple[str, ...], Option(metavar="FILE")] = ()
    """thresholds of a model, from `wsvad events --calibrate`; may be repeated; models without have --high and --low"""
    apply_retention: Flag = False
    """purge videos that are older than the retention_days of their camera; without this it is only said"""
    review: Uri | None = None
    """also write the night's events there as a page, as `wsvad review --out` does, which has more options"""
    review_top: Annotated[PositiveInt, Option(metavar="N")] = 200
    """events on that page, those farthest above the threshold of their camera"""
    dry_run: Flag = False
    """list the archive and say what there is to do; write nothing"""
    events: Annotated[EventSettings, group("events")] = field(default_factory=EventSettings)
    reading: Annotated[ArchiveOptions, group("reading the archive")] = field(default_factory=ArchiveOptions)
    telling: Annotated[TellOptions, group("for those on call")] = field(default_factory=TellOptions)
    decoder: Annotated[DecoderOptions, group("decoder")] = field(default_factory=DecoderOptions)
    cluster: OnCluster = field(default_factory=Cluster)
    store: Stored = field(default_factory=StoreOptions)


def run(options: Options) -> int:
    """Bring the archive up to date, show the summary, return the exit code."""
    asked, console = options_from(options), Console(stderr=True)
    page = None
    if options.review and not options.dry_run:
        from wsvad.review.folder import check_folder

        page = ReviewOptions(
            SourceOptions(root=options.root, store=options.store),
            ChoiceOptions(top=options.review_top),
            limits=options.decoder.limits,
        )
        check_folder(open_store(options.review, options.store), page)  # before the night, which may take hours
    from wsvad.nightly.job import rescore  # seconds, because of PyTorch

    summary = rescore(asked, console)
    if page is None or options.review is None:
        _print(options, [summary])
        return summary.exit_code
    from wsvad.review.folder import write_review

    try:
        written = write_review(page, options.review, console)
    except WsvadError:
        _print(options, [summary])  # the night itself is done
        raise
    _print(options, [summary, written])
    tolerated = options.telling.tolerate_quarantine and written.exit_code == EXIT_QUARANTINE
    return summary.exit_code or (EXIT_OK if tolerated else written.exit_code)


def _print(options: Options, summaries: "Sequence[Summary]") -> None:
    """Print the summary of the night, and that of the page where there is one; of both one JSON object."""
    night, *page = summaries
    if options.json:
        told = json.loads(night.to_json())
        if page:
            told["review"] = json.loads(page[0].to_json())
        sys.stdout.write(json.dumps(told, indent=1) + "\n")
        return
    for summary in summaries:
        summary.show(Console())


def options_from(options: Options) -> "RescoreOptions":
    """Resolve what was given. Raises ``UsageError``."""
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
