"""Importing from start to end: list, match, check, convert, publish. Reads like the method; the parts are elsewhere."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rich.console import Console

from wsvad.clips import ClipSpec
from wsvad.dataset import layout as places
from wsvad.dataset.publish import refuse_clashes
from wsvad.dataset.snapshots import Snapshot, claim_dataset
from wsvad.errors import UsageError
from wsvad.features.imported import ImportedConfig
from wsvad.importing.files import Found, check_crops, find_videos
from wsvad.importing.lengths import advise
from wsvad.importing.naming import Axes, Layout, Mismatch, Naming
from wsvad.importing.plan import ImportUnit, PlannedVideo, matched, open_sources, plan_units, plan_videos, refuse
from wsvad.importing.summary import ImportSummary
from wsvad.importing.units import import_unit, receipt_of
from wsvad.manifest.listing import reasons
from wsvad.manifest.records import read_records
from wsvad.storage import Store, StoreOptions, normalize_uri
from wsvad.text import printable
from wsvad.work.outcome import snapshot_objects
from wsvad.work.progress import ProgressView
from wsvad.work.receipt import Receipt
from wsvad.work.record import Run
from wsvad.work.stored import recover_stored_units
from wsvad.work.target import open_target

log = logging.getLogger(__name__)

SHOWN_PROBLEMS = 20
"""Problems in a summary; the record of the run has all."""
THREADS = 4
"""Units under way at once; each holds its values as they are stored, and as they are written."""


@dataclass(frozen=True)
class ImportOptions:
    """What to import, where to; ``wsvad import-features --help`` explains the same options."""

    files: str
    """Feature file, folder or prefix."""
    out: str
    """Root of the features data set."""
    source: str
    """What made the features, in the user's words; part of the fingerprint."""
    manifest: str | None = None
    """With ids and, where known, numbers of frames."""
    layout: Layout | None = None
    axes: Axes | None = None
    clips: ClipSpec = field(default_factory=ClipSpec)
    """Which frames a clip is; of no account for features of segments."""
    fps: float = 25.0
    """Frames a second, for the times in the table; frame numbers do not depend on it."""
    naming: Naming = field(default_factory=Naming)
    follow_links: bool = False
    """Whether links that lead out of the listed folder are followed."""
    allow_unmatched: bool = False
    """Leave out files whose ids are not in the manifest, instead of refusing."""
    mismatch: Mismatch = "refuse"
    """What becomes of videos whose number of clips does not fit the manifest: none is imported, the others are, or all
    are, these as they are."""
    max_quarantine: int = 0
    """Videos that do not fit and files whose names cannot be used, up to which the exit code is 0."""
    store: StoreOptions = field(default_factory=StoreOptions)
    dry_run: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the resolved options as JSON values; they hold no secret."""
        return asdict(self)


@dataclass
class _Plan:
    """What there is to import, and what of it is done."""

    config: ImportedConfig
    found: Found
    videos: Sequence[PlannedVideo]
    units: Sequence[ImportUnit]
    unmatched: Sequence[str]
    without_features: int
    crops: tuple[int, ...] = (0,)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    todo: Sequence[ImportUnit] = ()

    @property
    def inputs(self) -> dict[str, Any]:
        """What identifies the imported files, for the record of the run."""
        digest = hashlib.sha256("\n".join(v.content_id for v in self.videos).encode()).hexdigest()
        skipped = [{"uri": s.uri, "reason": s.reason} for s in self.found.skipped]
        told = {"unmatched": list(self.unmatched), "skipped": skipped, "problems": self.problems}
        return {"inputs_sha256": digest, "crops": list(self.crops), **told}

    @property
    def problems(self) -> list[dict[str, str]]:
        """Everything that counts for the exit code."""
        files = [
            {"video_id": "", "uri": s.uri, "kind": "unusable_name", "outcome": "skipped", "message": s.reason}
            for s in self.found.unusable
        ]
        return [problem for video in self.videos for problem in [video.problem] if problem] + files


def import_features(options: ImportOptions, console: Console | None = None) -> ImportSummary:
    """Import feature files into the data set at ``options.out``; safe to kill and to run again.

    All or nothing: if a file cannot be used, nothing is published, and the error names it with what was expected. Only
    videos whose number of clips does not fit the manifest may be left out, or kept, see ``ImportOptions.mismatch``.

    Raises:
        UsageError, ManifestError: files, names or values that cannot be used.
        ConflictError: the target was made by another configuration, or holds other videos under the same ids.
        StorageError: run the same command again.
    """
    run = Run()
    plan = _plan(options)
    out = open_target(options.out, options.store, plan.config, dry_run=options.dry_run)
    base = run.newest(out)
    if base:
        refuse_clashes(out, base.of(video.video_id for video in plan.videos), _rows(plan))
    plan.receipts = recover_stored_units(out, plan.units, base, receipt_of, repair=not options.dry_run)
    plan.todo = [u for u in plan.units if u.unit_id not in plan.receipts]
    snapshot = None
    if not options.dry_run:
        claim_dataset(out, plan.config)
        if plan.todo:
            _convert(plan, out, console or Console(stderr=True))
        snapshot = _publish(plan, out, run)
    summary = _summary(options, plan, snapshot, run.elapsed_s)
    if snapshot and (plan.todo or snapshot.run_id == run.run_id):
        resolved = {**options.to_dict(), **plan.inputs, "features": plan.config.to_dict()}
        run.write_record(out, resolved, summary)
    return summary


def _plan(options: ImportOptions) -> _Plan:
    records = read_records(options.manifest, options.store) if options.manifest else None
    ours = places.uris(normalize_uri(options.out))
    files = replace(options.store, follow_links=options.follow_links)
    found = find_videos(options.files, options.layout, options.naming, files, ours)
    chosen, by_id, unmatched = matched(found.videos, records, allow_unmatched=options.allow_unmatched)
    log.info("%d videos with features of the layout %s", len(chosen), found.layout)
    if unmatched:
        log.warning("%d of %d videos are not in the manifest and are left out", len(unmatched), len(found.videos))
    crops = check_crops(found.store, chosen)
    if crops[0] > 0:
        log.warning("only crop %d of each video is there: they are imported as features of one crop", crops[0])
    sources = open_sources(found, chosen, options.axes)
    _, V, D = next(iter(sources.values())).shape
    clips = None if found.layout == "segments-text" else replace(options.clips, last="pad")
    config = ImportedConfig(options.source, clips, V, D)
    videos = plan_videos(chosen, sources, by_id, clips, options.fps, options.mismatch)
    misfits = [video.misfit for video in videos if video.misfit]
    if misfits:
        done = "left out" if options.mismatch == "skip" else "imported as they are"
        log.warning("%d of %d videos do not fit the manifest and are %s. %s",
                    len(misfits), len(videos), done, advise(misfits, len(videos)))  # fmt: skip
    absent = len(by_id) - len(chosen) if records is not None else 0
    return _Plan(config, found, videos, plan_units(videos, config), unmatched, absent, crops)


def _convert(plan: _Plan, out: Store, console: Console) -> None:
    """Read, check and write every unit that is left; afterwards refuse if any could not be used.

    Raises:
        UsageError: names the files; the units of the others stay for the next run.
        StorageError: at once, when the store failed.
    """
    faults: dict[str, str] = {}
    left = Counter(u.video_id for u in plan.todo)

    def convert(unit: ImportUnit) -> Receipt | str:
        if unit.video_id in faults:
            return faults[unit.video_id]
        try:
            return import_unit(unit, plan.config, plan.found.store, out)
        except UsageError as error:
            return str(error)

    with (
        ProgressView(sum(u.num_clips for u in plan.todo), left, dict, console, "importing") as view,
        ThreadPoolExecutor(THREADS, thread_name_prefix="import") as pool,
    ):
        running = {pool.submit(convert, unit): unit for unit in plan.todo}
        try:
            for future in as_completed(running):
                unit, answer = running[future], future.result()
                if isinstance(answer, str):
                    faults.setdefault(unit.video_id, answer)
                    continue
                plan.receipts[unit.unit_id] = answer
                view.add(unit, answer)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    refuse([faults[video_id] for video_id in sorted(faults)])


def _rows(plan: _Plan) -> list[dict[str, Any]]:
    return [video.row(plan.found.layout) for video in plan.videos]


def _publish(plan: _Plan, out: Store, run: Run) -> Snapshot:
    objects = snapshot_objects(plan.units, plan.receipts, lambda unit: unit.video.content_id)
    return run.publish(out, plan.config, objects, _rows(plan), {video.video_id for video in plan.videos})


def _summary(options: ImportOptions, plan: _Plan, snapshot: Snapshot | None, elapsed_s: float) -> ImportSummary:
    clips = sum(u.num_clips for u in plan.units)
    return ImportSummary(
        out=printable(normalize_uri(options.out)),
        snapshot=places.snapshot_key(snapshot.number) if snapshot else None,
        fingerprint=plan.config.fingerprint,
        source=plan.config.source,
        layout=plan.found.layout,
        views=plan.config.views,
        pooled_dim=plan.config.pooled_dim,
        dry_run=options.dry_run,
        crops=list(plan.crops) if plan.crops[0] > 0 else list(range(plan.config.views)),
        videos=sum(not v.skipped for v in plan.videos),
        mismatched_skipped=sum(v.skipped for v in plan.videos),
        mismatched_kept=sum(v.misfit is not None and not v.skipped for v in plan.videos),
        quarantined=len(plan.problems),
        max_quarantine=options.max_quarantine,
        problems=plan.problems[:SHOWN_PROBLEMS],
        videos_assumed_length=sum(v.assumed for v in plan.videos),
        fps=options.fps,
        unmatched=len(plan.unmatched),
        unmatched_ids=list(plan.unmatched[:SHOWN_PROBLEMS]),
        without_features=plan.without_features,
        skipped=len(plan.found.skipped),
        skipped_reasons=reasons(plan.found.skipped),
        units_done_before=len(plan.units) - len(plan.todo),
        units_to_do=len(plan.todo),
        clips=clips,
        rows=clips * plan.config.views,
        elapsed_s=round(elapsed_s, 3),
    )
