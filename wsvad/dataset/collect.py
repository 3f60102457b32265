"""Delete what no recent snapshot names: objects of replaced videos, leftovers of runs that nobody went on with."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from wsvad.dataset import layout
from wsvad.dataset.lists import ListReader
from wsvad.dataset.names import DEFAULT_GRACE_HOURS
from wsvad.dataset.snapshots import Snapshot, named_keys
from wsvad.errors import ObjectNotFound, UsageError
from wsvad.storage import ObjectInfo, Store

LEAST_GRACE_HOURS = 24.0
"""A run publishes at least every six hours, and takes over nothing that is old without writing it anew."""


@dataclass(frozen=True)
class Collected:
    """What was deleted, or would have been."""

    snapshots: int = 0
    objects: int = 0
    """Units, their pictures, lists, and tables of videos."""
    bytes: int = 0
    """Of all that, snapshots included."""


def collect(store: Store, *, grace_hours: float = DEFAULT_GRACE_HOURS, dry_run: bool = False) -> Collected:
    """Delete old snapshots, and what neither a recent snapshot names nor a run may still need.

    Recent are the newest snapshot and every other that was the newest at any time of the last ``grace_hours``: whoever
    began to read one of them within that time still finds all that it names. Of the rest, only what was written
    longer ago than that is deleted; snapshots first, so that none is ever there whose objects are not.

    Safe beside runs: what they have written or published is young, and what they take over from an old run
    (``wsvad.work.stored.adopt``) they write anew first. Killed half-way, it goes on the next time.

    Args:
        store: root of the data set.
        grace_hours: at least 24.
        dry_run: only say what would be deleted.

    Raises:
        UsageError: a shorter grace.
        StorageError: the store failed, or a recent snapshot cannot be read; then nothing was deleted.
    """
    check_grace(grace_hours)
    before_ns = time.time_ns() - int(grace_hours * 3600e9)
    # snapshots last: what a run publishes meanwhile is in the list, or was written after it began
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
    """Raise ``UsageError`` for a grace time that a run could outlast."""
    if not hours >= LEAST_GRACE_HOURS:
        raise UsageError(f"the grace time must be at least {LEAST_GRACE_HOURS:g} hours, got {hours:g}")


def _by_age(snapshots: Sequence[ObjectInfo], before_ns: int) -> tuple[list[ObjectInfo], list[ObjectInfo]]:
    """Split snapshots, oldest first, into those whose successor is older than the grace time, and the recent rest."""
    old = 0
    while old + 1 < len(snapshots) and snapshots[old + 1].mtime_ns < before_ns:
        old += 1
    return list(snapshots[:old]), list(snapshots[old:])


def _read(store: Store, info: ObjectInfo) -> Snapshot:
    return Snapshot.from_json(store.read(info.key), f"{store.uri}/{info.key}", ListReader(store))


def _delete(store: Store, listed: ObjectInfo) -> bool:
    """Delete an object unless a run has written it anew since it was listed."""
    try:
        if store.stat(listed.key) != listed:
            return False
    except ObjectNotFound:
        return False
    store.delete(listed.key)
    return True
