"""Extraction from start to end: list, index, plan, run, publish."""

from __future__ import annotations

import functools
import logging
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rich.console import Console

from wsvad.cores import whole_cores
from wsvad.dataset import layout
from wsvad.dataset.publish import refuse_clashes
from wsvad.dataset.snapshots import Snapshot, claim_dataset
from wsvad.extraction.cost import FEW_VIDEOS, is_small
from wsvad.extraction.indexing import IndexCache, IndexResult, index_all
from wsvad.extraction.results import Outcome, summarize
from wsvad.extraction.source_monitor import probe_video
from wsvad.extraction.summary import ExtractSummary
from wsvad.extraction.units import longest_first, plan_units
from wsvad.extraction.worker import UnitExtractor, WorkerConfig, receipt_of
from wsvad.features.config import FeatureConfig
from wsvad.features.coverage import check_min_coverage
from wsvad.features.defaults import MIN_COVERAGE
from wsvad.manifest.listing import Listing, VideoRef, list_videos
from wsvad.manifest.names import Identity
from wsvad.storage import Store, StoreOptions
from wsvad.text import printable
from wsvad.video import Limits, ReadOptions, check_sandbox
from wsvad.weights.resolve import BackboneSource, LoadedWeights
from wsvad.work.outcome import unsettled
from wsvad.work.pool import PoolOptions
from wsvad.work.quarantine import QuarantineRecord, read_records, write_record
from wsvad.work.record import Run
from wsvad.work.run_units import run_units
from wsvad.work.session import ExecutionSession
from wsvad.work.stored import recover_stored_units
from wsvad.work.target import open_target

log = logging.getLogger(__name__)

_INDEX_CPUS = 0.5  # an indexing task mostly waits for the store
PACK_CLIPS = 64
"""Maximum clips of small units per task of a Ray worker: seconds of work, so that the overhead of 10 ms is small."""


@dataclass(frozen=True)
class ExtractOptions:
    """Options of an extraction; ``wsvad extract --help`` explains the same options."""

    videos: str
    """URI of a file, folder, prefix, or manifest (``.csv``, ``.parquet``)."""
    out: str
    """URI of the features data set."""
    features: FeatureConfig
    """Configuration that determines the features."""
    weights: BackboneSource
    """Weights identified by ``features.weights`` and ``features.flow_weights``."""
    pool: PoolOptions = field(default_factory=PoolOptions)
    store: StoreOptions = field(default_factory=StoreOptions)
    limits: Limits = field(default_factory=Limits)
    identity: Identity = "stat"
    id_prefix: str = ""
    follow_links: bool = False
    """Follow links that lead out of the listed folder."""
    address: str | None = None
    """Address of a Ray cluster; ``None``: ``RAY_ADDRESS``, else a local Ray."""
    use_ray: bool | None = None
    """``False`` extracts in this process; ``None`` does so only for small runs (``wsvad.extraction.cost``)."""
    queue_clips: int = 4
    """Maximum number of decoded clips waiting for the network."""
    max_quarantine: int = 0
    """Maximum number of quarantined units and videos, and of short or doubtful videos, for exit code 0."""
    min_coverage: float = MIN_COVERAGE
    """Minimum percentage of a video's clips; a video with fewer counts as short."""
    reading: ReadOptions = field(default_factory=ReadOptions)
    """Settings for reading all videos; columns of a manifest have precedence."""
    retry_quarantined: bool = False
    dry_run: bool = False
    verbose: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the resolved options as JSON values, without secrets. Weights are represented by their identity."""
        plain = {f: getattr(self, f) for f in self.__dataclass_fields__ if f not in ("weights", "features")}
        nested = {k: asdict(v) if hasattr(v, "__dataclass_fields__") else v for k, v in plain.items()}
        return {**nested, "features": self.features.to_dict(), "fingerprint": self.features.fingerprint}


def extract(options: ExtractOptions, console: Console | None = None, listing: Listing | None = None) -> ExtractSummary:
    """Extract features of every video into the data set at ``options.out``; idempotent and safe to interrupt.

    Args:
        options: Options of the extraction.
        console: Console for the progress display.
        listing: Listing of ``options.videos`` if the caller already has it; it determines the videos.

    Returns:
        Summary of the run; ``exit_code`` is the exit code of the command.

    Raises:
        UsageError, ManifestError: Before any work.
        ConflictError: The data set has another configuration, or other videos under the same ids.
        StorageError, ClusterError: Run the same command again.
    """
    run = Run()
    check_min_coverage(options.min_coverage)
    check_sandbox(options.limits)
    session = ExecutionSession(
        options.pool,
        options.weights.load,
        options.address,
        use_ray=options.use_ray,
        action="extracts",
        verbose=options.verbose,
    )
    if options.weights.banner:
        log.warning("%s", options.weights.banner)
    out = open_target(options.out, options.store, options.features, dry_run=options.dry_run)
    if listing is None:
        listing = list_videos(
            options.videos,
            identity=options.identity,
            id_prefix=options.id_prefix,
            options=replace(options.store, follow_links=options.follow_links),
            output_prefixes=layout.uris(out.uri),
            reading=options.reading,
        )
    log.info("%d videos listed, %d other files skipped", len(listing.videos), len(listing.skipped))
    with session:
        outcome = _plan(options, out, listing, session, run)
        if outcome.todo:
            session.choose_backend(*is_small(outcome.todo, options.features))
        ran = session.summary_fields(bool(outcome.todo))
        if options.dry_run:
            outcome.records |= _evidence(outcome)
            return replace(_summary(options, outcome, None, run), **ran)
        if outcome.todo:
            session.open()
        claim_dataset(out, options.features)
        if outcome.todo:
            _extract(options, out, outcome, session, run, console or Console(stderr=True))
            left = unsettled(outcome.todo, outcome.receipts)
            outcome.receipts |= recover_stored_units(out, left, run.newest(out), receipt_of, repair=False)
    snapshot = _publish(out, options, outcome, run)
    summary = replace(_summary(options, outcome, snapshot, run), **ran)
    if outcome.todo or snapshot.run_id == run.run_id:
        inputs = {"listing_sha256": listing.digest, "skipped": outcome.skipped_rows()}
        run.write_record(out, {**options.to_dict(), **inputs}, summary)
    return summary


def _plan(
    options: ExtractOptions, out: Store, listing: Listing, session: ExecutionSession[LoadedWeights], run: Run
) -> Outcome:
    """Index new videos, cut all videos into units, and determine which units must be extracted."""
    base = run.newest(out)
    indexed = _index(options, out, listing, session)
    if base:
        refuse_clashes(out, base.of(v.video_id for v in listing.videos), (_identity(v) for v in listing.videos))
    units = longest_first(u for i in indexed if i.index for u in plan_units(i.video, i.index, options.features))
    outcome = Outcome(listing, indexed, units, options.features)
    outcome.receipts = recover_stored_units(out, units, base, receipt_of, repair=not options.dry_run)
    set_aside = {layout.id_of(info.key) for info in out.list(layout.QUARANTINE)}
    if options.retry_quarantined:
        ours = {u.unit_id for u in units} | {_whole_video(v, options.features) for v in listing.videos}
        for uid in set_aside & ours if not options.dry_run else ():
            out.delete(layout.quarantine_key(uid))
        set_aside -= ours
    outcome.set_aside = frozenset(set_aside)
    # a stored unit counts as done, even if another run quarantined it
    planned = {u.unit_id for u in units} - outcome.receipts.keys()
    outcome.records = read_records(out, set_aside & planned, repair=not options.dry_run)
    outcome.set_aside -= (set_aside & planned) - outcome.records.keys()  # a damaged record is no evidence
    left = planned - outcome.records.keys()
    outcome.todo = [u for u in units if u.unit_id in left]
    return outcome


def _index(
    options: ExtractOptions, out: Store, listing: Listing, session: ExecutionSession[LoadedWeights]
) -> list[IndexResult]:
    cache = IndexCache(out, writable=not options.dry_run, retry_bad=options.retry_quarantined)
    known = cache.load(listing.videos)
    new = len(listing.videos) - len(known)
    if new > FEW_VIDEOS:
        session.choose_backend(False, f"large run: {new} new videos, limit {FEW_VIDEOS}")
    if new and session.backend and not options.dry_run:
        session.open()  # detect a cluster that is too small before hours of indexing
    last_line = time.monotonic()

    def on_progress(done: int, total: int) -> None:
        nonlocal last_line
        if time.monotonic() - last_line > 10:
            last_line = time.monotonic()
            log.info("indexed %d of %d new videos", done, total)

    threads = 2 * whole_cores()
    return index_all(
        listing.videos,
        known,
        cache,
        options.store,
        threads=threads,
        limits=options.limits,
        on_progress=on_progress,
        on_cluster=functools.partial(session.map_on_cluster, cpus_per_task=_INDEX_CPUS),
    )


def _identity(video: VideoRef) -> dict[str, Any]:
    """Return what distinguishes a video from another one with the same id, as in its row."""
    return {"video_id": video.video_id, "uri": printable(video.uri), "content_id": video.content_id}


def _whole_video(video: VideoRef, features: FeatureConfig) -> str:
    """Return the id of the quarantine record of a video without units, because it cannot be indexed."""
    return layout.unit_id(video.content_id, -1, -1, features.fingerprint)


def _extract(
    options: ExtractOptions,
    out: Store,
    outcome: Outcome,
    session: ExecutionSession[LoadedWeights],
    run: Run,
    console: Console,
) -> None:
    pool = session.open()
    config = WorkerConfig(
        options.features,
        out.uri,
        device=pool.device,
        threads=pool.threads,
        limits=options.limits,
        queue_clips=options.queue_clips,
        video_store=options.store,
        out_store=out.options,
    )
    view = run_units(
        outcome.todo,
        session.runner(UnitExtractor, config, pack_clips=PACK_CLIPS),
        outcome.receipts,
        session,
        out,
        probe_input=lambda unit: probe_video(unit.video, options.store),
        publish=lambda: _publish(out, options, outcome, run),
        console=console,
        activity="extracting",
    )
    outcome.first_clip_s, outcome.steady_s = view.first_clip_s, view.steady_s


def _evidence(outcome: Outcome) -> dict[str, QuarantineRecord]:
    """Return the quarantine records found by this run and in the index, by unit id."""
    found: list[QuarantineRecord] = []
    for result in outcome.indexed:
        if result.kind:
            uid = _whole_video(result.video, outcome.features)
            found.append(QuarantineRecord.of(uid, result.video, None, result.kind, result.message))
    for unit in outcome.todo:
        receipt = outcome.receipts.get(unit.unit_id)
        if receipt and receipt.status == "quarantined":
            span = (unit.first_clip, unit.last_clip)
            found.append(QuarantineRecord.of(unit.unit_id, unit.video, span, receipt.kind, receipt.message))
    return {record.unit_id: record for record in found}


def _summary(options: ExtractOptions, outcome: Outcome, snapshot: Snapshot | None, run: Run) -> ExtractSummary:
    return summarize(
        outcome,
        snapshot,
        out=options.out,
        weights=options.weights,
        dry_run=options.dry_run,
        max_quarantine=options.max_quarantine,
        min_coverage=options.min_coverage,
        elapsed_s=run.elapsed_s,
    )


def _publish(out: Store, options: ExtractOptions, outcome: Outcome, run: Run) -> Snapshot:
    """Store new quarantine records, and publish a snapshot of all finished units."""
    new = _evidence(outcome)
    for uid in new.keys() - outcome.set_aside:
        write_record(out, new[uid])
    outcome.set_aside |= new.keys()
    outcome.records |= new
    known = {i.video.video_id for i in outcome.indexed if not i.unreachable}
    return run.publish(out, options.features, outcome.objects, outcome.video_rows(), known)
