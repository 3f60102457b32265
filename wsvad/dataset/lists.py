"""Lists: immutable tables of videos and their objects, referenced by snapshots. See ``docs/decisions/0010``.

The videos of a snapshot, ordered by id, are split into lists. A publication rewrites only the lists with changes.
Videos of one folder have neighbouring ids, so that a night's footage changes few lists.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from wsvad.arrow import owned_reader
from wsvad.columns import LISTS_SCHEMA, OBJECTS, VIDEO_ID, VIDEOS_SCHEMA
from wsvad.dataset import layout
from wsvad.errors import DamagedError, ObjectNotFound
from wsvad.storage import Created, Store

REMEDY = "run `wsvad verify --repair`, which reports all damage and repairs what it can"
"""Remedy in messages about damage."""

MIN_WEIGHT = 256
"""Target weight of a list in data sets of up to 65,536 objects and videos; the square root of the number above that."""
_THREADS = 8


@dataclass(frozen=True, slots=True)
class SnapshotObject:
    """The object of one unit in a snapshot."""

    key: str
    video_id: str
    content_id: str
    first_clip: int
    last_clip: int
    clips: int
    """Clips in the object; fewer than in its range if frames were missing."""
    rows: int
    bytes: int
    sha256: str


class Entry(NamedTuple):
    """A video in a snapshot, with its objects."""

    video: dict[str, Any]
    """Row with every column of ``VIDEOS_SCHEMA``; shared by all readers, must not be modified."""
    objects: tuple[SnapshotObject, ...] = ()
    """Ordered by first clip."""

    @property
    def video_id(self) -> str:
        """Id of the video."""
        return str(self.video[VIDEO_ID])

    @property
    def weight(self) -> int:
        """Weight for splitting videos into lists: the number of objects, at least 1."""
        return max(1, len(self.objects))


@dataclass(frozen=True)
class ListRef:
    """Reference to a list in a snapshot. The list holds the videos from ``first`` up to the next list's ``first``."""

    key: str
    sha256: str
    """SHA-256 of the list's bytes (hex); the key starts with the same digits."""
    first: str
    """Id of the first video."""
    videos: int
    objects: int
    clips: int
    rows: int

    @property
    def weight(self) -> int:
        """Lower bound of the total weight of its entries, see :attr:`Entry.weight`."""
        return max(self.videos, self.objects)


_VIDEO_COLUMNS = tuple(VIDEOS_SCHEMA.names)
_OBJECT_COLUMNS = tuple(f.name for f in fields(SnapshotObject) if f.name != VIDEO_ID)

Part = tuple[ListRef | None, Sequence[Entry]]
"""A stored list, or entries that are not yet split into lists."""


def entry_of(video: dict[str, Any], objects: Iterable[SnapshotObject] = ()) -> Entry:
    """Return the entry of a video; columns missing from the row are null."""
    row = {name: video.get(name) for name in _VIDEO_COLUMNS}
    return Entry(row, tuple(sorted(objects, key=lambda o: o.first_clip)))


def target_weight(total: int) -> int:
    """Return the target weight of the lists of a data set with this total weight.

    The square root balances the two costs of a publication: rewriting about one list, and one line per list in the
    snapshot.
    """
    return max(MIN_WEIGHT, math.isqrt(total))


def split_entries(entries: Sequence[Entry], usual: int) -> list[list[Entry]]:
    """Split entries into pieces of about the target weight. Up to twice that weight stays in one piece.

    The gap leaves room to grow, so that a list is not split again soon.
    """
    total = sum(e.weight for e in entries)
    if total <= 2 * usual:
        return [list(entries)] if entries else []
    pieces = -(-total // usual)
    begins, before = [], 0
    for entry in entries:
        begins.append(before * pieces // total)
        before += entry.weight
    numbered = zip(begins, entries, strict=True)
    return [[entry for _, entry in piece] for _, piece in groupby(numbered, key=lambda pair: pair[0])]


def store_lists(store: Store, parts: Iterable[Part]) -> tuple[ListRef, ...]:
    """Write the parts that are not stored yet; return references to all lists, in order.

    Args:
        store: root of the data set.
        parts: ordered by video id.
    """
    parts = [(ref, entries) for ref, entries in parts if ref or entries]
    total = sum(ref.weight if ref else sum(e.weight for e in entries) for ref, entries in parts)
    usual = target_weight(total)
    with ThreadPoolExecutor(_THREADS) as pool:
        running = [
            [pool.submit(_store_list, store, piece) for piece in split_entries(entries, usual)] if ref is None else ref
            for ref, entries in parts
        ]
        return tuple(
            ref
            for part in running
            for ref in ([part] if isinstance(part, ListRef) else [future.result() for future in part])
        )


def _store_list(store: Store, entries: Sequence[Entry]) -> ListRef:
    ref, data = encode_list(entries)
    if store.create(ref.key, data) is not Created.NEW:
        # Rewrite it, so that it is recent for the garbage collection, and in case that the stored bytes are damaged.
        store.replace(ref.key, data)
    return ref


def encode_list(entries: Sequence[Entry]) -> tuple[ListRef, bytes]:
    """Return the reference to a list of these entries, and the list's bytes."""
    columns = {name: [e.video[name] for e in entries] for name in _VIDEO_COLUMNS}
    objects = [[{name: getattr(o, name) for name in _OBJECT_COLUMNS} for o in e.objects] for e in entries]
    table = pa.Table.from_pydict({**columns, OBJECTS: objects}, schema=LISTS_SCHEMA)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    data = sink.getvalue().to_pybytes()
    key = layout.content_key(layout.LISTS, data)
    return ListRef(key, hashlib.sha256(data).hexdigest(), entries[0].video_id, **_counts(entries)), data


def _counts(entries: Sequence[Entry]) -> dict[str, int]:
    objects = [o for e in entries for o in e.objects]
    return {
        "videos": len(entries),
        "objects": len(objects),
        "clips": sum(o.clips for o in objects),
        "rows": sum(o.rows for o in objects),
    }


def decode_list(ref: ListRef, data: bytes, name: str) -> tuple[Entry, ...]:
    """Decode the bytes of a list.

    Raises:
        DamagedError: the bytes do not match the reference.
    """
    problem = ""
    if hashlib.sha256(data).hexdigest() != ref.sha256:
        problem = "its digest does not match the snapshot"
    else:
        try:
            entries = _entries(pq.read_table(owned_reader(data), schema=LISTS_SCHEMA))
            problem = _contradiction(ref, entries)
        except (pa.ArrowException, OSError, TypeError) as error:
            problem = str(error)
        else:
            if not problem:
                return entries
    raise DamagedError(f"{name} is damaged: {problem}; {REMEDY}")


def _entries(table: pa.Table) -> tuple[Entry, ...]:
    """Return the rows of a list. Reads by column, which is several times faster than by row."""
    columns = [table[name].to_pylist() for name in _VIDEO_COLUMNS]
    listed = table[OBJECTS].combine_chunks()
    ends = listed.offsets.to_pylist()
    flat = listed.flatten()
    objects = list(zip(*(flat.field(name).to_pylist() for name in _OBJECT_COLUMNS), strict=True))
    found = []
    for row, (begin, end) in zip(zip(*columns, strict=True), pairwise(ends), strict=True):
        video = dict(zip(_VIDEO_COLUMNS, row, strict=True))
        id_ = video[VIDEO_ID]
        found.append(Entry(video, tuple(SnapshotObject(key, id_, *rest) for key, *rest in objects[begin:end])))
    return tuple(found)


def _contradiction(ref: ListRef, entries: Sequence[Entry]) -> str:
    """Return how a list contradicts its reference, or ``""`` if it does not."""
    counts = _counts(entries)
    for name, found in counts.items():
        if found != getattr(ref, name):
            return f"it has {found} {name}, the snapshot states {getattr(ref, name)}"
    ids = [e.video_id for e in entries]
    if not ids or ids[0] != ref.first or any(a >= b for a, b in pairwise(ids)):
        return "its videos are not in order"
    return ""


class ListReader:
    """Reads and caches the lists of one data set; lists are immutable.

    Args:
        store: root of the data set.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._cache: dict[str, tuple[Entry, ...]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Pickle without the cache; the receiver reads the lists that it needs."""
        return {"store": self.store, "_cache": {}}

    def read(self, refs: Sequence[ListRef], *, skip_damaged: bool = False) -> list[tuple[Entry, ...]]:
        """Return the entries of some lists.

        Args:
            refs: references to the lists.
            skip_damaged: return no entries for a missing or damaged list instead of raising.

        Raises:
            DamagedError: a list is missing or damaged.
        """
        new = [ref for ref in refs if ref.sha256 not in self._cache]
        lost = []
        with ThreadPoolExecutor(_THREADS) as pool:
            for ref, future in [(ref, pool.submit(self._read, ref)) for ref in new]:
                try:
                    self._cache[ref.sha256] = future.result()
                except DamagedError as error:
                    lost.append(error)
        if lost and not skip_damaged:
            raise lost[0]
        return [self._cache.get(ref.sha256, ()) for ref in refs]

    def keep_only(self, refs: Iterable[ListRef]) -> None:
        """Remove all other lists from the cache."""
        wanted = {ref.sha256 for ref in refs}
        self._cache = {digest: entries for digest, entries in self._cache.items() if digest in wanted}

    def _read(self, ref: ListRef) -> tuple[Entry, ...]:
        name = f"{self.store.uri}/{ref.key}"
        try:
            data = self.store.read(ref.key)
        except ObjectNotFound as error:
            raise DamagedError(f"{name} is missing, but a snapshot references it; {REMEDY}") from error
        return decode_list(ref, data, name)
