"""Snapshots: the only thing a reader has to trust. Each names whole objects with their rows and digests."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wsvad.columns import VIDEOS_SCHEMA
from wsvad.errors import ConflictError, StorageError
from wsvad.extract import layout
from wsvad.extract.config import FeatureConfig
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
    features: dict[str, Any]
    objects: tuple[SnapshotObject, ...]
    videos_key: str
    """Key of the videos table, see ``VIDEOS_SCHEMA``."""
    run_id: str
    created_utc: str
    rows: int = 0
    skipped: tuple[dict[str, str], ...] = field(default=())

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
            fields = json.loads(data)
            fields["objects"] = tuple(SnapshotObject(**o) for o in fields["objects"])
            fields["skipped"] = tuple(fields["skipped"])
            return cls(**fields)
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError(f"{name} is not a readable snapshot: {error}") from error


def claim_dataset(store: Store, config: FeatureConfig) -> None:
    """Make the target this configuration's data set, or confirm that it is.

    Raises:
        ConflictError: it was made by another configuration; the message lists the differences.
    """
    wanted = {"kind": "features", "fingerprint": config.fingerprint, "features": config.to_dict()}
    data = json.dumps(wanted, indent=1, sort_keys=True).encode()
    if store.create(layout.DATASET, data) is Created.DIFFERENT:
        check_dataset(store, config)


def check_dataset(store: Store, config: FeatureConfig) -> None:
    """Raise ``ConflictError`` if the target exists and was made by another configuration; write nothing."""
    there = read_dataset(store)
    if there is None or there.get("fingerprint") == config.fingerprint:
        return
    differences = config.differences(there.get("features", {})) or ["its dataset.json is not a features data set"]
    raise ConflictError(
        f"{store.uri} holds features made by another configuration ({'; '.join(differences)}). "
        "Nothing was changed. Use the same options, or another --out."
    )


def read_dataset(store: Store) -> dict[str, Any] | None:
    """Return the data set's own description, or ``None`` where there is none."""
    if not any(info.key == layout.DATASET for info in store.list(layout.DATASET)):
        return None
    try:
        described: dict[str, Any] = json.loads(store.read(layout.DATASET))
    except ValueError as error:
        raise StorageError(f"{store.uri}/{layout.DATASET} is damaged: {error}") from error
    return described


def latest_snapshot(store: Store) -> Snapshot | None:
    """Return the newest snapshot, or ``None`` where nothing was published."""
    keys = [info.key for info in store.list(layout.SNAPSHOTS) if info.key.endswith(".json")]
    if not keys:
        return None
    return Snapshot.from_json(store.read(keys[-1]), f"{store.uri}/{keys[-1]}")


def read_videos(store: Store, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return the rows of a snapshot's videos table."""
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(store.read(snapshot.videos_key))).to_pylist()
    return rows


def write_videos(store: Store, rows: Sequence[dict[str, Any]]) -> str:
    """Store a videos table under the digest of its bytes and return its key."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=VIDEOS_SCHEMA), sink, compression="zstd")
    data = sink.getvalue().to_pybytes()
    key = f"{layout.VIDEOS}{hashlib.sha256(data).hexdigest()[:32]}.parquet"
    store.create(key, data)
    return key


def publish(
    store: Store,
    config: FeatureConfig,
    objects: Iterable[SnapshotObject],
    videos: Sequence[dict[str, Any]],
    skipped: Sequence[dict[str, str]],
    *,
    replaced_videos: frozenset[str],
    run_id: str,
    created_utc: str,
) -> Snapshot:
    """Publish these objects on top of the newest snapshot; a compare-and-swap on the snapshot's number.

    Objects and rows of videos in ``replaced_videos`` (all that this run looked at) are taken from this run alone;
    those of other videos stay as they were. A snapshot that would say the same as the newest is not written again.

    Raises:
        StorageError: others published at the same time, ten times in a row.
    """
    objects = list(objects)
    for _ in range(10):
        base = latest_snapshot(store)
        kept = [o for o in base.objects if o.video_id not in replaced_videos] if base else []
        kept_videos = [v for v in read_videos(store, base) if v["video_id"] not in replaced_videos] if base else []
        merged = tuple(sorted(kept + objects, key=lambda o: (o.video_id, o.first_clip)))
        videos_key = write_videos(store, sorted(kept_videos + list(videos), key=lambda v: str(v["video_id"])))
        if base and base.objects == merged and base.videos_key == videos_key and list(base.skipped) == list(skipped):
            return base
        number = base.number + 1 if base else 1
        snapshot = Snapshot(
            number,
            config.fingerprint,
            config.to_dict(),
            merged,
            videos_key,
            run_id,
            created_utc,
            sum(o.rows for o in merged),
            tuple(skipped),
        )
        if store.create(layout.snapshot_key(number), snapshot.to_json()) is not Created.DIFFERENT:
            return snapshot
    raise StorageError(f"{store.uri}: other runs kept publishing at the same time; run the same command again")
