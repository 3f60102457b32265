"""Verify a data set: every object is intact, every clip is stored once, and all missing clips are accounted for."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

from wsvad.dataset import layout
from wsvad.dataset.check import DatasetState, Fault, check_objects, inspect_dataset
from wsvad.dataset.collect import check_grace, collect
from wsvad.dataset.publish import publish
from wsvad.dataset.repair import repair_dataset, repair_id
from wsvad.dataset.snapshots import Snapshot, SnapshotObject, latest_snapshot, named_keys
from wsvad.errors import DamagedError, ObjectNotFound, UsageError
from wsvad.features.coverage import shortcomings
from wsvad.features.encoding import UnitSummary, decode_unit
from wsvad.features.pictures import decode_picture
from wsvad.manifest.listing import Listing
from wsvad.storage import Store, is_absent
from wsvad.text import printable
from wsvad.verification.data_set_report import VerifyReport
from wsvad.work.quarantine import QuarantineRecord
from wsvad.work.stored import DamagedUnit


def verify(
    store: Store,
    *,
    deep: bool = True,
    listing: Listing | None = None,
    repair: bool = False,
    collect_after_hours: float | None = None,
    decoders: Mapping[str, Callable[[bytes], UnitSummary]] | None = None,
) -> VerifyReport:
    """Check the newest intact snapshot against the store, and all other objects of the data set.

    Args:
        store: root of the data set.
        deep: read every object, verify its digest, and count its rows; otherwise check only presence and size of
            units, and the objects that every reader reads first.
        listing: videos that should be in the data set; missing ones are reported.
        repair: repair what can be repaired (``wsvad.dataset.repair``); delete damaged units and publish their removal,
            so that the next run makes them again.
        collect_after_hours: run the garbage collection of ``wsvad.dataset.collect``; skipped if there are faults,
            because an older snapshot may then be needed.
        decoders: functions that decode a unit, by kind of data set; each raises ``DamagedUnit``. By default units are
            decoded as features.

    Raises:
        UsageError: there is no snapshot.
        StorageError: the store failed.
    """
    if collect_after_hours is not None:
        check_grace(collect_after_hours)
    state = inspect_dataset(store, deep=deep or repair)
    if deep or repair:
        state.faults += check_objects(store, layout.QUARANTINE, _check_record)
        state.faults += check_objects(store, layout.PICTURES, decode_picture)
    if state.snapshot is None and not state.faults:
        raise UsageError(
            f"{store.uri} {'does not exist' if is_absent(store.uri) else 'has no published snapshot'}; expected the "
            "--out of a finished `wsvad extract` or `wsvad score`"
        )
    sizes = {info.key: info.size for info in store.list(layout.UNITS)}
    decode = (decoders or {}).get(state.kind or "", decode_unit)
    units, general = _unit_faults(store, state, sizes, decode if deep else None)
    repaired, repairs = False, list[str]()
    if repair and (state.faults or units) and not general and all(f.repairable for f in state.faults):
        repairs = repair_dataset(store, state)
        if units and state.snapshot:
            _repair(store, units)
        repaired = bool(repairs or units)
    collected = None
    if collect_after_hours is not None and not (state.faults or units or general):
        collected = collect(store, grace_hours=collect_after_hours)
    return _report(store, state, units, general, listing, deep=deep, sizes=sizes).with_actions(
        repaired, repairs, collected
    )


def _check_record(key: str, data: bytes) -> None:
    record = QuarantineRecord.from_json(data, key)
    if layout.quarantine_key(record.unit_id) != key:
        raise DamagedError(f"{key} is damaged: it belongs to the unit {record.unit_id!r:.80}")


def _unit_faults(
    store: Store, state: DatasetState, sizes: dict[str, int], decode: Callable[[bytes], UnitSummary] | None
) -> tuple[dict[str, list[Fault]], list[str]]:
    """Return the faults of the snapshot's units, by key, and inconsistencies of the snapshot itself."""
    if state.snapshot is None:
        return {}, []
    counts = _clips(state.objects)
    general = _overlaps(state.objects) + [
        f"{v['video_id']}: {v['clips']} clips in its row, {counts[v['video_id']]} in its objects"
        for v in state.videos
        if v["clips"] != counts[v["video_id"]]
    ]
    return _faults(store, state.snapshot, state.objects, sizes, decode), general


def _clips(objects: Iterable[SnapshotObject]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for o in objects:
        counts[o.video_id] += o.clips
    return counts


def _report(
    store: Store,
    state: DatasetState,
    units: Mapping[str, list[Fault]],
    general: list[str],
    listing: Listing | None,
    *,
    deep: bool,
    sizes: Mapping[str, int],
) -> VerifyReport:
    snapshot, videos, objects = state.snapshot, state.videos, state.objects
    whole = [o for o in objects if o.key not in units]
    damaged_videos = {o.video_id for o in objects if o.key in units}
    absent = _absent(videos, listing)
    rows = {v["video_id"]: v for v in videos if v["video_id"] not in absent}
    doubts = shortcomings(rows.values(), min_coverage=0.0)
    faults = [*state.faults, *(fault for found in units.values() for fault in found)]
    return VerifyReport(
        out=printable(store.uri),
        snapshot=snapshot.number if snapshot else 0,
        deep=deep,
        objects=len(objects),
        whole_objects=len(whole),
        rows=sum(o.rows for o in whole),
        videos=len(rows) + len(absent),
        videos_complete=sum(v["status"] == "complete" and i not in damaged_videos for i, v in rows.items()),
        expected_clips=sum(v["expected_clips"] or 0 for v in videos),
        clips=sum(o.clips for o in whole),
        doubtful=len({row["video_id"] for row in doubts}),
        unaccounted=[_shortfall(v) for v in rows.values() if v["status"] != "complete"]
        + ["{video_id}: {kind}: {message}".format(**row) for row in doubts]
        + [f"{i}: {why}" for i, why in absent.items()],
        unpublished=_unpublished(state, sizes) if snapshot else len(sizes),
        faults=general + [fault.text for fault in faults],
        damaged_keys=sorted({f.key for f in faults if not f.missing}),
        missing_keys=sorted({f.key for f in faults if f.missing}),
        incomplete=len(absent) + sum(v["status"] == "incomplete" for v in rows.values()),
    )


def _faults(
    store: Store,
    snapshot: Snapshot,
    objects: Sequence[SnapshotObject],
    sizes: dict[str, int],
    decode: Callable[[bytes], UnitSummary] | None,
) -> dict[str, list[Fault]]:
    """Return the faults of the snapshot's objects, by key."""
    with ThreadPoolExecutor(8) as pool:
        checked = pool.map(lambda o: list(_check_object(store, snapshot, o, sizes, decode)), objects)
        return {o.key: found for o, found in zip(objects, checked, strict=True) if found}


def _repair(store: Store, damaged: Mapping[str, object]) -> None:
    """Publish the removal of damaged objects, and delete them; the next run makes them again."""
    snapshot = latest_snapshot(store)
    assert snapshot, "the caller has checked or repaired it"
    touched = {o.video_id for o in snapshot.objects if o.key in damaged}
    kept = [o for o in snapshot.objects if o.video_id in touched and o.key not in damaged]
    rows = []
    for video in (v for v in snapshot.videos if v["video_id"] in touched):
        clips = sum(o.clips for o in kept if o.video_id == video["video_id"])
        why = {"kind": "damaged_object", "message": "damaged in the store and deleted; the next run makes it again"}
        rows.append(video | why | {"clips": clips, "status": "partial" if clips else "quarantined"})
    run_id, now = repair_id()
    publish(
        store,
        snapshot.fingerprint,
        snapshot.config,
        kept,
        rows,
        replaced_videos=frozenset(touched),
        run_id=run_id,
        created_utc=now,
    )
    for key in damaged:
        store.delete(key)


def _unpublished(state: DatasetState, sizes: Mapping[str, int]) -> int:
    """Count the units that no snapshot has ever referenced. Units of replaced content were in an earlier snapshot."""
    return len(sizes.keys() - named_keys(state.snapshots, skip_damaged=True))


def _overlaps(objects: Sequence[SnapshotObject]) -> list[str]:
    """Return a line for each pair of objects of a video that share a clip."""
    by_video: dict[str, list[SnapshotObject]] = defaultdict(list)
    for o in objects:
        by_video[o.video_id].append(o)
    return [
        f"{video_id}: {a.key} and {b.key} both hold clip {b.first_clip}"
        for video_id, parts in by_video.items()
        for a, b in pairwise(sorted(parts, key=lambda o: o.first_clip))
        if b.first_clip < a.last_clip
    ]


def _check_object(
    store: Store,
    snapshot: Snapshot,
    o: SnapshotObject,
    sizes: dict[str, int],
    decode: Callable[[bytes], UnitSummary] | None,
) -> Iterator[Fault]:
    """Yield the faults of one object."""

    def fault(text: str, *, missing: bool = False) -> Fault:
        return Fault(o.key, f"{o.key} ({o.video_id}){text}", missing)

    if o.key not in sizes:
        yield fault(" is missing", missing=True)
        return
    if sizes[o.key] != o.bytes:
        yield fault(f" has {sizes[o.key]} bytes, the snapshot states {o.bytes}")
        return
    if decode is None:
        return
    try:
        data = store.read(o.key)
    except ObjectNotFound:
        yield fault(" was deleted", missing=True)
        return
    if hashlib.sha256(data).hexdigest() != o.sha256:
        yield fault(" does not match its digest in the snapshot")
        return
    try:
        unit = decode(data)
    except DamagedUnit as error:
        yield fault(f" cannot be read: {error}")
        return
    yield from (fault(f": {text}") for text in _row_faults(snapshot, o, unit))


def _row_faults(snapshot: Snapshot, o: SnapshotObject, unit: UnitSummary) -> Iterator[str]:
    if unit.fingerprint != snapshot.fingerprint:
        yield "made with another configuration"
    if unit.rows != o.rows:
        yield f"{unit.rows} rows, the snapshot states {o.rows}"
    if len(set(unit.keys)) != len(unit.keys):
        yield "the same clip and crop appears twice"
    if any(video != o.video_id or not o.first_clip <= clip < o.last_clip for video, clip, _ in unit.keys):
        yield "rows of another video or outside the unit's clip range"
    if len({clip for _, clip, _ in unit.keys}) != o.clips:
        yield f"{len({clip for _, clip, _ in unit.keys})} clips, the snapshot states {o.clips}"
    if not unit.finite:
        yield "values that are not finite"


def _absent(videos: Sequence[dict[str, Any]], listing: Listing | None) -> dict[str, str]:
    """Return the problem, by id, of each listed video that the snapshot does not have with the same content."""
    there = {v["video_id"]: v["content_id"] for v in videos}
    absent: dict[str, str] = {}
    for video in listing.videos if listing else ():
        if video.video_id not in there:
            absent[video.video_id] = "listed, but not in the snapshot"
        elif there[video.video_id] != video.content_id:
            absent[video.video_id] = "its content differs from that in the snapshot; extract it again"
    lost = listing.unreachable if listing else ()
    return absent | {u.video_id: "listed, but not in the snapshot" for u in lost if u.video_id not in there}


def _shortfall(video: dict[str, Any]) -> str:
    reason = f": {video['kind']}: {video['message']}" if video["kind"] else ""
    return f"{video['video_id']}: {video['status']}, {video['clips']} of {video['expected_clips']} clips{reason}"
