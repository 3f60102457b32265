"""Events of a nightly run: found for every model, and compared with the previously published events."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from wsvad.dataset import layout
from wsvad.dataset.lists import SnapshotObject
from wsvad.dataset.snapshots import Snapshot, latest_snapshot, read_snapshot
from wsvad.errors import DamagedError, ObjectNotFound, UsageError
from wsvad.events.job import EventsOptions, find_all_events
from wsvad.events.reading import read_rows
from wsvad.events.table import Counts
from wsvad.events.thresholds import load_thresholds
from wsvad.nightly.changes import EventChange, EventSpan, compare_events
from wsvad.nightly.layout import EVENTS, folder_name
from wsvad.nightly.options import RescoreOptions
from wsvad.nightly.published import SnapshotRef, digest_of
from wsvad.storage import Store, open_store

log = logging.getLogger(__name__)

_READERS = 16


def thresholds_by_model(options: RescoreOptions) -> dict[str, tuple[str, str]]:
    """Return the URI and digest of the thresholds file of each model that has one.

    Raises:
        UsageError, DamagedError: a file is invalid, or two files belong to the same model.
    """
    found: dict[str, tuple[str, str]] = {}
    for uri in options.thresholds:
        thresholds, digest = load_thresholds(uri, options.store)
        if thresholds.checkpoint in found:
            raise UsageError(
                f"--thresholds: {found[thresholds.checkpoint][0]} and {uri} belong to the same model; give only one"
            )
        found[thresholds.checkpoint] = uri, digest
    return found


def make_events(
    options: RescoreOptions, root: Store, scores: Mapping[str, SnapshotRef], console: Console
) -> dict[str, SnapshotRef]:
    """Update the events of every model and return their snapshots by model digest.

    Raises:
        UsageError, ConflictError, DamagedError, StorageError: as ``find_all_events``.
    """
    found, thresholds = {}, thresholds_by_model(options)
    for digest, at in scores.items():
        uri, file = thresholds.get(digest, (None, None))
        point = {"thresholds": file} if file else {"settings": options.settings.to_dict()}
        prefix = f"{EVENTS}{folder_name(digest_of({'model': digest, **point}))}"
        find_all_events(
            EventsOptions(
                scores=f"{root.uri}/{at.prefix}",
                out=f"{root.uri}/{prefix}",
                cameras=options.cameras,
                settings=options.settings,
                thresholds=uri,
                store=options.store,
            ),
            console,
        )
        snapshot = latest_snapshot(open_store(f"{root.uri}/{prefix}", root.options))
        if snapshot is None:
            raise DamagedError(f"{root.uri}/{prefix}: the published snapshot is missing; run the same command again")
        found[digest] = SnapshotRef(prefix, snapshot.number, snapshot.fingerprint)
    return found


@dataclass(frozen=True)
class Changes:
    """Events of the champion compared with the events published before."""

    events: int
    counts: Mapping[str, int]
    """Number of events ``kept``, ``moved``, ``new`` and ``gone``."""
    changed: tuple[EventChange, ...]
    """All changes except ``kept``."""

    def to_list(self) -> list[dict[str, Any]]:
        """Return the changes as JSON values; a missing event is null."""
        return [
            {
                "change": change.change,
                "before": change.before._asdict() if change.before else None,
                "now": change.now._asdict() if change.now else None,
            }
            for change in self.changed
        ]


def compare_nights(root: Store, before: SnapshotRef | None, now: SnapshotRef) -> Changes:
    """Compare the events of two published data sets; identical units are not read.

    If the earlier events are missing or damaged, all current events count as new, so lost data does not stop a run.

    Raises:
        DamagedError: a unit of the current events is missing or damaged.
    """
    new = EventUnits(root, now)
    there, events = _earlier(root, before, new) if before else ({}, [])
    same = {name for name, o in new.objects.items() if there.get(name) == o.sha256}
    changes = compare_events(events, new.events(same))
    counts: Counter[str] = Counter(change.change for change in changes)
    counts["kept"] += new.count(same)
    total = counts["kept"] + counts["moved"] + counts["new"]
    return Changes(total, dict(counts), tuple(change for change in changes if change.change != "kept"))


def _earlier(root: Store, before: SnapshotRef, new: EventUnits) -> tuple[dict[str, str], list[EventSpan]]:
    """Return the digests of the earlier units, and the events of the units that changed or are gone."""
    try:
        old = EventUnits(root, before)
        same = {name for name, o in old.objects.items() if name in new.objects and new.objects[name].sha256 == o.sha256}
        return {name: o.sha256 for name, o in old.objects.items()}, list(old.events(same))
    except (DamagedError, ObjectNotFound) as error:
        log.warning("the events of the previous night cannot be read, so all events count as new: %s", error)
        return {}, []


class EventUnits:
    """Units of a published snapshot of events."""

    def __init__(self, root: Store, at: SnapshotRef) -> None:
        self._store = open_store(f"{root.uri}/{at.prefix}", root.options)
        self._snapshot: Snapshot = read_snapshot(self._store, layout.snapshot_key(at.snapshot))
        self.objects: Mapping[str, SnapshotObject] = {o.video_id: o for o in self._snapshot.objects}

    def events(self, exclude: set[str]) -> Iterator[EventSpan]:
        """Yield the events of all units except ``exclude``."""
        wanted = [o for name, o in self.objects.items() if name not in exclude]
        with ThreadPoolExecutor(_READERS) as pool:
            for rows in pool.map(self._rows, wanted):
                yield from (_span(row) for row in rows if row["kind"] == "event")

    def count(self, names: set[str]) -> int:
        """Return the number of events in the given units."""
        return sum(counts.events for counts in self.counts(names).values())

    def counts(self, names: set[str]) -> dict[str, Counts]:
        """Return the counts of the given units from the units table, by name; missing units are left out."""
        return {
            name: Counts.from_notes(entry.video["notes"]) or Counts.of(self._rows(self.objects[name]))
            for name, entry in self._snapshot.of(names).items()
        }

    def _rows(self, unit: SnapshotObject) -> list[dict[str, Any]]:
        return read_rows(self._store, self._snapshot, unit)


def _span(row: Mapping[str, Any]) -> EventSpan:
    if row["start_utc"] is None:
        return EventSpan(f"video {row['video_id']}", float(row["start_s"]), float(row["end_s"]))
    return EventSpan(f"camera {row['camera']}", row["start_utc"].timestamp(), row["end_utc"].timestamp())
