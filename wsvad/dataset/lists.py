"""Lists: immutable tables of videos and of their objects, which snapshots name. See ``docs/decisions/0010``.

The videos of a snapshot, ordered by id, are cut into lists. A publication writes only those lists anew in which
something changed: videos of one folder have neighbouring ids, so that a night touches few lists.
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

REMEDY = "`wsvad verify --repair` names what is damaged and mends what can be mended"
"""What messages about damage say to do."""

LEAST_WEIGHT = 256
"""Objects and videos of a list, about, in data sets of up to 65,536; in larger ones the square root of their number."""
_THREADS = 8


@dataclass(frozen=True, slots=True)
class SnapshotObject:
    """One unit's object in a snapshot."""

    key: str
    video_id: str
    content_id: str
    first_clip: int
    last_clip: int
    clips: int
    """Clips that the object holds; fewer than the range where frames were missing."""
    rows: int
    bytes: int
    sha256: str


class Entry(NamedTuple):
    """One video of a snapshot."""

    video: dict[str, Any]
    """Its row, with every column of ``VIDEOS_SCHEMA``; shared by all readers, not to be changed."""
    objects: tuple[SnapshotObject, ...] = ()
    """By first clip."""

    @property
    def video_id(self) -> str:
        """Id of the video."""
        return str(self.video[VIDEO_ID])

    @property
    def weight(self) -> int:
        """What it counts when videos are cut into lists: its objects, and at least one."""
        return max(1, len(self.objects))


@dataclass(frozen=True)
class ListRef:
    """One list as a snapshot names it. It holds the videos with ids from ``first`` up to the next list's."""

    key: str
    sha256: str
    """Of its bytes (hex); the key begins with the same digits."""
    first: str
    """Id of its first video."""
    videos: int
    objects: int
    clips: int
    rows: int

    @property
    def weight(self) -> int:
        """At least the weight of its entries, see :attr:`Entry.weight`."""
        return max(self.videos, self.objects)


_VIDEO_COLUMNS = tuple(VIDEOS_SCHEMA.names)
_OBJECT_COLUMNS = tuple(f.name for f in fields(SnapshotObject) if f.name != VIDEO_ID)

Part = tuple[ListRef | None, Sequence[Entry]]
"""A list that is stored already, or entries that are still to be cut into lists."""


def entry_of(video: dict[str, Any], objects: Iterable[SnapshotObject] = ()) -> Entry:
    """Return the entry of a video; columns that its row lacks are null."""
    row = {name: video.get(name) for name in _VIDEO_COLUMNS}
    return Entry(row, tuple(sorted(objects, key=lambda o: o.first_clip)))


def usual_weight(total: int) -> int:
    """Return what a list of a data set should weigh, of which all entries weigh so much together.

    The square root: a publication writes about one list, and one line for each of them into the snapshot.
    """
    return max(LEAST_WEIGHT, math.isqrt(total))


def cut(entries: Sequence[Entry], usual: int) -> list[list[Entry]]:
    """Cut entries into pieces of about the usual weight; what weighs at most twice of that stays together.

    Between the two lies room to grow: a list that was cut is not cut again soon.
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
    """Write those parts that are not stored yet, and return what a snapshot says of all, in order.

    Args:
        store: root of the data set.
        parts: in the order of their videos' ids.
    """
    parts = [(ref, entries) for ref, entries in parts if ref or entries]
    total = sum(ref.weight if ref else sum(e.weight for e in entries) for ref, entries in parts)
    usual = usual_weight(total)
    with ThreadPoolExecutor(_THREADS) as pool:
        running = [
            [pool.submit(_store_list, store, piece) for piece in cut(entries, usual)] if ref is None else ref
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
        # as if written now: nobody takes it for a leftover of long ago; other bytes under this name are damaged
        store.replace(ref.key, data)
    return ref


def encode_list(entries: Sequence[Entry]) -> tuple[ListRef, bytes]:
    """Return what a snapshot says of a list of these entries, and its bytes."""
    columns = {name: [e.video[name] for e in entries] for name in _VIDEO_COLUMNS}
    objects = [[{name: getattr(o, name) for name in _OBJECT_COLUMNS} for o in e.objects] for e in entries]
    table = pa.Table.from_pydict({**columns, OBJECTS: objects}, schema=LISTS_SCHEMA)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    data = sink.getvalue().to_pybytes()
    key = layout.named_by_content(layout.LISTS, data)
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
    """Undo :func:`encode_list`.

    Raises:
        DamagedError: the bytes are not what the snapshot names.
    """
    problem = ""
    if hashlib.sha256(data).hexdigest() != ref.sha256:
        problem = "its digest is not the one that the snapshot says"
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
    """The rows of a list; column by column, which is several times as fast as row by row."""
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
    """Say where a list contradicts what the snapshot says of it; empty where it does not."""
    counts = _counts(entries)
    for name, found in counts.items():
        if found != getattr(ref, name):
            return f"it has {found} {name}, the snapshot says {getattr(ref, name)}"
    ids = [e.video_id for e in entries]
    if not ids or ids[0] != ref.first or any(a >= b for a, b in pairwise(ids)):
        return "its videos are not in order"
    return ""


class ListReader:
    """Reads the lists of one data set, and keeps what it read: a list never changes.

    Args:
        store: root of the data set.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._kept: dict[str, tuple[Entry, ...]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """What travels: not what was read, which others read again if they need it."""
        return {"store": self.store, "_kept": {}}

    def read(self, refs: Sequence[ListRef], *, lost_ok: bool = False) -> list[tuple[Entry, ...]]:
        """Return the entries of some lists.

        Args:
            refs: the lists.
            lost_ok: one that is missing or damaged has no entries.

        Raises:
            DamagedError: one of them is missing or damaged.
        """
        new = [ref for ref in refs if ref.sha256 not in self._kept]
        lost = []
        with ThreadPoolExecutor(_THREADS) as pool:
            for ref, future in [(ref, pool.submit(self._read, ref)) for ref in new]:
                try:
                    self._kept[ref.sha256] = future.result()
                except DamagedError as error:
                    lost.append(error)
        if lost and not lost_ok:
            raise lost[0]
        return [self._kept.get(ref.sha256, ()) for ref in refs]

    def keep_only(self, refs: Iterable[ListRef]) -> None:
        """Let go of what was read of all other lists."""
        wanted = {ref.sha256 for ref in refs}
        self._kept = {digest: entries for digest, entries in self._kept.items() if digest in wanted}

    def _read(self, ref: ListRef) -> tuple[Entry, ...]:
        name = f"{self.store.uri}/{ref.key}"
        try:
            data = self.store.read(ref.key)
        except ObjectNotFound as error:
            raise DamagedError(f"{name} is missing, which a snapshot names; {REMEDY}") from error
        return decode_list(ref, data, name)
