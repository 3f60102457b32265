"""Writes a generated manifest together with a summary of how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from wsvad.errors import ConflictError
from wsvad.manifest.records import VideoRecord, encode_records
from wsvad.storage import Created, StoreOptions, open_object
from wsvad.text import printable


def save_manifest(
    records: Sequence[VideoRecord],
    summary: Mapping[str, Any],
    out: str,
    *,
    overwrite: bool = False,
    options: StoreOptions | None = None,
) -> None:
    """Write a manifest and its summary, ``<out>.json``.

    Raises:
        ConflictError: another manifest exists, and ``overwrite`` is false.
        UsageError: ``out`` is neither ``.csv`` nor ``.parquet``.
    """
    data = encode_records(records, suffix=PurePosixPath(out).suffix.lower())
    store, key = open_object(out, options or StoreOptions())
    if overwrite:
        store.replace(key, data)
    elif store.create(key, data) is Created.DIFFERENT:
        raise ConflictError(f"{printable(out)} exists and differs; use another name, or replace it with --overwrite")
    store.replace(f"{key}.json", json.dumps(summary, indent=1).encode())


def count_splits(records: Sequence[VideoRecord]) -> dict[str, dict[str, int | None]]:
    """Count videos, anomalous frames and boxes of each split; ``None`` if unknown for any of its videos."""
    splits: dict[str, dict[str, int | None]] = {}
    for split in ("train", "val", "test"):
        members = [r for r in records if r.split == split]
        if members:
            in_time = all(r.spans is not None for r in members)
            in_space = all(r.boxes is not None for r in members)
            splits[split] = {
                "normal": sum(r.label == 0 for r in members),
                "anomalous": sum(r.label == 1 for r in members),
                "anomalous_frames": sum(e - s for r in members for s, e in r.spans or ()) if in_time else None,
                "boxes": sum(len(r.boxes or ()) for r in members) if in_space else None,
            }
    return splits
