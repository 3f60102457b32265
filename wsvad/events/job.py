"""``wsvad events`` from start to end: assign videos to cameras and times, plan, compute, publish. Needs no cluster."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from wsvad.backbones.identity import is_untrained
from wsvad.cameras.config import Camera
from wsvad.cameras.reading import read_cameras
from wsvad.dataset import layout
from wsvad.dataset.snapshots import (
    REMEDY,
    Snapshot,
    SnapshotObject,
    claim_dataset,
    latest_snapshot,
)
from wsvad.display import Display
from wsvad.errors import DamagedError
from wsvad.events.config import EventsConfig, EventSettings
from wsvad.events.rows import make_rows
from wsvad.events.sources import Source, read_sources
from wsvad.events.summary import EventsSummary
from wsvad.events.table import Counts, decode_events, encode_events, receipt_of
from wsvad.events.text_formats import write_text_files
from wsvad.events.thresholds import load_thresholds
from wsvad.events.units import EventUnit, missing_units, plan_units
from wsvad.scores.grid import view_of
from wsvad.scores.reading import ScoreSet
from wsvad.scores.table import VideoScores
from wsvad.storage import Created, Store, StoreOptions, probe_folder
from wsvad.text import printable
from wsvad.work.receipt import Receipt
from wsvad.work.record import Run
from wsvad.work.stored import DamagedUnit, recover_stored_units
from wsvad.work.target import open_target

log = logging.getLogger(__name__)

UNTRAINED = "EVENTS OF AN UNTRAINED NETWORK'S FEATURES: use them only to test the pipeline, not for detection."
THREADS = 4
"""Tasks that run at the same time; each holds the scores of about a day of one camera."""
CHUNK = 8
"""Maximum units of a camera per task, so that an interrupted run stops soon."""


@dataclass(frozen=True)
class EventsOptions:
    """Options of event detection, the same as those of ``wsvad events``."""

    scores: str
    """URI of a scores data set."""
    out: str
    """URI of the events data set."""
    cameras: str | None = None
    """URI of the cameras file."""
    settings: EventSettings = field(default_factory=EventSettings)
    thresholds: str | None = None
    """URI of a file of calibrated thresholds, used instead of ``settings``."""
    text: str | None = None
    """URI of the folder for the events in text formats."""
    store: StoreOptions = field(default_factory=StoreOptions)
    dry_run: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the resolved options as JSON values, without secrets."""
        return asdict(self)


@dataclass
class _Plan:
    """Planned units, and the state of each."""

    scores: ScoreSet
    config: EventsConfig
    thresholds: str | None
    """Digest of the thresholds file."""
    sources: dict[str, list[Source]]
    cameras: dict[str, Camera]
    units: Sequence[EventUnit]
    banner: str = ""
    receipts: dict[str, Receipt] = field(default_factory=dict)
    counts: dict[str, Counts] = field(default_factory=dict)
    """Row counts by unit id."""
    todo: Sequence[EventUnit] = ()
    gone: Sequence[str] = ()
    """Names of published units that are no longer planned."""


def find_all_events(options: EventsOptions, console: Console | None = None) -> EventsSummary:
    """Detect events in every video of the scores snapshot. The run can be killed and repeated safely.

    Units with unchanged inputs are skipped. A run without work to do writes nothing.

    Raises:
        UsageError: options, cameras or scores that cannot be used; raised before any work is done.
        ConflictError: the target was made with another configuration.
        StorageError: the store failed; run the same command again.
        DamagedError: stored data is damaged; ``wsvad verify`` lists the damaged objects.
    """
    run = Run()
    plan = _plan(options)
    if plan.banner:
        log.warning("%s", plan.banner)
    out = open_target(options.out, options.store, plan.config, dry_run=options.dry_run)
    if options.text and not options.dry_run:
        probe_folder(options.text, options.store)
    _find_stored(plan, out, repair=not options.dry_run)
    snapshot = None
    if not options.dry_run:
        claim_dataset(out, plan.config)
        _compute(plan, out, console or Console(stderr=True))
        snapshot = _publish(plan, out, run)
        if options.text:
            write_text_files(options.text, _all_rows(plan, out), options.store)
    summary = _summary(options, plan, snapshot, run.elapsed_s)
    if snapshot and snapshot.run_id == run.run_id:
        inputs = {
            "scores_digest": plan.scores.snapshot_digest,
            "scores_snapshot": plan.scores.snapshot.number,
            "thresholds_digest": plan.thresholds,
        }
        cameras = {name: camera.to_dict() for name, camera in plan.cameras.items()}
        resolved = {**options.to_dict(), **inputs, "events": plan.config.to_dict(), "resolved_cameras": cameras}
        run.write_record(out, resolved, summary)
    return summary


def _plan(options: EventsOptions) -> _Plan:
    cameras = read_cameras(options.cameras, options.store)
    scores = ScoreSet.open(options.scores, options.store)
    checkpoint, settings, digest = str(scores.config["checkpoint"]), options.settings, None
    sources, found = read_sources(scores, cameras)
    if options.thresholds:
        thresholds, digest = load_thresholds(options.thresholds, options.store)
        thresholds.check_model(checkpoint)
        settings = thresholds.settings_of(None)
        found = {name: thresholds.apply_to(camera) for name, camera in found.items()}
    config = EventsConfig(scores.fingerprint, checkpoint, scores.config.get("features", {}), settings)
    units = plan_units(sources, found, settings, config.fingerprint)
    warnings = [UNTRAINED] if is_untrained(config.features.get("weights")) else []
    warnings += filter(None, [_mask_warning(scores, found, config)])
    return _Plan(scores, config, digest, sources, found, units, "\n".join(warnings))


def _mask_warning(scores: ScoreSet, cameras: dict[str, Camera], config: EventsConfig) -> str:
    """Return a warning if cameras have masks but the scores cannot be masked."""
    masked = [name for name, camera in cameras.items() if camera.masks]
    if not masked:
        return ""
    if scores.load(scores.video_ids[0]).cuboid_scores_TK is None:
        why = "the model gives no scores of cuboids"
    elif view_of(config.features, 1, 1) is None:
        why = "the position of these features in the frame is unknown"
    else:
        return ""
    return f"THE MASKS OF {len(masked)} CAMERAS HAVE NO EFFECT: {why}"


def _find_stored(plan: _Plan, out: Store, *, repair: bool) -> None:
    """Find the units that are stored already, and count their rows."""

    def receipt(unit_id: str, data: bytes) -> Receipt:
        rows = decode_events(data).rows
        plan.counts[unit_id] = Counts.of(rows)
        return receipt_of(unit_id, data, len(rows))

    base = latest_snapshot(out)
    published = {row["video_id"]: row for row in base.videos} if base else {}
    plan.receipts = recover_stored_units(out, plan.units, base, receipt, repair=repair)
    for unit in plan.units:
        if unit.unit_id in plan.receipts and unit.unit_id not in plan.counts:
            row = published.get(unit.name, {})
            counts = Counts.from_notes(row.get("notes")) if row.get("content_id") == unit.content_id else None
            plan.counts[unit.unit_id] = counts or Counts.of(_rows_of(out, unit))
    plan.todo = missing_units(plan.units, plan.receipts)
    plan.gone = sorted(published.keys() - {unit.name for unit in plan.units})


def _rows_of(out: Store, unit: EventUnit) -> list[dict[str, Any]]:
    """Return the rows of a stored unit; every page is verified against its checksum."""
    key = layout.unit_key(unit.unit_id)
    data = out.read(key)
    try:
        return decode_events(data).rows
    except DamagedUnit as error:
        raise DamagedError(f"events of {unit.name!r:.120} are damaged: {out.uri_of(key)}: {error}; {REMEDY}") from error


def _compute(plan: _Plan, out: Store, console: Console) -> None:
    """Compute the missing units. Adjacent units of a camera share videos, so one task computes several in order."""
    by_camera = (list(units) for _, units in groupby(plan.todo, key=lambda unit: unit.camera.name))
    chunks = [units[n : n + CHUNK] for units in by_camera for n in range(0, len(units), CHUNK)]
    columns = (TextColumn("finding events"), BarColumn(), TimeRemainingColumn(compact=True))
    done = 0
    with (
        Display(console, log, *columns, total=len(plan.todo)) as display,
        ThreadPoolExecutor(THREADS, thread_name_prefix="events") as pool,
    ):
        running = [pool.submit(_compute_camera, plan, out, units) for units in chunks]
        try:
            for future in as_completed(running):
                for unit_id, receipt, counts in future.result():
                    plan.receipts[unit_id], plan.counts[unit_id] = receipt, counts
                    done += 1
                display.update(done, partial("{} of {} units".format, done, len(plan.todo)))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _compute_camera(plan: _Plan, out: Store, units: Sequence[EventUnit]) -> list[tuple[str, Receipt, Counts]]:
    held: dict[str, VideoScores] = {}
    answers = []
    for unit in units:
        held = {s.video_id: held.get(s.video_id) or plan.scores.load(s.video_id) for s in unit.sources if s.sha256}
        rows = make_rows(unit, plan.config, held.__getitem__)
        data = encode_events(rows, unit, plan.config)
        key = layout.unit_key(unit.unit_id)
        if out.create(key, data) is Created.DIFFERENT:  # a concurrent run with another Arrow version wrote it first
            rows, data = _rows_of(out, unit), out.read(key)
        answers.append((unit.unit_id, receipt_of(unit.unit_id, data, len(rows)), Counts.of(rows)))
    return answers


def _publish(plan: _Plan, out: Store, run: Run) -> Snapshot:
    objects, rows = [], []
    for unit in plan.units:
        r, counts = plan.receipts[unit.unit_id], plan.counts[unit.unit_id]
        key = layout.unit_key(unit.unit_id)
        objects.append(SnapshotObject(key, unit.name, unit.content_id, 0, r.rows, r.rows, r.rows, r.bytes, r.sha256))
        rows.append(
            {
                "video_id": unit.name,
                "uri": "",
                "content_id": unit.content_id,
                "duration_s": counts.scored_s,
                "expected_clips": r.rows,
                "clips": r.rows,
                "status": "complete",
                "notes": counts.notes,
            }
        )
    return run.publish(out, plan.config, objects, rows, {unit.name for unit in plan.units} | set(plan.gone))


def _all_rows(plan: _Plan, out: Store) -> list[dict[str, Any]]:
    return [row for unit in plan.units for row in _rows_of(out, unit)]


def _summary(options: EventsOptions, plan: _Plan, snapshot: Snapshot | None, elapsed_s: float) -> EventsSummary:
    sources = [source for found in plan.sources.values() for source in found]
    whole = len(plan.counts) == len(plan.units)
    total = [sum(values) for values in zip(*plan.counts.values(), strict=True)]
    events, scored_s, not_scored_s, spans = total if whole else (None, None, None, None)
    return EventsSummary(
        out=printable(options.out),
        snapshot=layout.snapshot_key(snapshot.number) if snapshot else None,
        fingerprint=plan.config.fingerprint,
        scores=plan.scores.uri,
        checkpoint=plan.config.checkpoint,
        settings=plan.config.settings.to_dict(),
        banner=plan.banner,
        dry_run=options.dry_run,
        cameras=len(plan.cameras),
        videos=len(sources),
        videos_without_time=sum(source.start_utc_us is None for source in sources),
        videos_not_scored=sum(not source.sha256 for source in sources),
        units=len(plan.units),
        units_done_before=len(plan.units) - len(plan.todo),
        units_to_do=len(plan.todo),
        units_gone=len(plan.gone),
        events=None if events is None else int(events),
        scored_hours=None if scored_s is None else round(scored_s / 3600, 4),
        not_scored_hours=None if not_scored_s is None else round(not_scored_s / 3600, 4),
        not_scored_spans=None if spans is None else int(spans),
        elapsed_s=round(elapsed_s, 3),
        notes=dict(Counter(note.partition(":")[0] for s in sources for note in s.notes).most_common()),
        text=options.text if snapshot else None,
    )
