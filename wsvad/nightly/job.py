"""The nightly run: list, extract missing features, score, find events, compare, publish, export metrics."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from wsvad.cameras.placing import RecordedVideo, place_all
from wsvad.checkpoint import Checkpoint
from wsvad.dataset.layout import snapshot_key
from wsvad.dataset.snapshots import read_snapshot
from wsvad.errors import EXIT_QUARANTINE, ObjectNotFound, UsageError, WsvadError
from wsvad.nightly.coverage import COUNTS, PROBLEMS, Coverage, compute_coverage
from wsvad.nightly.drift import find_drift
from wsvad.nightly.drift_results import Drift
from wsvad.nightly.events import compare_nights, make_events
from wsvad.nightly.exposition import check_gateway, check_textfile
from wsvad.nightly.layout import CURRENT, DRIVERS
from wsvad.nightly.metrics import export_failure, export_metrics
from wsvad.nightly.models import load_pinned_model, pin_model
from wsvad.nightly.night import Night, begin
from wsvad.nightly.operating_points import operating_points
from wsvad.nightly.options import RescoreOptions
from wsvad.nightly.pointers import point, pointer_key
from wsvad.nightly.published import (
    Current,
    ModelSnapshots,
    SnapshotRef,
    current,
    models_to_json,
    refuse_foreign_root,
    same_state,
    store_input,
    store_report,
)
from wsvad.nightly.purging import PurgeOptions, purge
from wsvad.nightly.steps import StepResults, extract_and_score
from wsvad.nightly.summary import RescoreSummary
from wsvad.nightly.tombstones import read_tombstones, without_purged
from wsvad.storage import Store, open_store
from wsvad.video import check_sandbox
from wsvad.work.lease import Lease
from wsvad.work.record import Run
from wsvad.work.target import probe_target, refuse_job_working_dir

log = logging.getLogger(__name__)


def rescore(options: RescoreOptions, console: Console | None = None) -> RescoreSummary:
    """Bring the scores and events of an archive up to date; idempotent, can be killed and started twice at once.

    Args:
        options: the archive, the root of the nightly job, the models.
        console: console for progress output.

    Raises:
        UsageError, ManifestError: raised before any work; an empty archive changes nothing.
        ConflictError: another run is in progress or published meanwhile, or ``checkpoint`` is not the champion.
        VideoError: no clip of the archive could be extracted.
        DamagedError, StorageError, ClusterError: nothing was published; run the same command again.
    """
    _check(options)
    try:
        summary = _run(options, console)
    except WsvadError as error:
        if not options.dry_run:
            export_failure(options, error.exit_code)
        raise
    if not options.dry_run:
        export_metrics(options, summary)
    return summary


def _run(options: RescoreOptions, console: Console | None) -> RescoreSummary:
    run = Run()
    night = begin(options)
    base = current(night.root)
    if base is None:
        refuse_foreign_root(night.root)
    if _is_up_to_date(night, base):
        assert base is not None
        summary = _unchanged_summary(night, base, run)
    elif options.dry_run:
        return _dry_run_summary(night, base, run)
    else:
        summary = _run_locked(night, run, console)
    return _apply_retention(night, summary, console)


def _apply_retention(night: Night, summary: RescoreSummary, console: Console | None) -> RescoreSummary:
    """Purge videos older than the retention of their camera, or only count them."""
    options = night.options
    if not night.cameras.sets("retention_days"):
        return summary
    apply = options.apply_retention and not options.dry_run
    request = PurgeOptions(options.root, retention=True, apply=apply, store=options.store)
    try:
        done = purge(request, console)
    except UsageError as error:  # too many videos at once
        log.error("retention was not applied: %s", error)
        return replace(summary, retention=str(error))
    if done.pointer:  # the pointer published before names deleted objects
        summary = replace(summary, pointer=done.pointer, published=True, nothing_to_do=False)
    return replace(summary, expired=done.videos, retention="applied" if apply else "asked")


def _check(options: RescoreOptions) -> None:
    refuse_job_working_dir(options.root)
    check_sandbox(options.limits)
    if options.textfile:
        check_textfile(options.textfile)
    if options.push:
        check_gateway(options.push)


def _is_up_to_date(night: Night, base: Current | None) -> bool:
    """Whether the newest published night has the same inputs, is complete, and all its snapshots exist."""
    if base is None or not base.settled or night.options.retry_quarantined:
        return False
    if base.archive != night.options.archive or base.inputs != night.inputs(base):
        return False
    parts = [at for model in base.models.values() for at in (model.features, model.scores, model.events)]
    try:
        for at in parts:
            night.root.stat(f"{at.prefix}/{snapshot_key(at.snapshot)}")
    except ObjectNotFound as error:
        log.warning("%s; the night is computed again", error)
        return False
    return base.reported(night.root) == base.champion


def _run_locked(night: Night, run: Run, console: Console | None) -> RescoreSummary:
    """Compute and publish the night while holding the lease of the root."""
    root = probe_target(night.root)
    with Lease(root, DRIVERS, "an archive") as lease:
        listing, purged = without_purged(night.listing, read_tombstones(root))  # a purge may have run since the listing
        night = replace(night, listing=listing, purged=(*night.purged, *purged))
        base = current(root)
        models = _models(night, root, base)
        made = extract_and_score(night.options, root, night.listing, models, console or Console(stderr=True))
        lease.check()
        events = make_events(night.options, root, made.scores, console or Console(stderr=True))
        return _publish(night, root, base, made, events, lease, run)


def _models(night: Night, root: Store, base: Current | None) -> dict[str, Checkpoint]:
    """Return the night's models by digest, the champion first; new models are copied below the root."""
    given = {c.digest: c for c in (night.requested, *night.candidates) if c is not None}
    champion = night.champion(base)
    found = {}
    for digest in sorted(night.digests(base), key=lambda digest: (digest != champion, digest)):
        if digest in given:
            pin_model(root, given[digest])
        found[digest] = given.get(digest) or load_pinned_model(root, digest)
    return found


def _publish(
    night: Night,
    root: Store,
    base: Current | None,
    made: StepResults,
    events: Mapping[str, SnapshotRef],
    lease: Lease,
    run: Run,
) -> RescoreSummary:
    champion = night.champion(base)
    models = {digest: ModelSnapshots(made.features[digest], made.scores[digest], at) for digest, at in events.items()}
    coverage = _coverage(night, root, models[champion])
    reported = base.reported(root) if base else None
    before = base.models.get(reported or base.champion, base.shown).events if base else None
    changes = compare_nights(root, before, models[champion].events)
    drift = find_drift(root, night.cameras, champion, models[champion], base)
    settled = not coverage.total("waiting") and not any(code != EXIT_QUARANTINE for code in made.codes)
    body = {
        "archive": night.options.archive,
        "champion": champion,
        "models": models_to_json(models),
        "settings": night.options.settings.to_dict(),
        "cameras": store_input(root, night.options.cameras, night.options.store) if night.options.cameras else None,
        "thresholds": [store_input(root, uri, night.options.store) for uri in night.options.thresholds],
        "inputs": night.inputs(base),
        "settled": settled,
    }
    banner = next((s.banner for s in made.scorings if s.banner), "")
    published = base is None or reported != champion or not same_state(body, base.pointer.body)
    if published:
        found = {
            "champion": champion,
            "coverage": coverage.to_dict(),
            "changes": changes.to_list(),
            "events": changes.events,
            "drift": drift.to_dict(),
            "codes": list(made.codes),
            "banner": banner,
        }
        body |= {"night": store_report(root, found), "run_id": run.run_id}
        body["created_utc"] = datetime.now(UTC).isoformat(timespec="seconds")
        lease.check()
        number = point(root, CURRENT, base.pointer if base else None, body).number
    else:
        assert base is not None
        number = base.number
    return _summary(
        night, coverage, champion, len(models), run,
        pointer=pointer_key(CURRENT, number), published=published, events=changes.events,
        changes=dict(changes.counts),
        drift=drift.to_summary(),
        banner=banner,
        clips_now=sum(s.clips_now for s in made.extractions),
        scored_now=sum(s.clips_now for s in made.scorings),
        decode_s=round(sum(s.decode_wait_s for s in made.extractions), 3),
        model_s=round(made.model_s, 3),
        ran=made.ran,
        codes=made.codes,
    )  # fmt: skip


def _coverage(night: Night, root: Store, shown: ModelSnapshots | None) -> Coverage:
    """Compare the listing with the features and scores of the champion."""
    features, scores = ({}, {}) if shown is None else (_rows(root, at) for at in (shown.features, shown.scores))
    recorded = {video.video_id: RecordedVideo(video.video_id, video.uri) for video in night.listing.videos}
    recorded |= {lost.video_id: RecordedVideo(lost.video_id, lost.uri) for lost in night.listing.unreachable}
    for video_id, row in features.items():
        recorded[video_id] = RecordedVideo(video_id, str(row["uri"] or ""), row["duration_s"])
    purged = [RecordedVideo(video_id, uri) for video_id, uri in night.purged]
    placed = place_all([*recorded.values(), *purged], night.cameras)
    ids = [video_id for video_id, _ in night.purged]
    return compute_coverage(night.listing, features, scores, lambda video_id: placed[video_id].camera, ids)


def _rows(root: Store, at: SnapshotRef) -> dict[str, dict[str, Any]]:
    """Return the rows of the videos table of a data set by video id."""
    store = open_store(f"{root.uri}/{at.prefix}", root.options)
    return {row["video_id"]: row for row in read_snapshot(store, snapshot_key(at.snapshot)).videos}


def _unchanged_summary(night: Night, base: Current, run: Run) -> RescoreSummary:
    """Return the summary of the night that is already published."""
    report = base.report(night.root)
    return _summary(
        night, Coverage.from_dict(report["coverage"]), base.champion, len(base.models), run,
        pointer=pointer_key(CURRENT, base.number), events=report["events"], changes={"kept": report["events"]},
        banner=report["banner"], codes=tuple(report["codes"]), nothing_to_do=True, dry_run=night.options.dry_run,
        drift=Drift.from_report(report, base.champion).to_summary(),
    )  # fmt: skip


def _dry_run_summary(night: Night, base: Current | None, run: Run) -> RescoreSummary:
    """Return the summary of a dry run, from what is published; write nothing."""
    coverage = _coverage(night, night.root, base.shown if base else None)
    pointer = pointer_key(CURRENT, base.number) if base else None
    return _summary(
        night, coverage, night.champion(base), len(night.digests(base)), run, pointer=pointer, dry_run=True
    )  # fmt: skip


def _summary(
    night: Night, coverage: Coverage, champion: str, models: int, run: Run, **more: Any
) -> RescoreSummary:  # fmt: skip
    waiting = {video.video_id for video in coverage.unscored if video.state == "waiting"}
    since = [v.info.mtime_ns / 1e9 for v in night.listing.videos if v.video_id in waiting]
    problems = [
        {"video_id": v.video_id, "outcome": v.state, "kind": v.kind, "message": v.message} for v in coverage.unscored
    ]
    counts: dict[str, Any] = {name: int(coverage.total(name)) for name in COUNTS}
    return RescoreSummary(
        archive=night.options.archive,
        root=night.root.uri,
        champion=champion,
        models=models,
        cameras=len(coverage.cameras),
        footage_s=round(coverage.total("footage_s"), 3),
        missing_s=round(coverage.total("missing_s"), 3),
        unknown_length=int(coverage.total("unknown_length")),
        cameras_file=night.options.cameras,
        thresholds=operating_points(night, champion, [camera.camera for camera in coverage.cameras]),
        lag_s=round(max(0.0, time.time() - min(since)), 1) if since else 0.0,
        elapsed_s=round(run.elapsed_s, 3),
        tolerate_quarantine=night.options.tolerate_quarantine,
        problems=problems[:PROBLEMS],
        **counts,
        **more,
    )
