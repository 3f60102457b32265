"""Reads the newest snapshot of an events data set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from wsvad.dataset.published import published_snapshot, published_videos, read_published
from wsvad.dataset.snapshots import REMEDY, Snapshot, SnapshotObject
from wsvad.dataset.tables import PublishedTables
from wsvad.errors import DamagedError, UsageError
from wsvad.events.config import EventsConfig
from wsvad.events.table import decode_events
from wsvad.storage import Store, StoreOptions, open_store
from wsvad.work.stored import DamagedUnit


@dataclass(frozen=True)
class EventSet(PublishedTables):
    """The events of a snapshot. Rows are read on demand. Open one with :meth:`open`.

    >>> events = EventSet.open("events")
    >>> sorted(events.units)[:2]  # camera and day; offsets, because the recording times are unknown
    ['offsets/cam0.mp4', 'offsets/cam1.mp4']
    >>> events.to_arrow().column_names[:3]
    ['kind', 'camera', 'day']
    """

    rows_are: ClassVar[str] = "events"

    store: Store
    snapshot: Snapshot
    units: Mapping[str, SnapshotObject] = field(repr=False)
    """Stored object of each camera and day, ``day/camera``; ``offsets/VIDEO`` if the recording time is unknown."""
    videos: Mapping[str, Mapping[str, Any]] = field(repr=False)
    """Rows of the snapshot's list, by the same names."""

    @classmethod
    def open(cls, uri: str, options: StoreOptions | None = None) -> EventSet:
        """Open the newest snapshot of an events data set.

        Args:
            uri: URI of the data set, the ``--out`` of ``wsvad events``.
            options: settings of the store.

        Raises:
            UsageError: there is no events data set, or nothing is published.
            ConflictError: snapshot and data set have different configurations.
            DamagedError: stored data is damaged.
        """
        store = open_store(uri, options)
        snapshot = published_snapshot(store, EventsConfig.kind, "events")
        units = {o.video_id: o for o in snapshot.objects}
        return cls(store, snapshot, dict(sorted(units.items())), published_videos(store, snapshot, units))

    def rows(self, unit: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the rows; ``kind`` is ``event``, ``scored`` or ``not_scored``.

        Args:
            unit: a key of ``units``; None: all, sorted by name.

        Raises:
            UsageError: the unit does not exist.
            DamagedError: an object is missing or damaged.
        """
        if unit is not None and unit not in self.units:
            raise UsageError(f"{self.uri} has no unit {unit!r:.120}; it has {len(self.units)}")
        for name in self.units if unit is None else [unit]:
            yield from read_rows(self.store, self.snapshot, self.units[name])

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield only the rows of events. Raises as :meth:`rows`."""
        return (row for row in self.rows() if row["kind"] == "event")


def read_rows(store: Store, snapshot: Snapshot, described: SnapshotObject) -> list[dict[str, Any]]:
    """Return the rows of an events object after verifying it against the digest in the snapshot.

    Raises:
        DamagedError: the object is missing or damaged.
    """
    data, uri = read_published(store, snapshot, described, "events"), store.uri_of(described.key)
    if hashlib.sha256(data).hexdigest() != described.sha256:
        raise DamagedError(f"{uri} is damaged: its digest differs from the one in the snapshot; {REMEDY}")
    try:
        return decode_events(data).rows
    except DamagedUnit as error:
        raise DamagedError(f"{uri} is damaged: {error}; {REMEDY}") from error
