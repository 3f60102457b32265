"""Snapshots: the only thing a reader has to trust. Each names whole objects with their rows and digests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wsvad.arrow import owned_reader
from wsvad.columns import VIDEOS_SCHEMA
from wsvad.dataset import layout
from wsvad.dataset.config import DatasetConfig, differences, fingerprint_of
from wsvad.dataset.sealed import is_sealed, seal, unseal
from wsvad.documents import DocumentError, build
from wsvad.errors import ConflictError, DamagedError, ObjectNotFound, StorageError
from wsvad.storage import Created, Store

REMEDY = "`wsvad verify --repair` names what is damaged and mends what can be mended"
"""What messages about damage say to do."""


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Snapshot:
    """A published state of the data set."""

    number: int
    fingerprint: str
    config: dict[str, Any]
    """What the data set was made with: ``DatasetConfig.to_dict``."""
    objects: tuple[SnapshotObject, ...]
    videos_key: str
    """Key of the videos table, see ``VIDEOS_SCHEMA``."""
    run_id: str
    created_utc: str
    rows: int = 0

    def to_json(self) -> bytes:
        """Return the snapshot as it is stored, with its digest."""
        return seal(asdict(self))

    @classmethod
    def from_json(cls, data: bytes, name: str) -> Snapshot:
        """Undo :meth:`to_json`; snapshots of earlier versions, which say no digest, are checked as far as they go.

        Raises:
            DamagedError: the bytes are no snapshot, or not what was written.
        """
        fields = unseal(data, name, cls.__dataclass_fields__, remedy=REMEDY)
        try:
            found = build(cls, fields)
        except DocumentError as error:
            raise DamagedError(f"{name} is damaged: {error}; {REMEDY}") from error
        problem = "" if is_sealed(data) else found._contradiction()
        if problem:
            raise DamagedError(f"{name} is damaged: {problem}; {REMEDY}")
        return found

    def _contradiction(self) -> str:
        """Say where a snapshot without a digest contradicts itself; empty where it does not."""
        if fingerprint_of(self.config) != self.fingerprint:
            return "its fingerprint is not that of its configuration"
        rows = sum(o.rows for o in self.objects)
        return "" if rows == self.rows else f"its objects have {rows} rows, it says {self.rows}"


def claim_dataset(store: Store, config: DatasetConfig, digests: Mapping[str, str] | None = None) -> None:
    """Make the target this configuration's data set, or confirm that it is.

    Args:
        store: root of the data set.
        config: what decides its rows.
        digests: SHA-256 (hex) of other objects that belong to this configuration, by key.

    Raises:
        ConflictError: it was made by another configuration; the message lists the differences.
        DamagedError: what is there is damaged.
    """
    data = describe(config.kind, config.fingerprint, config.to_dict(), digests)
    if store.create(layout.DATASET, data) is not Created.DIFFERENT:
        return
    check_dataset(store, config)
    there = store.read(layout.DATASET)
    if not is_sealed(there) or (digests and not (read_dataset(store) or {}).get("digests")):
        store.replace(layout.DATASET, data)  # of an earlier version: the same, with digests


def describe(kind: str, fingerprint: str, config: Mapping[str, Any], digests: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of ``dataset.json``; see :func:`claim_dataset`."""
    more = {"digests": dict(digests)} if digests else {}
    return seal({"kind": kind, "fingerprint": fingerprint, "config": dict(config), **more})


def check_dataset(store: Store, config: DatasetConfig) -> None:
    """Refuse a target that was made by another configuration; write nothing.

    Raises:
        ConflictError: it was.
        DamagedError: it cannot be told.
    """
    there = read_dataset(store)
    if there is None or there["fingerprint"] == config.fingerprint:
        return
    if there["kind"] != config.kind:
        raise ConflictError(
            f"{store.uri} holds {there['kind']!r}, not {config.kind!r}. Nothing was changed. Use another --out."
        )
    raise ConflictError(
        f"{store.uri} holds {config.kind} made by another configuration "
        f"({'; '.join(differences(config.to_dict(), there['config']))}). "
        "Nothing was changed. Use the same options, or another --out."
    )


def kind_of(config: Mapping[str, Any]) -> str:
    """Return what data sets of a configuration hold: scores have a checkpoint, events have scores."""
    if "scores_fingerprint" in config:
        return "events"
    return "scores" if "checkpoint" in config else "features"


def read_dataset(store: Store) -> dict[str, Any] | None:
    """Return the data set's own description (``kind``, ``fingerprint``, ``config``), or ``None`` where there is none.

    Raises:
        DamagedError: it is damaged, or missing where snapshots are.
    """
    name = f"{store.uri}/{layout.DATASET}"
    try:
        data = store.read(layout.DATASET)
    except ObjectNotFound as error:
        if snapshot_keys(store):
            raise DamagedError(f"{name} is missing, without which nobody knows the configuration; {REMEDY}") from error
        return None
    described = unseal(data, name, ("kind", "fingerprint", "config"), remedy=REMEDY)
    config = described["config"]
    if not isinstance(config, dict):
        raise DamagedError(f"{name} is damaged: expected a configuration, got {config!r:.80}; {REMEDY}")
    if not is_sealed(data) and (described["kind"], described["fingerprint"]) != (
        kind_of(config),
        fingerprint_of(config),
    ):
        raise DamagedError(f"{name} is damaged: kind and fingerprint are not those of its configuration; {REMEDY}")
    return described


def snapshot_keys(store: Store) -> list[str]:
    """Return the keys of all snapshots, oldest first; other objects beside them are none."""
    numbers = {info.key: layout.snapshot_number(info.key) for info in store.list(layout.SNAPSHOTS)}
    return sorted((key for key, number in numbers.items() if number), key=lambda key: numbers[key] or 0)


def latest_snapshot(store: Store) -> Snapshot | None:
    """Return the newest snapshot, or ``None`` where nothing was published.

    Raises:
        DamagedError: it is damaged.
    """
    keys = snapshot_keys(store)
    return read_snapshot(store, keys[-1]) if keys else None


def read_snapshot(store: Store, key: str) -> Snapshot:
    """Return one snapshot.

    Raises:
        DamagedError: it is damaged, or another one than its key says.
        ObjectNotFound: there is none.
    """
    name = f"{store.uri}/{key}"
    snapshot = Snapshot.from_json(store.read(key), name)
    if layout.snapshot_key(snapshot.number) != key:
        raise DamagedError(f"{name} is damaged: it is snapshot {snapshot.number}; {REMEDY}")
    return snapshot


def read_videos(store: Store, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return the rows of a snapshot's videos table; its name is the digest of its bytes.

    Raises:
        DamagedError: it is missing or damaged.
    """
    name = f"{store.uri}/{snapshot.videos_key}"
    try:
        data = store.read(snapshot.videos_key)
    except ObjectNotFound as error:
        raise DamagedError(f"{name} is missing, which snapshot {snapshot.number} names; {REMEDY}") from error
    if layout.named_by_content(layout.VIDEOS, data) != snapshot.videos_key:
        raise DamagedError(f"{name} is damaged: its digest is not its name; {REMEDY}")
    try:
        table = pq.read_table(owned_reader(data), schema=VIDEOS_SCHEMA)
    except (pa.ArrowException, OSError) as error:
        raise DamagedError(f"{name} is damaged: {error}; {REMEDY}") from error
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def store_videos(store: Store, rows: Sequence[dict[str, Any]]) -> str:
    """Store a videos table and return its key."""
    key, data = _encode_videos(sorted(rows, key=lambda v: str(v["video_id"])))
    _write_videos(store, key, data)
    return key


def _write_videos(store: Store, key: str, data: bytes) -> None:
    if store.create(key, data) is not Created.NEW:
        # as if written now: nobody takes it for a leftover of long ago; other bytes under this name are damaged
        store.replace(key, data)


def _encode_videos(rows: Sequence[dict[str, Any]]) -> tuple[str, bytes]:
    """Encode a videos table and name it by the digest of its bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=VIDEOS_SCHEMA), sink, compression="zstd")
    data = sink.getvalue().to_pybytes()
    return layout.named_by_content(layout.VIDEOS, data), data


def refuse_clashes(store: Store, there: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> None:
    """Refuse ids that the data set uses for other videos: publishing would silently replace their features.

    Raises:
        ConflictError: an id with another URI and other content.
    """
    known = {v["video_id"]: v for v in there}
    for row in rows:
        old = known.get(row["video_id"])
        if old and old["uri"] and old["content_id"] != row["content_id"] and old["uri"] != row["uri"]:
            raise ConflictError(
                f"{store.uri} has {row['video_id']!r} from {old['uri']}; {row['uri']} is another video of the same id. "
                "Nothing was replaced. Tell them apart with --id-prefix, or use another --out."
            )


_OUTDATED = {
    "status": "incomplete",
    "kind": "changed",
    "message": "the video has changed since; these clips are of what it was, until those of what it is are complete",
}


def _outlives(old: dict[str, Any], new: dict[str, Any] | None) -> bool:
    """Whether a published video stays although its content has changed: not all of the new content is there yet."""
    if new is None or new["content_id"] == old["content_id"]:
        return False
    return bool(new["status"] == "incomplete" and old["clips"])


def publish(
    store: Store,
    fingerprint: str,
    config: dict[str, Any],
    objects: Iterable[SnapshotObject],
    videos: Sequence[dict[str, Any]],
    *,
    replaced_videos: frozenset[str],
    run_id: str,
    created_utc: str,
) -> Snapshot:
    """Publish these objects on top of the newest snapshot; a compare-and-swap on the snapshot's number.

    Objects and rows of ``replaced_videos`` (what this run knows all about) are taken from this run alone; those of
    other videos stay as they were, and rows of this run only add to them. So do those of a video whose content changed,
    until this run has all of the new content: a row that says ``incomplete`` takes no other content's place, which is
    marked as outdated instead. A snapshot that would say the same as the newest is not written again.

    Raises:
        ConflictError: another run meanwhile published other videos under the same ids.
        StorageError: others published at the same time, ten times in a row.
    """
    objects = list(objects)
    here = {v["video_id"]: v for v in videos}
    for _ in range(10):
        base = latest_snapshot(store)
        there = read_videos(store, base) if base else []
        refuse_clashes(store, there, videos)
        outdated = {v["video_id"] for v in there if _outlives(v, here.get(v["video_id"]))}
        replaced = replaced_videos - outdated
        kept = [v | _OUTDATED if v["video_id"] in outdated else v for v in there if v["video_id"] not in replaced]
        kept_ids = {v["video_id"] for v in kept}
        rows = kept + [v for v in videos if v["video_id"] not in kept_ids]
        others = [o for o in base.objects if o.video_id not in replaced] if base else []
        merged = tuple(
            sorted(
                others + [o for o in objects if o.video_id in replaced],
                key=lambda o: (o.video_id, o.first_clip),
            )
        )
        videos_key, table = _encode_videos(sorted(rows, key=lambda v: str(v["video_id"])))
        if base and base.objects == merged and base.videos_key == videos_key:
            return base
        _write_videos(store, videos_key, table)
        number = base.number + 1 if base else 1
        total = sum(o.rows for o in merged)
        snapshot = Snapshot(number, fingerprint, config, merged, videos_key, run_id, created_utc, total)
        if store.create(layout.snapshot_key(number), snapshot.to_json()) is not Created.DIFFERENT:
            return snapshot
    raise StorageError(f"{store.uri}: other runs kept publishing at the same time; run the same command again")
