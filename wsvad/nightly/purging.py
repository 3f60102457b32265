"""Purge: removes videos from all data below the root of a nightly job, and makes later nights skip them."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from rich.console import Console

from wsvad.cameras.placing import Placement, RecordedVideo, place_all
from wsvad.cameras.reading import read_cameras
from wsvad.dataset.sealed import seal, unseal
from wsvad.dataset.snapshots import latest_snapshot
from wsvad.errors import ObjectNotFound, UsageError
from wsvad.events.config import EventSettings
from wsvad.nightly.drift import find_drift
from wsvad.nightly.erasing import erase_all, erase_reviews, erase_unpublished, unpublish, written_forms
from wsvad.nightly.events import make_events
from wsvad.nightly.layout import CURRENT, DRIVERS, EVENTS, FEATURES, NIGHTS, PENDING_PURGE, SCORES, is_folder_name
from wsvad.nightly.options import RescoreOptions
from wsvad.nightly.pointers import point
from wsvad.nightly.published import (
    Current,
    ModelSnapshots,
    SnapshotRef,
    check_input,
    models_to_json,
    require_current,
    same_state,
    store_report,
)
from wsvad.nightly.reference_pictures import delete_pictures_of
from wsvad.nightly.references import delete_other_references
from wsvad.nightly.tombstones import add_tombstones, read_tombstones, tombstone_name
from wsvad.storage import Store, StoreOptions, open_store
from wsvad.suggest import did_you_mean
from wsvad.text import printable
from wsvad.work.lease import Lease
from wsvad.work.record import new_run_id
from wsvad.work.summary import Summary
from wsvad.work.target import probe_target

log = logging.getLogger(__name__)

BRAKE_PERCENT = 10.0
"""Percentage of a nightly job's videos above which a purge requires ``force``."""


NAMED = 10
"""Maximum number of videos that the table names."""
COPIES = (
    "no purge reaches review pages and cases outside of the root, files exported from them, and earlier versions in a "
    "bucket: write such pages again with wsvad review, delete the rest"
)
"""Where pictures and verdicts of purged videos may remain."""

_REMEDY = "it lists the videos of an unfinished purge: delete it, then purge the same videos again"


@dataclass(frozen=True)
class PurgeOptions:
    """Options of a purge; ``wsvad purge --help`` explains the same options."""

    root: str
    """Root of the nightly job."""
    videos: tuple[str, ...] = ()
    """Ids of videos to purge."""
    cameras: tuple[str, ...] = ()
    """Names of cameras; all their videos are purged."""
    before: date | None = None
    """Purge videos that ended before the start of this day (UTC); with ``cameras``, only videos of those cameras."""
    retention: bool = False
    """Purge videos older than the retention of their camera."""
    apply: bool = False
    """Whether to purge; otherwise the videos are only counted."""
    force: bool = False
    """Allow a purge of more than ``BRAKE_PERCENT`` of the videos."""
    store: StoreOptions = field(default_factory=StoreOptions)


@dataclass(frozen=True)
class PurgeSummary(Summary):
    """Result of a purge, or of its dry run."""

    root: str
    videos: int
    """Number of selected videos that still exist."""
    of: int
    """Number of videos of the nightly job."""
    cameras: dict[str, int]
    """Number of selected videos by camera."""
    held: int
    """Number of matching videos that are kept because their camera is under legal hold."""
    timeless: int
    """Number of videos without a recording time, which a selection by age keeps."""
    objects: int
    """Number of deleted objects."""
    applied: bool
    pointer: str | None = None
    selected: tuple[str, ...] = ()
    """Ids of the selected videos."""
    needs_force: bool = False
    """Whether they are more than ``BRAKE_PERCENT`` of the videos, so that a purge requires ``force``."""

    @property
    def exit_code(self) -> int:
        """Always 0; problems raise an exception."""
        return 0

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the table."""
        by_camera = ", ".join(f"{count} of {name}" for name, count in sorted(self.cameras.items()))
        rows = [("videos", f"{self.videos} of {self.of}" + (f" ({by_camera})" if by_camera else ""))]
        if self.held:
            rows.append(("legal hold", f"{self.held} videos are kept"))
        if self.timeless:
            rows.append(("no time", f"{self.timeless} videos are kept: their recording time is unknown"))
        if self.selected:
            named = ", ".join(printable(video_id) for video_id in self.selected[:NAMED])
            more = f" and {len(self.selected) - NAMED} more" if len(self.selected) > NAMED else ""
            rows.append(("named", named + more))
        if not self.applied:
            brake = f" --force: these are more than {BRAKE_PERCENT:g} % of the videos" if self.needs_force else ""
            rows.append(("done", f"nothing (dry run; to purge: --apply{brake})"))
        else:
            rows.append(("done", f"{self.objects} objects deleted; later nights skip these videos"))
        return [*rows, ("copies", COPIES)]


def purge(options: PurgeOptions, console: Console | None = None) -> PurgeSummary:
    """Purge videos from everything below the root (features, scores, events, indexes, records), and keep them out.

    An interrupted purge is finished by the same command and by any other purge: its videos are always selected too.

    Raises:
        UsageError: an unknown video or camera, no selection, or a selection of too many videos.
        ConflictError: a nightly run or another purge is in progress.
        DamagedError, StorageError: run the same command again.
    """
    _check(options)
    root = open_store(options.root, options.store)
    selected = _select(options, root, require_current(root))
    if not options.apply or not selected.video_ids:  # with nothing to purge, write nothing, not even a lease
        return selected.summary(options, applied=options.apply)
    root = probe_target(root)
    with Lease(root, DRIVERS, "an archive") as lease:
        base = require_current(root)
        selected = _select(options, root, base)  # select again: only now no other run can change the root
        log.info("purging %d videos", len(selected.video_ids))
        root.replace(PENDING_PURGE, seal({"videos": list(selected.video_ids)}))
        add_tombstones(root, selected.video_ids, datetime.now(UTC).isoformat(timespec="seconds"))
        objects, pointer = _erase(options, root, base, frozenset(selected.video_ids), lease, console)
        return selected.summary(options, objects=objects, applied=True, pointer=pointer)


def _check(options: PurgeOptions) -> None:
    if not (options.videos or options.cameras or options.before or options.retention):
        raise UsageError("select what to purge: --video, --camera, --before or --retention")
    if options.retention and (options.before or options.cameras or options.videos):
        raise UsageError("--retention cannot be combined with --before, --camera or --video")


@dataclass(frozen=True)
class _Selected:
    """The videos selected by the options."""

    video_ids: tuple[str, ...]
    of: int
    cameras: Mapping[str, int]
    held: int
    timeless: int
    needs_force: bool

    def summary(self, options: PurgeOptions, **more: Any) -> PurgeSummary:
        parts = {"objects": 0, "applied": False, **more}
        return PurgeSummary(
            options.root, len(self.video_ids), self.of, dict(self.cameras), self.held, self.timeless,
            selected=self.video_ids, needs_force=self.needs_force, **parts,
        )  # fmt: skip


def _select(options: PurgeOptions, root: Store, base: Current) -> _Selected:
    """Select the videos to purge. Raises ``UsageError``."""
    placed, ends = _known(root, base, options.store)
    begun = pending(root)
    buried = read_tombstones(root) if options.videos else frozenset()
    # a purge that is repeated because its end was not seen finds nothing left to do
    done = {video_id for video_id in options.videos if tombstone_name(video_id) in buried}
    _check_names(options, {*placed, *begun, *done}, {there.camera for there in placed.values()})
    now = datetime.now(UTC)
    selected, held, timeless = [], 0, 0
    for video_id, there in sorted(placed.items()):
        end = ends[video_id]
        matches = video_id in options.videos
        in_cameras = not options.cameras or there.camera in options.cameras
        if options.before and in_cameras and not matches:
            timeless += end is None
            matches = end is not None and end < datetime(*options.before.timetuple()[:3], tzinfo=UTC)
        elif options.cameras and not options.before:
            matches = matches or in_cameras
        elif options.retention and there.settings.retention_days is not None:
            timeless += end is None
            matches = end is not None and end < now - timedelta(days=there.settings.retention_days)
        if matches and there.settings.legal_hold:
            held += 1
        elif matches or video_id in begun:
            selected.append(video_id)
    cameras: dict[str, int] = {}
    for video_id in selected:
        cameras[placed[video_id].camera] = cameras.get(placed[video_id].camera, 0) + 1
    selected += sorted(begun - placed.keys())
    of = len(placed.keys() | begun)  # of a video in an unfinished purge, only the tombstone may be left
    percent = 100 * len(selected) / max(1, of)
    if len(selected) == of:
        raise UsageError(f"this selects every video of {options.root}; delete the folder instead")
    needs_force = percent > BRAKE_PERCENT
    if needs_force and options.apply and not options.force:
        raise UsageError(
            f"this selects {len(selected)} of {of} videos ({percent:.0f} %), more than {BRAKE_PERCENT:g} %. Nothing "
            "was changed. To purge them anyway, add --force"
        )
    return _Selected(tuple(selected), of, cameras, held, timeless, needs_force)


def pending(root: Store) -> frozenset[str]:
    """Return the videos of an unfinished purge. Raises ``DamagedError``."""
    try:
        data = root.read(PENDING_PURGE)
    except ObjectNotFound:
        return frozenset()
    return frozenset(unseal(data, root.uri_of(PENDING_PURGE), ("videos",), remedy=_REMEDY)["videos"])


def _check_names(options: PurgeOptions, videos: Collection[str], cameras: Collection[str]) -> None:
    for kind, named, known in (("video", options.videos, videos), ("camera", options.cameras, cameras)):
        for name in named:
            if name not in known:
                hint = did_you_mean(name, known)
                raise UsageError(f"{options.root} has no {kind} {name!r:.120}{hint}. Nothing was changed")


def _known(
    root: Store, base: Current, options: StoreOptions
) -> tuple[dict[str, Placement], dict[str, datetime | None]]:
    """Return the camera and the end of every video that has a row in a data set of the root."""
    rows: dict[str, Mapping[str, Any]] = {}
    for prefix in [*_data_sets(root, FEATURES), *_data_sets(root, SCORES)]:
        snapshot = latest_snapshot(open_store(f"{root.uri}/{prefix}", root.options))
        for row in snapshot.videos if snapshot else ():
            rows.setdefault(row["video_id"], row)
    check_input(root, base.cameras)  # it says which cameras are under legal hold
    cameras = read_cameras(root.uri_of(base.cameras) if base.cameras else None, options)
    placed = place_all(
        [RecordedVideo(video_id, str(row["uri"] or ""), row["duration_s"]) for video_id, row in rows.items()], cameras
    )
    ends = {
        video_id: None if there.start_utc is None
        else there.start_utc + timedelta(seconds=float(rows[video_id]["duration_s"] or 0.0))
        for video_id, there in placed.items()
    }  # fmt: skip
    return placed, ends


def _data_sets(root: Store, part: str) -> list[str]:
    """Return the prefixes of the data sets below a part of the root, without trailing slashes."""
    found = {"/".join(info.key.split("/")[:2]) for info in root.list(part) if info.key.count("/") > 1}
    return sorted(prefix for prefix in found if is_folder_name(prefix.removeprefix(part)))


def _erase(
    options: PurgeOptions, root: Store, base: Current, video_ids: frozenset[str], lease: Lease, console: Console | None
) -> tuple[int, str]:
    """Remove videos from every data set, publish the rest, and delete all objects that contain data of them."""
    stores = {
        p: open_store(f"{root.uri}/{p}", root.options)
        for part in (FEATURES, SCORES, EVENTS)
        for p in _data_sets(root, part)
    }
    for prefix, store in stores.items():
        if not prefix.startswith(EVENTS):
            unpublish(store, video_ids)
    settings = EventSettings(**base.settings)
    again = RescoreOptions(
        archive=base.archive, root=options.root, settings=settings, store=options.store,
        cameras=root.uri_of(base.cameras) if base.cameras else None,
        thresholds=[root.uri_of(key) for key in base.thresholds],
    )  # fmt: skip
    scores = {digest: _newest(root, model.scores.prefix) for digest, model in base.models.items()}
    events = make_events(again, root, scores, console or Console(stderr=True))
    used = {at.prefix for at in events.values()}
    models = {
        digest: ModelSnapshots(_newest(root, model.features.prefix), scores[digest], events[digest])
        for digest, model in base.models.items()
    }
    cameras = read_cameras(again.cameras, options.store)
    drift = find_drift(root, cameras, base.champion, models[base.champion], base, create_references=False)
    report = _report_without(base.report(root), video_ids) | {"drift": drift.to_dict()}
    lease.check()
    body = {
        **base.pointer.body,
        "models": models_to_json(models),
        "inputs": "",  # the next night checks everything
        "settled": False,
        "night": store_report(root, report),
        "run_id": new_run_id(),
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    # a purge that was interrupted after this step is not published twice
    same = same_state(body, base.pointer.body) and body["night"] == base.pointer.body["night"]
    published = base.pointer if same else point(root, CURRENT, base.pointer, body)
    deleted = 0
    for prefix, store in stores.items():
        other = prefix.startswith(EVENTS) and prefix not in used  # of settings that are no longer used
        deleted += erase_all(store) if other else erase_unpublished(store, video_ids)
    for info in list(root.list(NIGHTS)):
        if info.key != body["night"]:
            root.delete(info.key)
            deleted += 1
    deleted += erase_reviews(root, video_ids)
    deleted += delete_pictures_of(root, video_ids)
    deleted += delete_other_references(root, {there.camera for there in _known(root, base, options.store)[0].values()})
    root.delete(PENDING_PURGE)
    return deleted, f"{CURRENT}{published.number:08d}.json"


def _newest(root: Store, prefix: str) -> SnapshotRef:
    snapshot = latest_snapshot(open_store(f"{root.uri}/{prefix}", root.options))
    assert snapshot is not None  # the published night names one
    return SnapshotRef(prefix, snapshot.number, snapshot.fingerprint)


def _report_without(report: Mapping[str, Any], video_ids: frozenset[str]) -> dict[str, Any]:
    """Return a report without data of these videos; all changes are removed, because they contain event times."""
    forms = {form for video_id in video_ids for form in written_forms(video_id)}
    coverage = report["coverage"]
    unscored = [v for v in coverage["unscored"] if not any(f in json.dumps(v).encode() for f in forms)]
    return {**report, "coverage": {**coverage, "unscored": unscored}, "changes": []}
