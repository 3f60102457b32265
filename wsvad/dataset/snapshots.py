"""Snapshots: the entry point of every reader. A snapshot references lists, which reference objects with digests."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from wsvad.dataset import layout
from wsvad.dataset.config import DatasetConfig, differences, fingerprint_of
from wsvad.dataset.lists import REMEDY, Entry, ListReader, ListRef, Part, SnapshotObject
from wsvad.dataset.one_level import OneLevel
from wsvad.dataset.sealed import is_sealed, seal, unseal
from wsvad.documents import DocumentError, build
from wsvad.errors import ConflictError, DamagedError, ObjectNotFound
from wsvad.storage import Created, Store

__all__ = ["REMEDY", "Snapshot", "SnapshotObject"]

_FIELDS = ("number", "fingerprint", "config", "run_id", "created_utc", "rows")


@dataclass(frozen=True)
class Snapshot:
    """A published state of the data set. Its lists are read on demand and cached."""

    number: int
    fingerprint: str
    config: dict[str, Any]
    """Configuration of the data set, ``DatasetConfig.to_dict()``."""
    lists: tuple[ListRef, ...]
    """Ordered by the ids of their videos."""
    run_id: str
    created_utc: str
    rows: int = 0
    one_level: OneLevel | None = None
    """Content of a one-level snapshot of an earlier version, which has no lists."""
    reader: ListReader | None = field(default=None, repr=False, compare=False)
    """Reads the lists; ``None`` if the snapshot was decoded without a store."""

    def to_json(self) -> bytes:
        """Return the snapshot as stored, with its digest."""
        assert self.one_level is None, "one-level snapshots are read-only"
        plain = {name: getattr(self, name) for name in _FIELDS}
        return seal(plain | {"lists": [asdict(ref) for ref in self.lists]})

    @classmethod
    def from_json(cls, data: bytes, name: str, reader: ListReader | None = None) -> Snapshot:
        """Parse a stored snapshot. Snapshots of earlier versions without a digest are checked for consistency.

        Raises:
            DamagedError: the bytes are no snapshot, or are damaged.
        """
        sealed = is_sealed(data)
        fields = unseal(data, name, _FIELDS if sealed else (*_FIELDS, "objects", "videos_key"), remedy=REMEDY)
        earlier = "lists" not in fields
        try:
            one_level = build(OneLevel, fields) if earlier else None
            found = build(_Document, fields | {"lists": []} if earlier else fields)
        except DocumentError as error:
            raise DamagedError(f"{name} is damaged: {error}; {REMEDY}") from error
        snapshot = cls(**vars(found), one_level=one_level, reader=reader)
        problem = snapshot._contradiction(sealed)
        if problem:
            raise DamagedError(f"{name} is damaged: {problem}; {REMEDY}")
        return snapshot

    def _contradiction(self, sealed: bool) -> str:
        """Return how the snapshot contradicts itself, or ``""`` if it does not."""
        if self.one_level is None:
            firsts = [ref.first for ref in self.lists]
            if any(a >= b for a, b in pairwise(firsts)):
                return "its lists are not in order"
            named, rows = "lists", sum(ref.rows for ref in self.lists)
        elif sealed:
            return ""
        else:
            named, rows = "objects", sum(o.rows for o in self.one_level.objects)
            if fingerprint_of(self.config) != self.fingerprint:
                return "its fingerprint does not match its configuration"
        return "" if rows == self.rows else f"its {named} have {rows} rows, it states {self.rows}"

    @property
    def table_keys(self) -> tuple[str, ...]:
        """Keys of the lists, or of the table of videos of a one-level snapshot."""
        return (self.one_level.videos_key,) if self.one_level else tuple(ref.key for ref in self.lists)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every video with its objects, ordered by id. Raises ``DamagedError``."""
        assert self.reader is not None, "decoded without a store"
        if self.one_level:
            return self.one_level.entries(self.reader.store)
        return tuple(entry for part in self.reader.read(self.lists) for entry in part)

    @property
    def objects(self) -> tuple[SnapshotObject, ...]:
        """Every object, ordered by video id and first clip. Raises ``DamagedError``."""
        return self.one_level.objects if self.one_level else tuple(o for e in self.entries for o in e.objects)

    @property
    def num_objects(self) -> int:
        """Number of objects; reads no list."""
        return len(self.one_level.objects) if self.one_level else sum(ref.objects for ref in self.lists)

    @property
    def videos(self) -> list[dict[str, Any]]:
        """The row of every video, see ``VIDEOS_SCHEMA``; must not be modified. Raises ``DamagedError``."""
        if self.one_level:
            assert self.reader is not None, "decoded without a store"
            return self.one_level.videos(self.reader.store)
        return [entry.video for entry in self.entries]

    def parts(self, video_ids: Iterable[str]) -> list[Part]:
        """Return all parts in order. Entries are read only of the lists that hold these videos.

        For a video that is not in the snapshot, the list that would hold it is read.

        Raises:
            DamagedError: a list is missing or damaged.
        """
        assert self.reader is not None, "decoded without a store"
        if self.one_level:
            return [(None, self.one_level.entries(self.reader.store))]
        firsts = [ref.first for ref in self.lists]
        touched = sorted({max(0, bisect_right(firsts, i) - 1) for i in video_ids}) if firsts else []
        read = dict(zip(touched, self.reader.read([self.lists[n] for n in touched]), strict=True))
        return [(ref, read.get(n, ())) for n, ref in enumerate(self.lists)]

    def of(self, video_ids: Iterable[str]) -> dict[str, Entry]:
        """Return the entries of these videos by id, omitting unknown ids. Only the lists that hold them are read.

        Raises:
            DamagedError: a list is missing or damaged.
        """
        wanted = frozenset(video_ids)
        return {e.video_id: e for _, part in self.parts(wanted) for e in part if e.video_id in wanted}


@dataclass(frozen=True)
class _Document:
    """Fields of a snapshot in JSON."""

    number: int
    fingerprint: str
    config: dict[str, Any]
    lists: tuple[ListRef, ...]
    run_id: str
    created_utc: str
    rows: int


def claim_dataset(store: Store, config: DatasetConfig, digests: Mapping[str, str] | None = None) -> None:
    """Create the data set at the target, or check that it has this configuration.

    Args:
        store: root of the data set.
        config: configuration that determines the rows.
        digests: SHA-256 (hex) by key of other objects that belong to this configuration.

    Raises:
        ConflictError: the data set has another configuration; the message lists the differences.
        DamagedError: the description of the data set is damaged.
    """
    data = describe(config.kind, config.fingerprint, config.to_dict(), digests)
    if store.create(layout.DATASET, data) is not Created.DIFFERENT:
        return
    check_dataset(store, config)
    there = store.read(layout.DATASET)
    if not is_sealed(there) or (digests and not (read_dataset(store) or {}).get("digests")):
        store.replace(layout.DATASET, data)  # written by an earlier version; now with digests


def describe(kind: str, fingerprint: str, config: Mapping[str, Any], digests: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of ``dataset.json``; see :func:`claim_dataset`."""
    more = {"digests": dict(digests)} if digests else {}
    return seal({"kind": kind, "fingerprint": fingerprint, "config": dict(config), **more})


def check_dataset(store: Store, config: DatasetConfig) -> None:
    """Refuse a target with a data set of another configuration. Writes nothing.

    Raises:
        ConflictError: the data set has another configuration.
        DamagedError: the description of the data set is damaged.
    """
    there = read_dataset(store)
    if there is None or there["fingerprint"] == config.fingerprint:
        return
    if there["kind"] != config.kind:
        raise ConflictError(
            f"{store.uri} holds {there['kind']!r}, not {config.kind!r}. Nothing was changed. Use another --out."
        )
    raise ConflictError(
        f"{store.uri} holds {config.kind} made with another configuration "
        f"({'; '.join(differences(config.to_dict(), there['config']))}). "
        "Nothing was changed. Use the same options, or another --out."
    )


def kind_of(config: Mapping[str, Any]) -> str:
    """Return the kind of data sets with this configuration: scores have a checkpoint, events have scores."""
    if "scores_fingerprint" in config:
        return "events"
    return "scores" if "checkpoint" in config else "features"


def read_dataset(store: Store) -> dict[str, Any] | None:
    """Return the description of the data set (``kind``, ``fingerprint``, ``config``), or ``None`` if there is none.

    Raises:
        DamagedError: the description is damaged, or missing although there are snapshots.
    """
    name = f"{store.uri}/{layout.DATASET}"
    try:
        data = store.read(layout.DATASET)
    except ObjectNotFound as error:
        if snapshot_keys(store):
            raise DamagedError(f"{name} is missing, so the configuration is unknown; {REMEDY}") from error
        return None
    described = unseal(data, name, ("kind", "fingerprint", "config"), remedy=REMEDY)
    config = described["config"]
    if not isinstance(config, dict):
        raise DamagedError(f"{name} is damaged: expected a configuration, got {config!r:.80}; {REMEDY}")
    if not is_sealed(data) and (described["kind"], described["fingerprint"]) != (
        kind_of(config),
        fingerprint_of(config),
    ):
        raise DamagedError(f"{name} is damaged: kind and fingerprint do not match its configuration; {REMEDY}")
    return described


def snapshot_keys(store: Store) -> list[str]:
    """Return the keys of all snapshots, oldest first, ignoring other objects in the same folder."""
    numbers = {info.key: layout.snapshot_number(info.key) for info in store.list(layout.SNAPSHOTS)}
    return sorted((key for key, number in numbers.items() if number), key=lambda key: numbers[key] or 0)


def latest_snapshot(store: Store, seen: Snapshot | None = None) -> Snapshot | None:
    """Return the newest snapshot, or ``None`` if nothing is published.

    Args:
        store: root of the data set.
        seen: an earlier snapshot, whose cached lists are reused.

    Raises:
        DamagedError: the snapshot is damaged.
    """
    keys = snapshot_keys(store)
    return read_snapshot(store, keys[-1], seen) if keys else None


def read_snapshot(store: Store, key: str, seen: Snapshot | None = None) -> Snapshot:
    """Return one snapshot; see :func:`latest_snapshot`.

    Raises:
        DamagedError: the snapshot is damaged, or its number does not match its key.
        ObjectNotFound: there is no such snapshot.
    """
    name = f"{store.uri}/{key}"
    reader = (seen.reader if seen else None) or ListReader(store)
    snapshot = Snapshot.from_json(store.read(key), name, reader)
    if layout.snapshot_key(snapshot.number) != key:
        raise DamagedError(f"{name} is damaged: it contains snapshot {snapshot.number}; {REMEDY}")
    return snapshot


def named_keys(snapshots: Iterable[Snapshot], *, skip_damaged: bool = False) -> set[str]:
    """Return the keys of everything that the snapshots reference. Lists that several share are read once.

    Args:
        snapshots: in ascending or descending order of their numbers.
        skip_damaged: ignore missing and damaged lists.

    Raises:
        DamagedError: a list is missing or damaged.
    """
    named: set[str] = set()
    for snapshot in snapshots:
        new = [ref for ref in snapshot.lists if ref.key not in named]
        if snapshot.one_level:
            named |= {o.key for o in snapshot.objects}
        elif new:
            assert snapshot.reader is not None
            named |= {
                o.key for part in snapshot.reader.read(new, skip_damaged=skip_damaged) for e in part for o in e.objects
            }
            snapshot.reader.keep_only(snapshot.lists)
        named |= set(snapshot.table_keys)
    return named
