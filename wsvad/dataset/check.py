"""Check a data set except for its units: snapshots, lists, description, cached indexes and records."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from wsvad.dataset import layout, training_ids
from wsvad.dataset.lists import REMEDY, Entry, ListRef, Part
from wsvad.dataset.sealed import unseal
from wsvad.dataset.snapshots import (
    Snapshot,
    SnapshotObject,
    kind_of,
    read_dataset,
    read_snapshot,
    snapshot_keys,
)
from wsvad.errors import DamagedError, ObjectNotFound
from wsvad.storage import Store


@dataclass(frozen=True)
class Fault:
    """A missing or damaged object, or a contradiction between two objects."""

    key: str
    """Key of the missing or damaged object."""
    text: str
    missing: bool = False
    repairable: bool = True
    """Whether the correct content is known."""


@dataclass
class DatasetState:
    """Result of an inspection: the readable part of a data set, and its faults."""

    snapshot: Snapshot | None = None
    """The newest intact snapshot."""
    parts: list[Part] = field(default_factory=list)
    """Readable content of that snapshot. A damaged list is replaced by entries of its videos from older snapshots."""
    lost: bool = False
    """Whether an object other than a unit that the snapshot references is missing or damaged."""
    one_level: tuple[SnapshotObject, ...] = ()
    """Objects of a one-level snapshot whose table of videos is damaged; ``parts`` is then empty."""
    described: dict[str, Any] | None = None
    """Content of ``dataset.json``; ``None`` if it is missing or damaged."""
    snapshots: list[Snapshot] = field(default_factory=list)
    """All intact snapshots, newest first."""
    faults: list[Fault] = field(default_factory=list)

    @property
    def objects(self) -> list[SnapshotObject]:
        """The objects that should exist."""
        return [*self.one_level, *(o for _, entries in self.parts for entry in entries for o in entry.objects)]

    @property
    def videos(self) -> list[dict[str, Any]]:
        """Rows of the known videos."""
        return [entry.video for _, entries in self.parts for entry in entries]

    @property
    def kind(self) -> str | None:
        """Kind of the data set, ``features`` or ``scores``; ``None`` if unknown."""
        if self.described:
            return str(self.described["kind"])
        return kind_of(self.snapshot.config) if self.snapshot else None


def inspect_dataset(store: Store, *, deep: bool = True) -> DatasetState:
    """Find missing and damaged objects, except for units and quarantine records.

    Args:
        store: root of the data set.
        deep: read all objects; otherwise only the snapshots, and the lists of the newest one, which every reader needs.
    """
    state = DatasetState()
    _snapshots(store, state)
    if deep:
        _runs(store, state)
    _description(store, state)
    _tables(store, state, deep)
    if deep:
        state.faults += check_objects(store, layout.INDEX, _check_name)
    if state.kind == "scores":
        _check(store, state, layout.TRAINING_IDS, lambda: training_ids.read_training_ids(store, state.described or {}))
    return state


def check_objects(store: Store, prefix: str, check: Callable[[str, bytes], object]) -> list[Fault]:
    """Read every object below a prefix; return a fault for each that ``check(key, data)`` reports as damaged."""

    def check_one(key: str) -> Fault | None:
        try:
            check(key, store.read(key))
        except ObjectNotFound:  # deleted since it was listed
            return None
        except DamagedError as error:
            return Fault(key, _text(store, error))
        return None

    with ThreadPoolExecutor(8) as pool:
        return [fault for fault in pool.map(check_one, [info.key for info in store.list(prefix)]) if fault]


def _check(store: Store, state: DatasetState, key: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except DamagedError as error:
        missing = not _exists(store, key)
        state.faults.append(Fault(key, _text(store, error), missing))
        return None


def _exists(store: Store, key: str) -> bool:
    return any(info.key == key for info in store.list(key))


def _text(store: Store, error: DamagedError) -> str:
    return str(error).removeprefix(f"{store.uri}/").removesuffix(f"; {REMEDY}")


def _check_name(key: str, data: bytes) -> None:
    if layout.content_key(key.rpartition("/")[0] + "/", data) != key:
        raise DamagedError(f"{key} is damaged: its digest does not match its name")


def _snapshots(store: Store, state: DatasetState) -> None:
    for key in reversed(snapshot_keys(store)):
        try:
            state.snapshots.append(read_snapshot(store, key, state.snapshots[-1] if state.snapshots else None))
        except ObjectNotFound:  # garbage-collected since it was listed
            continue
        except DamagedError as error:
            state.faults.append(Fault(key, _text(store, error)))
    state.snapshot = state.snapshots[0] if state.snapshots else None


def _runs(store: Store, state: DatasetState) -> None:
    """Check the records of runs. The snapshot that the newest run published must exist.

    Older records prove nothing, because snapshot numbers restart after all snapshots were lost.
    """
    published: dict[str, str] = {}

    def check(key: str, data: bytes) -> None:
        summary = unseal(data, key, ("config", "versions", "summary"))["summary"]
        if isinstance(summary, dict) and isinstance(summary.get("snapshot"), str):
            published[key] = summary["snapshot"]

    state.faults += check_objects(store, layout.RUNS, check)
    began = max((_start_time(key) for key in published), default="")
    number, newest = max(
        ((layout.snapshot_number(s) or 0, key) for key, s in published.items() if _start_time(key) == began),
        default=(0, ""),
    )
    damaged = [layout.snapshot_number(fault.key) or 0 for fault in state.faults]
    known = max([*damaged, state.snapshot.number if state.snapshot else 0])
    if number > known and not _exists(store, published[newest]):  # it may have been created since the listing
        text = f"{published[newest]} is missing, which {newest} published"
        if not state.snapshot:
            text += "; run the command that made the data set again to publish the stored units"
        state.faults.append(Fault(published[newest], text, missing=True))


def _start_time(run_key: str) -> str:
    """Return the start time of a run, in seconds, from the key of its record."""
    return run_key.removeprefix(layout.RUNS).partition("-")[0]


def _description(store: Store, state: DatasetState) -> None:
    state.described = _check(store, state, layout.DATASET, lambda: read_dataset(store))
    if state.described and state.snapshot and state.described["fingerprint"] != state.snapshot.fingerprint:
        text = f"{layout.DATASET} belongs to another configuration than snapshot {state.snapshot.number}"
        state.faults.append(Fault(layout.DATASET, text, repairable=False))


def _tables(store: Store, state: DatasetState, deep: bool) -> None:
    """Check the lists, or the table of videos of a one-level snapshot."""
    newest = state.snapshot
    if newest is not None and newest.one_level:
        entries = _check(store, state, newest.one_level.videos_key, lambda: newest.entries)
        state.lost = entries is None
        state.parts, state.one_level = ([], newest.objects) if entries is None else ([(None, entries)], ())
    elif newest is not None:
        assert newest.reader
        newest.reader.read(newest.lists, skip_damaged=True)  # read in parallel; intact lists stay cached
        state.parts = [_part(store, state, newest, number) for number in range(len(newest.lists))]
    if deep:
        known = {fault.key for fault in state.faults}
        for prefix in (layout.LISTS, layout.VIDEOS):
            listed = {info.key for info in store.list(prefix)}
            found = [*check_objects(store, prefix, _check_name), *_unlisted(prefix, state.snapshots, listed)]
            state.faults += [fault for fault in found if fault.key not in known]


def _part(store: Store, state: DatasetState, newest: Snapshot, number: int) -> Part:
    """Return one list of the newest snapshot, or, if it is damaged, its videos' entries from older snapshots."""
    ref = newest.lists[number]
    found = _check(store, state, ref.key, lambda: _read(newest, ref))
    if found is not None:
        return ref, found
    state.lost = True
    begin = ref.first if number else ""
    end = newest.lists[number + 1].first if number + 1 < len(newest.lists) else None
    known: dict[str, Entry] = {}
    for older in state.snapshots[1:]:
        entries, whole = _between(older, begin, end)
        for entry in entries:
            known.setdefault(entry.video_id, entry)
        if whole:
            break
    return None, [known[video_id] for video_id in sorted(known)]


def _read(snapshot: Snapshot, ref: ListRef) -> tuple[Entry, ...]:
    assert snapshot.reader
    (entries,) = snapshot.reader.read([ref])
    return entries


def _between(snapshot: Snapshot, begin: str, end: str | None) -> tuple[list[Entry], bool]:
    """Return the readable entries with ids in ``[begin, end)``, and whether they are complete."""
    found: list[Entry] = []
    whole = True
    if snapshot.one_level:
        try:
            found += snapshot.entries
        except DamagedError:
            whole = False
    ends = [*(ref.first for ref in snapshot.lists[1:]), None]
    for ref, until in zip(snapshot.lists, ends, strict=False):
        if (end is not None and ref.first >= end) or (until is not None and until <= begin):
            continue
        try:
            found += _read(snapshot, ref)
        except DamagedError:
            whole = False
    return [e for e in found if e.video_id >= begin and (end is None or e.video_id < end)], whole


def _unlisted(prefix: str, snapshots: Iterable[Snapshot], listed: set[str]) -> list[Fault]:
    named = {key: s.number for s in snapshots for key in s.table_keys if key.startswith(prefix)}
    return [
        Fault(key, f"{key} is missing, but snapshot {number} references it", missing=True)
        for key, number in named.items()
        if key not in listed
    ]
