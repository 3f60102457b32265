"""Tombstones: one object per purged video, so that later nights skip it. Tombstones do not reveal video ids."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from wsvad.dataset.sealed import seal
from wsvad.manifest.listing import Listing
from wsvad.nightly.layout import TOMBSTONES
from wsvad.storage import Store


def tombstone_name(video_id: str) -> str:
    """Return the name of a video's tombstone, a hash of its id."""
    return hashlib.sha256(video_id.encode()).hexdigest()


def add_tombstones(root: Store, video_ids: Iterable[str], created_utc: str) -> None:
    """Create tombstones for videos; existing ones are kept."""
    for video_id in video_ids:
        root.create(f"{TOMBSTONES}{tombstone_name(video_id)}.json", seal({"purged_utc": created_utc}))


def read_tombstones(root: Store) -> frozenset[str]:
    """Return the names of all tombstones."""
    found = (info.key.removeprefix(TOMBSTONES) for info in root.list(TOMBSTONES))
    return frozenset(name.removesuffix(".json") for name in found if name.endswith(".json"))


def without_purged(listing: Listing, buried: frozenset[str]) -> tuple[Listing, list[tuple[str, str]]]:
    """Return a listing without purged videos, and the id and URI of each purged one."""
    gone = [(v.video_id, v.uri) for v in listing.videos if tombstone_name(v.video_id) in buried]
    left = tuple(v for v in listing.videos if tombstone_name(v.video_id) not in buried)
    unreachable = tuple(v for v in listing.unreachable if tombstone_name(v.video_id) not in buried)
    return replace(listing, videos=left, unreachable=unreachable), gone
