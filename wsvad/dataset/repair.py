"""Repair a data set except for its units: from older snapshots, from its objects, or by deleting damaged objects."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from wsvad.dataset import layout, training_ids
from wsvad.dataset.check import DatasetState
from wsvad.dataset.lists import SnapshotObject, store_lists
from wsvad.dataset.one_level import join_entries
from wsvad.dataset.snapshots import Snapshot, describe, kind_of
from wsvad.errors import DamagedError, StorageError
from wsvad.storage import Created, Store

LOST_ROW = {
    "kind": "damaged_table",
    "message": "its row was lost with a damaged table of videos; the next run writes it again",
}


def repair_id() -> tuple[str, str]:
    """Return the run id and the time of a snapshot that a repair publishes."""
    now = datetime.now(UTC)
    return f"repair-{now:%Y%m%dT%H%M%S}", now.isoformat(timespec="seconds")


def repair_dataset(store: Store, state: DatasetState) -> list[str]:
    """Repair the faults that :func:`wsvad.dataset.check.inspect_dataset` found. Afterwards the newest snapshot is
    intact, or there is none.

    * If the newest snapshot is damaged or missing, the previous one is published under its number.
    * A damaged list of the newest snapshot is replaced by the entries of its videos from older snapshots, and
      published. If no entries are left, the snapshot is deleted; the next run publishes the stored units.
    * A table of videos of a one-level snapshot is rebuilt from older tables and from the snapshot's objects, and
      published.
    * ``dataset.json`` is rebuilt from the snapshot.
    * All other damaged objects, including older snapshots, are deleted: readers do not need them, or the next run
      makes them again.

    Returns:
        One line for each action.

    Raises:
        StorageError: the store failed, or another run published concurrently; run the same command again.
    """
    done = []
    current = state.snapshot
    if state.lost and not state.objects and not state.videos:
        current = None
    published = current and _publish_again(store, state)
    if published:
        assert state.snapshot
        done.append(f"published snapshot {published.number}: the intact part of snapshot {state.snapshot.number}")
        current = published
    _without_table(store, state, current, done)
    kept = {layout.snapshot_key(current.number), *current.table_keys} if current else set()
    for fault in state.faults:
        if fault.key == layout.DATASET and state.snapshot:
            _describe_again(store, state.snapshot)
            done.append(f"wrote {layout.DATASET} again from snapshot {state.snapshot.number}")
        elif not fault.missing and fault.key not in kept:
            store.delete(fault.key)
            done.append(f"removed {fault.key}")
    return done


def _publish_again(store: Store, state: DatasetState) -> Snapshot | None:
    """Publish the newest intact snapshot again if a newer one, or one of its lists, is missing or damaged."""
    base = state.snapshot
    assert base
    newer = {layout.snapshot_number(f.key) or 0: f for f in state.faults}
    number = max((n for n in newer if n > base.number), default=0)
    if not number and not state.lost:
        return None
    parts = state.parts
    if state.one_level:
        rows = rebuilt_videos(base, state.snapshots)
        parts = [(None, join_entries(rows, state.one_level, store.uri))]
    lists = store_lists(store, parts)
    run_id, now = repair_id()
    rows_there = sum(ref.rows for ref in lists)
    again = Snapshot(number or base.number + 1, base.fingerprint, base.config, lists, run_id, now, rows_there)
    key = layout.snapshot_key(again.number)
    if number and not newer[number].missing:
        store.replace(key, again.to_json())
    elif store.create(key, again.to_json()) is Created.DIFFERENT:
        raise StorageError(f"{store.uri}: another run published {key} meanwhile; run the same command again")
    return again


def _without_table(store: Store, state: DatasetState, current: Snapshot | None, done: list[str]) -> None:
    """Delete other snapshots that reference missing or damaged lists or tables."""
    bad = {fault.key for fault in state.faults} - set(current.table_keys if current else ())
    for snapshot in state.snapshots:
        if bad.intersection(snapshot.table_keys) and not (current and snapshot.number == current.number):
            key = layout.snapshot_key(snapshot.number)
            store.delete(key)
            done.append(f"removed {key}, which references missing or damaged objects")


def _describe_again(store: Store, snapshot: Snapshot) -> None:
    kind, digests = kind_of(snapshot.config), None
    if kind == "scores":
        try:
            digests = training_ids.encode_training_ids(training_ids.read_training_ids(store, {}))[1]
        except DamagedError:  # reported as a fault of its own
            digests = None
    store.replace(layout.DATASET, describe(kind, snapshot.fingerprint, snapshot.config, digests))


def rebuilt_videos(snapshot: Snapshot, others: list[Snapshot]) -> list[dict[str, Any]]:
    """Return rows of the videos that have objects: from older tables, else derived from the objects.

    A derived row has no frame count, size or URI; its message says so, and its status is ``partial`` until the next
    run.

    Args:
        snapshot: snapshot whose table is damaged.
        others: snapshots whose tables may be readable, newest first.
    """
    known: dict[tuple[str, str], dict[str, Any]] = {}
    for other in others:
        try:
            rows = other.videos
        except DamagedError:
            continue
        for row in rows:
            known.setdefault((row["video_id"], row["content_id"]), row)
    parts: dict[str, list[SnapshotObject]] = defaultdict(list)
    for o in snapshot.objects:
        parts[o.video_id].append(o)
    return [_row(objects, known.get((video_id, objects[0].content_id))) for video_id, objects in parts.items()]


def _row(objects: list[SnapshotObject], known: dict[str, Any] | None) -> dict[str, Any]:
    clips, first = sum(o.clips for o in objects), objects[0]
    if known and known["clips"] == clips:
        return known
    if known:
        complete = clips == known["expected_clips"]
        status = (
            {"status": "complete", "kind": None, "message": None} if complete else {"status": "partial", **LOST_ROW}
        )
        return known | {"clips": clips} | status
    ids = {"video_id": first.video_id, "uri": "", "content_id": first.content_id}
    return {**ids, "clips": clips, "expected_clips": max(o.last_clip for o in objects), "status": "partial", **LOST_ROW}
