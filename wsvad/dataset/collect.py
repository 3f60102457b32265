"""Garbage collection: delete objects of replaced videos and of abandoned runs that no recent snapshot references."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from wsvad.dataset import layout
from wsvad.dataset.defaults import DEFAULT_GRACE_HOURS
from wsvad.dataset.lists import ListReader
from wsvad.dataset.snapshots import Snapshot, named_keys
from wsvad.errors import ObjectNotFound, UsageError
from wsvad.storage import ObjectInfo, Store

MIN_GRACE_HOURS = 24.0
"""A run publishes at least every six hours, and rewrites old objects before it references them."""


@dataclass(frozen=True)
class Collected:
    """Counts of deleted objects, or, in a dry run, of objects to delete."""

    snapshots: int = 0
    objects: int = 0
    """Units, their pictures, lists and tables of videos."""
    bytes: int = 0
    """Total size, including snapshots."""


def collect(store: Store, *, grace_hours: float = DEFAULT_GRACE_HOURS, dry_run: bool = False) -> Collected:
    """Delete old snapshots, and old objects that no recent snapshot references.

    Recent snapshots are the newest one and all that were the newest at some time in the last ``grace_hours``. A reader
    that opened a snapshot within that time therefore still finds all its objects. Other objects are deleted if they
    were last written before that time. Snapshots are deleted first, so that no snapshot references deleted objects.

    Safe to run concurrently with jobs: what they wrote or published is recent, and units that they recover from an old
    run (``wsvad.work.stored.recover_stored_units``) are rewritten first. An interrupted collection continues the next
    time.

    Args:
        store: root of the data set.
        grace_hours: at least 24.
        dry_run: only count what would be deleted.

    Raises:
        UsageError: ``grace_hours`` is too small.
        StorageError: the store failed, or a recent snapshot cannot be read; in the latter case nothing was deleted.
    """
    check_grace(grace_hours)
    before_ns = time.time_ns() - int(grace_hours * 3600e9)
    # Snapshots are listed last: what a concurrent run publishes is in this listing or too recent to be deleted.
    stored = [info for part in (layout.UNITS, layout.LISTS, layout.VIDEOS) for info in store.list(part)]
    old, recent = _by_age([i for i in store.list(layout.SNAPSHOTS) if i.key.endswith(".json")], before_ns)
    named = named_keys([_read(store, info) for info in recent])
    unnamed = [info for info in stored if info.key not in named and info.mtime_ns < before_ns]
    unnamed += [
        info
        for info in store.list(layout.PICTURES)
        if layout.unit_key(layout.id_of(info.key)) not in named and info.mtime_ns < before_ns
    ]
    if dry_run:
        return Collected(len(old), len(unnamed), sum(info.size for info in [*old, *unnamed]))
    for info in old:
        store.delete(info.key)
    with ThreadPoolExecutor(8) as pool:
        gone = [
            info for info, done in zip(unnamed, pool.map(lambda i: _delete(store, i), unnamed), strict=True) if done
        ]
    return Collected(len(old), len(gone), sum(info.size for info in [*old, *gone]))


def check_grace(hours: float) -> None:
    """Raise ``UsageError`` for a grace time that is shorter than a run may take."""
    if not hours >= MIN_GRACE_HOURS:
        raise UsageError(f"the grace time must be at least {MIN_GRACE_HOURS:g} hours, got {hours:g}")


def _by_age(snapshots: Sequence[ObjectInfo], before_ns: int) -> tuple[list[ObjectInfo], list[ObjectInfo]]:
    """Split snapshots, oldest first, into those superseded before the grace time and the recent ones."""
    old = 0
    while old + 1 < len(snapshots) and snapshots[old + 1].mtime_ns < before_ns:
        old += 1
    return list(snapshots[:old]), list(snapshots[old:])


def _read(store: Store, info: ObjectInfo) -> Snapshot:
    return Snapshot.from_json(store.read(info.key), f"{store.uri}/{info.key}", ListReader(store))


def _delete(store: Store, listed: ObjectInfo) -> bool:
    """Delete an object unless it was rewritten since it was listed; return whether it was deleted."""
    try:
        if store.stat(listed.key) != listed:
            return False
    except ObjectNotFound:
        return False
    store.delete(listed.key)
    return True
