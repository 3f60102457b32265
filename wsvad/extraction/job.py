"""Extraction from start to end: list, index, plan, run, publish. Reads like the method; the parts are elsewhere."""

from __future__ import annotations

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
from wsvad.extraction.indexing import IndexCache, Indexed, index_all
from wsvad.extraction.reach import look_at
from wsvad.extraction.results import Outcome, summarize
from wsvad.extraction.summary import ExtractSummary
from wsvad.extraction.units import longest_first, plan_units
from wsvad.extraction.worker import UnitExtractor, WorkerConfig, receipt_of
from wsvad.features.config import FeatureConfig
from wsvad.features.coverage import check_min_coverage
from wsvad.features.names import MIN_COVERAGE
from wsvad.manifest.listing import Listing, VideoRef, list_videos
from wsvad.manifest.names import Identity
from wsvad.storage import Store, StoreOptions
from wsvad.text import printable
from wsvad.video import Limits, Reading
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

PACK_CLIPS = 64
"""Clips of small units that a worker of Ray is given together: seconds of work, beside which 10 ms are little."""


@dataclass(frozen=True)
class ExtractOptions:
    """What to extract, where to, and how to run it; ``wsvad extract --help`` explains the same options."""

    videos: str
    """File, folder, prefix, or manifest (``.csv``, ``.parquet``)."""
    out: str
    """Root of the features data set."""
    features: FeatureConfig
    """What decides the features."""
    weights: BackboneSource
    """The weights that ``features.weights`` and ``features.flow_weights`` name."""
    pool: PoolOptions = field(default_factory=PoolOptions)
    store: StoreOptions = field(default_factory=StoreOptions)
    limits: Limits = field(default_factory=Limits)
    identity: Identity = "stat"
    id_prefix: str = ""
    follow_links: bool = False
    """Whether links that lead out of the listed folder are followed."""
    address: str | None = None
    """Of a Ray cluster; ``None``: ``RAY_ADDRESS``, else a local Ray."""
    use_ray: bool | None = None
    """False extracts in this process; ``None``: also, where there is little to do (``wsvad.extraction.cost``)."""
    queue_clips: int = 4
    """Decoded clips that wait for the network."""
    max_quarantine: int = 0
    """Quarantined units and videos, and videos that are short or in doubt, up to which the exit code is 0."""
    min_coverage: float = MIN_COVERAGE
    """Percent of a video's clips below which it counts as short."""
    reading: Reading = field(default_factory=Reading)
    """How all videos are to be read; a manifest's columns win over it."""
    retry_quarantined: bool = False
    dry_run: bool = False
    verbose: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the resolved options as JSON values; they hold no secret. Weights are their identity."""
        plain = {f: getattr(self, f) for f in self.__dataclass_fields__ if f not in ("weights", "features")}
        nested = {k: asdict(v) if hasattr(v, "__dataclass_fields__") else v for k, v in plain.items()}
        return {**nested, "features": self.features.to_dict(), "fingerprint": self.features.fingerprint}


def extract(options: ExtractOptions, console: Console | None = None, listing: Listing | None = None) -> ExtractSummary:
    """Extract features of every video into the data set at ``options.out``; safe to kill and to run again.

    Args:
        options: what to extract, where to, how.
        console: where progress is drawn.
        listing: of ``options.videos``, by a caller who has it already; it decides which videos there are.

    Returns:
        What was found, done, set aside; ``exit_code`` says how it ended.

    Raises:
        UsageError, ManifestError: before any work.
        ConflictError: the target was made by another configuration, or holds other videos under the same ids.
        StorageError, ClusterError: run the same command again.
    """
    run = Run()
    check_min_coverage(options.min_coverage)
    workplace = ExecutionSession(
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
            ours=layout.uris(out.uri),
            reading=options.reading,
        )
    log.info("%d videos listed, %d other files skipped", len(listing.videos), len(listing.skipped))
    with workplace:
        outcome = _plan(options, out, listing, workplace, run)
        if outcome.todo:
            workplace.choose_backend(*is_small(outcome.todo, options.features))
        ran = workplace.summary_fields(bool(outcome.todo))
        if options.dry_run:
            outcome.records |= _evidence(outcome)
            return replace(_summary(options, outcome, None, run), **ran)
        if outcome.todo:
            workplace.open()
        claim_dataset(out, options.features)
        if outcome.todo:
            _extract(options, out, outcome, workplace, run, console or Console(stderr=True))
            left = unsettled(outcome.todo, outcome.receipts)
            outcome.receipts |= recover_stored_units(out, left, run.newest(out), receipt_of, repair=False)
    snapshot = _publish(out, options, outcome, run)
    summary = replace(_summary(options, outcome, snapshot, run), **ran)
    if outcome.todo or snapshot.run_id == run.run_id:
        inputs = {"listing_sha256": listing.digest, "skipped": outcome.skipped_rows()}
        run.write_record(out, {**options.to_dict(), **inputs}, summary)
    return summary


def _plan(
    options: ExtractOptions, out: Store, listing: Listing, workplace: ExecutionSession[LoadedWeights], run: Run
) -> Outcome:
    """Index what is new, cut the videos into units, and find out which of them are left to do."""
    base = run.newest(out)
    indexed = _index(options, out, listing, workplace)
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
    # a unit that is stored counts as done, also where another run set it aside
    planned = {u.unit_id for u in units} - outcome.receipts.keys()
    outcome.records = read_records(out, set_aside & planned, repair=not options.dry_run)
    outcome.set_aside -= (set_aside & planned) - outcome.records.keys()  # damaged: no evidence any more
    left = planned - outcome.records.keys()
    outcome.todo = [u for u in units if u.unit_id in left]
    return outcome


def _index(
    options: ExtractOptions, out: Store, listing: Listing, workplace: ExecutionSession[LoadedWeights]
) -> list[Indexed]:
    cache = IndexCache(out, writable=not options.dry_run, retry_bad=options.retry_quarantined)
    known = cache.load(listing.videos)
    new = len(listing.videos) - len(known)
    if new > FEW_VIDEOS:
        workplace.choose_backend(False, f"much to do: {new} new videos, limit {FEW_VIDEOS}")
    if new and workplace.backend and not options.dry_run:
        workplace.open()  # hours of indexing must not end in a cluster that is too small
    last_line = time.monotonic()

    def on_progress(done: int, total: int) -> None:
        nonlocal last_line
        if time.monotonic() - last_line > 10:
            last_line = time.monotonic()
            log.info("indexed %d of %d new videos", done, total)

    threads = 2 * whole_cores()
    return index_all(
        listing.videos, known, cache, options.store, threads=threads, limits=options.limits, on_progress=on_progress
    )


def _identity(video: VideoRef) -> dict[str, Any]:
    """What tells a video from another one of the same id, as its row says it."""
    return {"video_id": video.video_id, "uri": printable(video.uri), "content_id": video.content_id}


def _whole_video(video: VideoRef, features: FeatureConfig) -> str:
    """Id of the quarantine record of a video that has no units because it cannot be indexed."""
    return layout.unit_id(video.content_id, -1, -1, features.fingerprint)


def _extract(
    options: ExtractOptions,
    out: Store,
    outcome: Outcome,
    workplace: ExecutionSession[LoadedWeights],
    run: Run,
    console: Console,
) -> None:
    pool = workplace.open()
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
        workplace.runner(UnitExtractor, config, pack_clips=PACK_CLIPS),
        outcome.receipts,
        workplace,
        out,
        probe_input=lambda unit: look_at(unit.video, options.store),
        publish=lambda: _publish(out, options, outcome, run),
        console=console,
        activity="extracting",
    )
    outcome.first_clip_s, outcome.steady_s = view.first_clip_s, view.steady_s


def _evidence(outcome: Outcome) -> dict[str, QuarantineRecord]:
    """Records of what this run and the index know to be bad, by unit id."""
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
    """Keep the evidence, and publish what is settled so far; at the end that is everything."""
    new = _evidence(outcome)
    for uid in new.keys() - outcome.set_aside:
        write_record(out, new[uid])
    outcome.set_aside |= new.keys()
    outcome.records |= new
    known = {i.video.video_id for i in outcome.indexed if not i.unreachable}
    return run.publish(out, options.features, outcome.objects, outcome.video_rows(), known)
