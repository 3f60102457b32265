"""Write one-level snapshots as versions up to 0.1 did."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wsvad.columns import VIDEOS_SCHEMA
from wsvad.dataset import layout
from wsvad.dataset.lists import SnapshotObject
from wsvad.dataset.sealed import seal
from wsvad.dataset.snapshots import Snapshot
from wsvad.storage import Store


def one_level(snapshot: Snapshot, objects: Iterable[SnapshotObject], videos_key: str, *, sealed: bool = True) -> bytes:
    """Return the JSON of a snapshot that lists these objects itself; without a digest, as in version 0.1.0."""
    named = [asdict(o) for o in objects]
    plain = {name: getattr(snapshot, name) for name in ("number", "fingerprint", "config", "run_id", "created_utc")}
    plain |= {"objects": named, "videos_key": videos_key, "rows": sum(o["rows"] for o in named)}
    return seal(plain) if sealed else json.dumps(plain, indent=1, sort_keys=True).encode()


def store_videos(store: Store, rows: list[dict[str, Any]]) -> str:
    """Store a table of videos; return its key."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=VIDEOS_SCHEMA), sink, compression="zstd")
    data = sink.getvalue().to_pybytes()
    key = layout.content_key(layout.VIDEOS, data)
    store.create(key, data)
    return key


def downgrade(store: Store, snapshot: Snapshot, *, sealed: bool = True) -> str:
    """Replace a snapshot and its lists by what an earlier version would have written; return the table's key."""
    key = store_videos(store, snapshot.videos)
    store.replace(layout.snapshot_key(snapshot.number), one_level(snapshot, snapshot.objects, key, sealed=sealed))
    for ref in snapshot.lists:
        store.delete(ref.key)
    return key
