"""Videos that were purged: a mark for each, by which later nights leave them out. It does not tell their names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from wsvad.dataset.sealed import seal
from wsvad.manifest.listing import Listing
from wsvad.nightly.places import TOMBSTONES
from wsvad.storage import Store


def mark_of(video_id: str) -> str:
    """Return the name of a video's mark, which nobody can turn back into its id without guessing it."""
    return hashlib.sha256(video_id.encode()).hexdigest()


def bury(root: Store, video_ids: Iterable[str], created_utc: str) -> None:
    """Mark videos as purged; marks that are there stay as they are."""
    for video_id in video_ids:
        root.create(f"{TOMBSTONES}{mark_of(video_id)}.json", seal({"purged_utc": created_utc}))


def marks(root: Store) -> frozenset[str]:
    """Return the marks of all purged videos."""
    found = (info.key.removeprefix(TOMBSTONES) for info in root.list(TOMBSTONES))
    return frozenset(name.removesuffix(".json") for name in found if name.endswith(".json"))


def without_purged(listing: Listing, buried: frozenset[str]) -> tuple[Listing, list[tuple[str, str]]]:
    """Return a listing without the videos that were purged, and those: id and URI."""
    gone = [(v.video_id, v.uri) for v in listing.videos if mark_of(v.video_id) in buried]
    left = tuple(v for v in listing.videos if mark_of(v.video_id) not in buried)
    unreachable = tuple(v for v in listing.unreachable if mark_of(v.video_id) not in buried)
    return replace(listing, videos=left, unreachable=unreachable), gone
