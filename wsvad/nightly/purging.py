"""Takes videos out of everything that a nightly job has made of them, and sees to it that no night brings them back."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from rich.console import Console

from wsvad.cameras.placing import Placed, Recorded, place_all
from wsvad.cameras.reading import read_cameras
from wsvad.dataset.sealed import seal, unseal
from wsvad.dataset.snapshots import latest_snapshot
from wsvad.errors import ObjectNotFound, UsageError
from wsvad.events.config import EventSettings
from wsvad.nightly.drift import find_drift
from wsvad.nightly.erasing import erase_all, erase_reviews, erase_unpublished, unpublish, written_forms
from wsvad.nightly.happenings import make_events
from wsvad.nightly.options import RescoreOptions
from wsvad.nightly.places import CURRENT, DRIVERS, EVENTS, FEATURES, NIGHTS, PENDING, SCORES, is_short
from wsvad.nightly.pointers import point
from wsvad.nightly.published import (
    Current,
    DataSetAt,
    ModelAt,
    check_input,
    keep_night,
    models_as_json,
    require_current,
)
from wsvad.nightly.reference_pictures import drop_pictures_of
from wsvad.nightly.references import drop_references
from wsvad.nightly.tombstones import bury
from wsvad.storage import Store, StoreOptions, open_store
from wsvad.suggest import did_you_mean
from wsvad.work.lease import Lease
from wsvad.work.record import new_run_id
from wsvad.work.summary import Summary
from wsvad.work.target import probe_target

log = logging.getLogger(__name__)

BRAKE_PERCENT = 10.0
"""Of the videos of a nightly job, above which a purge must be forced."""


_REMEDY = "it names the videos of a purge that did not end: delete it, and purge the same videos again"


@dataclass(frozen=True)
class PurgeOptions:
    """What is to be purged; ``wsvad purge --help`` explains the same options."""

    root: str
    """Of the nightly job."""
    videos: tuple[str, ...] = ()
    """Ids of videos."""
    cameras: tuple[str, ...] = ()
    """Names of cameras, of which all videos are meant."""
    before: date | None = None
    """Videos that ended before this day (UTC) began; with ``cameras``, of those alone."""
    retention: bool = False
    """Videos that are older than the retention of their camera."""
    apply: bool = False
    """Whether anything is done; else it is only said."""
    force: bool = False
    """Whether more than ``BRAKE_PERCENT`` of the videos may be meant."""
    store: StoreOptions = field(default_factory=StoreOptions)


@dataclass(frozen=True)
class PurgeSummary(Summary):
    """What was purged, or would have been."""

    root: str
    videos: int
    """Videos that are meant and still there."""
    of: int
    """Videos that the nightly job knows."""
    cameras: dict[str, int]
    """Of the videos that are meant, by camera."""
    held: int
    """Videos that would have been meant and are of cameras under legal hold."""
    timeless: int
    """Videos that an age was asked of and that have no time of recording: they stay."""
    objects: int
    """Objects deleted."""
    applied: bool
    pointer: str | None = None

    @property
    def exit_code(self) -> int:
        """0: what is wrong raises."""
        return 0

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the table."""
        said = ", ".join(f"{count} of {name}" for name, count in sorted(self.cameras.items()))
        rows = [("videos", f"{self.videos} of {self.of}" + (f" ({said})" if said else ""))]
        if self.held:
            rows.append(("legal hold", f"{self.held} videos stay"))
        if self.timeless:
            rows.append(("no time", f"{self.timeless} videos stay: when they were recorded is not known"))
        if not self.applied:
            rows.append(("done", "nothing (--apply purges them)"))
        else:
            rows.append(("done", f"{self.objects} objects deleted; later nights leave these videos out"))
        return rows


def purge(options: PurgeOptions, console: Console | None = None) -> PurgeSummary:
    """Purge videos from everything below the root: features, scores, events, indexes, records; and keep them away.

    Killed half-way, the same command goes on, and so does any other purge: what was begun is always meant, too.

    Raises:
        UsageError: nothing that is named is there, too much is meant, or an age without cameras that have times.
        ConflictError: a nightly run or another purge is at work.
        DamagedError, StorageError: run the same command again.
    """
    _check(options)
    root = open_store(options.root, options.store)
    selected = _select(options, root, require_current(root))
    if not options.apply or not selected.video_ids:  # nothing to do writes nothing, no lease either
        return selected.summary(options, applied=options.apply)
    root = probe_target(root)
    with Lease(root, DRIVERS, "an archive") as lease:
        base = require_current(root)
        selected = _select(options, root, base)  # again, as nobody else is at work now
        log.info("purging %d videos", len(selected.video_ids))
        root.replace(PENDING, seal({"videos": list(selected.video_ids)}))
        bury(root, selected.video_ids, datetime.now(UTC).isoformat(timespec="seconds"))
        objects, pointer = _erase(options, root, base, frozenset(selected.video_ids), lease, console)
        return selected.summary(options, objects=objects, applied=True, pointer=pointer)


def _check(options: PurgeOptions) -> None:
    if not (options.videos or options.cameras or options.before or options.retention):
        raise UsageError("say what is to be purged: --video, --camera, --before or --retention")
    if options.retention and (options.before or options.cameras or options.videos):
        raise UsageError("--retention says which videos are meant: leave out --before, --camera and --video")


@dataclass(frozen=True)
class _Selected:
    """Which videos are meant."""

    video_ids: tuple[str, ...]
    of: int
    cameras: Mapping[str, int]
    held: int
    timeless: int

    def summary(self, options: PurgeOptions, **more: Any) -> PurgeSummary:
        parts = {"objects": 0, "applied": False, **more}
        return PurgeSummary(
            options.root, len(self.video_ids), self.of, dict(self.cameras), self.held, self.timeless, **parts
        )


def _select(options: PurgeOptions, root: Store, base: Current) -> _Selected:
    """Find the videos that are meant. Raises ``UsageError``."""
    placed, ends = _known(root, base, options.store)
    begun = pending(root)
    _check_names(options, {**placed, **dict.fromkeys(begun)}, {there.camera for there in placed.values()})
    now = datetime.now(UTC)
    meant, held, timeless = [], 0, 0
    for video_id, there in sorted(placed.items()):
        end = ends[video_id]
        asked = video_id in options.videos
        in_cameras = not options.cameras or there.camera in options.cameras
        if options.before and in_cameras and not asked:
            timeless += end is None
            asked = end is not None and end < datetime(*options.before.timetuple()[:3], tzinfo=UTC)
        elif options.cameras and not options.before:
            asked = asked or in_cameras
        elif options.retention and there.settings.retention_days is not None:
            timeless += end is None
            asked = end is not None and end < now - timedelta(days=there.settings.retention_days)
        if asked and there.settings.legal_hold:
            held += 1
        elif asked or video_id in begun:
            meant.append(video_id)
    cameras: dict[str, int] = {}
    for video_id in meant:
        cameras[placed[video_id].camera] = cameras.get(placed[video_id].camera, 0) + 1
    meant += sorted(begun - placed.keys())
    of = len(placed.keys() | begun)  # what was begun may have left no trace but its mark
    share = 100 * len(meant) / max(1, of)
    if len(meant) == of:
        raise UsageError(f"that is every video of {options.root}: delete the folder instead")
    if share > BRAKE_PERCENT and options.apply and not options.force:
        raise UsageError(
            f"that is {len(meant)} of {of} videos, {share:.0f} %, above {BRAKE_PERCENT:g} %. Nothing was "
            "changed. If it is meant, add --force"
        )
    return _Selected(tuple(meant), of, cameras, held, timeless)


def pending(root: Store) -> frozenset[str]:
    """Return the videos of a purge that was begun and did not end. Raises ``DamagedError``."""
    try:
        data = root.read(PENDING)
    except ObjectNotFound:
        return frozenset()
    return frozenset(unseal(data, root.uri_of(PENDING), ("videos",), remedy=_REMEDY)["videos"])


def _check_names(options: PurgeOptions, videos: Collection[str], cameras: Collection[str]) -> None:
    for kind, named, known in (("video", options.videos, videos), ("camera", options.cameras, cameras)):
        for name in named:
            if name not in known:
                meant = did_you_mean(name, known)
                raise UsageError(f"{options.root} knows no {kind} {name!r:.120}{meant}. Nothing was changed")


def _known(root: Store, base: Current, options: StoreOptions) -> tuple[dict[str, Placed], dict[str, datetime | None]]:
    """Return where every video that has left a trace in a data set belongs, and when it ended."""
    rows: dict[str, Mapping[str, Any]] = {}
    for prefix in [*_data_sets(root, FEATURES), *_data_sets(root, SCORES)]:
        snapshot = latest_snapshot(open_store(f"{root.uri}/{prefix}", root.options))
        for row in snapshot.videos if snapshot else ():
            rows.setdefault(row["video_id"], row)
    check_input(root, base.cameras)  # it says what is held
    cameras = read_cameras(root.uri_of(base.cameras) if base.cameras else None, options)
    placed = place_all(
        [Recorded(video_id, str(row["uri"] or ""), row["duration_s"]) for video_id, row in rows.items()], cameras
    )
    ends = {
        video_id: None if there.start_utc is None
        else there.start_utc + timedelta(seconds=float(rows[video_id]["duration_s"] or 0.0))
        for video_id, there in placed.items()
    }  # fmt: skip
    return placed, ends


def _data_sets(root: Store, part: str) -> list[str]:
    """Return the prefixes of the data sets below a part of the root, without a slash at their ends."""
    found = {"/".join(info.key.split("/")[:2]) for info in root.list(part) if info.key.count("/") > 1}
    return sorted(prefix for prefix in found if is_short(prefix.removeprefix(part)))


def _erase(
    options: PurgeOptions, root: Store, base: Current, video_ids: frozenset[str], lease: Lease, console: Console | None
) -> tuple[int, str]:
    """Take videos out of every data set, publish what is left, delete what says anything of them."""
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
        digest: ModelAt(_newest(root, model.features.prefix), scores[digest], events[digest])
        for digest, model in base.models.items()
    }
    cameras = read_cameras(again.cameras, options.store)
    drift = find_drift(root, cameras, base.champion, models[base.champion], base, freezing=False)
    report = _report_without(base.report(root), video_ids) | {"drift": drift.to_dict()}
    lease.check()
    body = {
        **base.pointer.body,
        "models": models_as_json(models),
        "inputs": "",  # the next night looks at everything
        "settled": False,
        "night": keep_night(root, report),
        "run_id": new_run_id(),
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    published = point(root, CURRENT, base.pointer, body)
    deleted = 0
    for prefix, store in stores.items():
        other = prefix.startswith(EVENTS) and prefix not in used  # of settings that nobody asks for any more
        deleted += erase_all(store) if other else erase_unpublished(store, video_ids)
    for info in list(root.list(NIGHTS)):
        if info.key != body["night"]:
            root.delete(info.key)
            deleted += 1
    deleted += erase_reviews(root, video_ids)
    deleted += drop_pictures_of(root, video_ids)
    deleted += drop_references(root, {there.camera for there in _known(root, base, options.store)[0].values()})
    root.delete(PENDING)
    return deleted, f"{CURRENT}{published.number:08d}.json"


def _newest(root: Store, prefix: str) -> DataSetAt:
    snapshot = latest_snapshot(open_store(f"{root.uri}/{prefix}", root.options))
    assert snapshot is not None  # it was published from
    return DataSetAt(prefix, snapshot.number, snapshot.fingerprint)


def _report_without(report: Mapping[str, Any], video_ids: frozenset[str]) -> dict[str, Any]:
    """What a night found, without what says anything of these videos: no changes, which have times of their events."""
    forms = {form for video_id in video_ids for form in written_forms(video_id)}
    coverage = report["coverage"]
    unscored = [v for v in coverage["unscored"] if not any(f in json.dumps(v).encode() for f in forms)]
    return {**report, "coverage": {**coverage, "unscored": unscored}, "changes": []}
