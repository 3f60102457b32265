"""``wsvad import-features`` from start to end: list, match, check, convert, publish."""

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
from wsvad.importing.files import FeatureFiles, check_crops, find_videos
from wsvad.importing.lengths import advise
from wsvad.importing.naming import Axes, Layout, Mismatch, Naming
from wsvad.importing.plan import (
    ImportUnit,
    PlannedVideo,
    match_manifest,
    open_sources,
    plan_units,
    plan_videos,
    raise_faults,
)
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
"""Maximum number of problems in a summary; the run record has all."""
THREADS = 4
"""Units converted at the same time; each holds its values as stored and as written."""


@dataclass(frozen=True)
class ImportOptions:
    """Options of an import, the same as those of ``wsvad import-features``."""

    files: str
    """URI of a feature file, folder or prefix."""
    out: str
    """URI of the features data set."""
    source: str
    """Description of the program that computed the features; part of the fingerprint."""
    manifest: str | None = None
    """URI of a manifest with ids and, if known, numbers of frames."""
    layout: Layout | None = None
    axes: Axes | None = None
    clips: ClipSpec = field(default_factory=ClipSpec)
    """Frames of each clip; ignored for features of segments."""
    fps: float = 25.0
    """Frames per second for the times in the table; frame numbers do not depend on it."""
    naming: Naming = field(default_factory=Naming)
    follow_links: bool = False
    """Follow symbolic links that lead out of the listed folder."""
    allow_unmatched: bool = False
    """Leave out files whose ids are not in the manifest instead of raising an error."""
    mismatch: Mismatch = "refuse"
    """What to do if numbers of clips do not match the manifest: import no videos (``refuse``), leave out the
    mismatched ones (``skip``), or import them unchanged (``keep``)."""
    max_quarantine: int = 0
    """Maximum number of mismatched videos and unusable file names for exit code 0."""
    store: StoreOptions = field(default_factory=StoreOptions)
    dry_run: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the resolved options as JSON values, without secrets."""
        return asdict(self)


@dataclass
class _Plan:
    """Planned videos and units, and the state of each unit."""

    config: ImportedConfig
    found: FeatureFiles
    videos: Sequence[PlannedVideo]
    units: Sequence[ImportUnit]
    unmatched: Sequence[str]
    without_features: int
    crops: tuple[int, ...] = (0,)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    todo: Sequence[ImportUnit] = ()

    @property
    def inputs(self) -> dict[str, Any]:
        """Description of the imported files, for the run record."""
        digest = hashlib.sha256("\n".join(v.content_id for v in self.videos).encode()).hexdigest()
        skipped = [{"uri": s.uri, "reason": s.reason} for s in self.found.skipped]
        details = {"unmatched": list(self.unmatched), "skipped": skipped, "problems": self.problems}
        return {"inputs_sha256": digest, "crops": list(self.crops), **details}

    @property
    def problems(self) -> list[dict[str, str]]:
        """All problems that count for the exit code."""
        files = [
            {"video_id": "", "uri": s.uri, "kind": "unusable_name", "outcome": "skipped", "message": s.reason}
            for s in self.found.unusable
        ]
        return [problem for video in self.videos for problem in [video.problem] if problem] + files


def import_features(options: ImportOptions, console: Console | None = None) -> ImportSummary:
    """Import feature files into the data set at ``options.out``. The run can be killed and repeated safely.

    The import is all or nothing: if a file is unusable, nothing is published and the error describes the file. Only
    videos whose number of clips does not match the manifest may be skipped or kept, see ``ImportOptions.mismatch``.

    Raises:
        UsageError, ManifestError: files, names or values are unusable.
        ConflictError: the target was made with another configuration, or has other videos with the same ids.
        StorageError: the store failed; run the same command again.
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
    output_prefixes = places.uris(normalize_uri(options.out))
    files = replace(options.store, follow_links=options.follow_links)
    found = find_videos(options.files, options.layout, options.naming, files, output_prefixes)
    chosen, by_id, unmatched = match_manifest(found.videos, records, allow_unmatched=options.allow_unmatched)
    log.info("%d videos with features of the layout %s", len(chosen), found.layout)
    if unmatched:
        log.warning("%d of %d videos are not in the manifest and are left out", len(unmatched), len(found.videos))
    crops = check_crops(found.store, chosen)
    if crops[0] > 0:
        log.warning("only crop %d of each video exists; the features are imported as those of one crop", crops[0])
    sources = open_sources(found, chosen, options.axes)
    _, V, D = next(iter(sources.values())).shape
    clips = None if found.layout == "segments-text" else replace(options.clips, last="pad")
    config = ImportedConfig(options.source, clips, V, D)
    videos = plan_videos(chosen, sources, by_id, clips, options.fps, options.mismatch)
    misfits = [video.misfit for video in videos if video.misfit]
    if misfits:
        action = "left out" if options.mismatch == "skip" else "imported unchanged"
        log.warning("%d of %d videos do not match the manifest and are %s. %s",
                    len(misfits), len(videos), action, advise(misfits, len(videos)))  # fmt: skip
    missing = len(by_id) - len(chosen) if records is not None else 0
    return _Plan(config, found, videos, plan_units(videos, config), unmatched, missing, crops)


def _convert(plan: _Plan, out: Store, console: Console) -> None:
    """Read, check and write all missing units; raise afterwards if any was unusable.

    Raises:
        UsageError: describes the unusable files; units of other videos stay stored for the next run.
        StorageError: the store failed; raised immediately.
    """
    faults: dict[str, str] = {}
    remaining = Counter(u.video_id for u in plan.todo)

    def convert(unit: ImportUnit) -> Receipt | str:
        if unit.video_id in faults:
            return faults[unit.video_id]
        try:
            return import_unit(unit, plan.config, plan.found.store, out)
        except UsageError as error:
            return str(error)

    with (
        ProgressView(sum(u.num_clips for u in plan.todo), remaining, dict, console, "importing") as view,
        ThreadPoolExecutor(THREADS, thread_name_prefix="import") as pool,
    ):
        running = {pool.submit(convert, unit): unit for unit in plan.todo}
        try:
            for future in as_completed(running):
                unit, result = running[future], future.result()
                if isinstance(result, str):
                    faults.setdefault(unit.video_id, result)
                    continue
                plan.receipts[unit.unit_id] = result
                view.add(unit, result)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    raise_faults([faults[video_id] for video_id in sorted(faults)])


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
