"""Snapshots: the only thing a reader has to trust. Each names whole objects with their rows and digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wsvad.arrow import owned_reader
from wsvad.columns import VIDEOS_SCHEMA
from wsvad.dataset import layout
from wsvad.dataset.config import DatasetConfig, differences
from wsvad.documents import DocumentError, build, parse_json, parse_object
from wsvad.errors import ConflictError, StorageError
from wsvad.storage import Created, Store


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
        """Return the snapshot as it is stored."""
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()

    @classmethod
    def from_json(cls, data: bytes, name: str) -> Snapshot:
        """Undo :meth:`to_json`.

        Raises:
            StorageError: the bytes are no snapshot.
        """
        try:
            return build(cls, parse_json(data))
        except DocumentError as error:
            raise StorageError(f"{name} is not a readable snapshot: {error}") from error


def claim_dataset(store: Store, config: DatasetConfig) -> None:
    """Make the target this configuration's data set, or confirm that it is.

    Raises:
        ConflictError: it was made by another configuration; the message lists the differences.
    """
    wanted = {"kind": config.kind, "fingerprint": config.fingerprint, "config": config.to_dict()}
    data = json.dumps(wanted, indent=1, sort_keys=True).encode()
    if store.create(layout.DATASET, data) is Created.DIFFERENT:
        check_dataset(store, config)


def check_dataset(store: Store, config: DatasetConfig) -> None:
    """Raise ``ConflictError`` if the target exists and was made by another configuration; write nothing."""
    there = read_dataset(store)
    if there is None or there.get("fingerprint") == config.fingerprint:
        return
    if there.get("kind") != config.kind:
        raise ConflictError(
            f"{store.uri} holds {there.get('kind')!r}, not {config.kind!r}. Nothing was changed. Use another --out."
        )
    raise ConflictError(
        f"{store.uri} holds {config.kind} made by another configuration "
        f"({'; '.join(differences(config.to_dict(), there['config']))}). "
        "Nothing was changed. Use the same options, or another --out."
    )


def read_dataset(store: Store) -> dict[str, Any] | None:
    """Return the data set's own description, or ``None`` where there is none.

    Raises:
        StorageError: it is damaged.
    """
    if not any(info.key == layout.DATASET for info in store.list(layout.DATASET)):
        return None
    try:
        described = parse_object(store.read(layout.DATASET))
    except DocumentError:
        described = {}
    if not isinstance(described.get("config"), dict):
        raise StorageError(
            f"{store.uri}/{layout.DATASET} is damaged, and tells no configuration; put back what it was, or use another"
            " target"
        )
    return described


def latest_snapshot(store: Store) -> Snapshot | None:
    """Return the newest snapshot, or ``None`` where nothing was published."""
    keys = [info.key for info in store.list(layout.SNAPSHOTS) if info.key.endswith(".json")]
    if not keys:
        return None
    return Snapshot.from_json(store.read(keys[-1]), f"{store.uri}/{keys[-1]}")


def read_videos(store: Store, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return the rows of a snapshot's videos table.

    Raises:
        StorageError: it is damaged.
    """
    try:
        table = pq.read_table(owned_reader(store.read(snapshot.videos_key)), schema=VIDEOS_SCHEMA)
    except (pa.ArrowException, OSError) as error:
        raise StorageError(
            f"{store.uri}/{snapshot.videos_key} is damaged ({error}); without snapshot {snapshot.number} and it, "
            "the next run publishes both again"
        ) from error
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _encode_videos(rows: Sequence[dict[str, Any]]) -> tuple[str, bytes]:
    """Encode a videos table and name it by the digest of its bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=VIDEOS_SCHEMA), sink, compression="zstd")
    data = sink.getvalue().to_pybytes()
    return f"{layout.VIDEOS}{hashlib.sha256(data).hexdigest()[:32]}.parquet", data


def refuse_clashes(store: Store, there: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> None:
    """Refuse ids that the data set uses for other videos: publishing would silently replace their features.

    Raises:
        ConflictError: an id with another URI and other content.
    """
    known = {v["video_id"]: v for v in there}
    for row in rows:
        old = known.get(row["video_id"])
        if old and old["content_id"] != row["content_id"] and old["uri"] != row["uri"]:
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
        if store.create(videos_key, table) is Created.SAME:
            store.replace(videos_key, table)  # as if written now: nobody takes it for a leftover of long ago
        number = base.number + 1 if base else 1
        total = sum(o.rows for o in merged)
        snapshot = Snapshot(number, fingerprint, config, merged, videos_key, run_id, created_utc, total)
        if store.create(layout.snapshot_key(number), snapshot.to_json()) is not Created.DIFFERENT:
            return snapshot
    raise StorageError(f"{store.uri}: other runs kept publishing at the same time; run the same command again")
