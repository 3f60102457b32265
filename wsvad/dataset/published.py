"""Open the newest snapshot of a data set and check its kind and configuration, as every reader must."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wsvad.dataset.config import fingerprint_of
from wsvad.dataset.layout import DATASET, RUNS
from wsvad.dataset.snapshots import (
    REMEDY,
    Snapshot,
    SnapshotObject,
    latest_snapshot,
    read_dataset,
)
from wsvad.errors import ConflictError, DamagedError, ObjectNotFound, UsageError
from wsvad.storage import Store, is_absent


def published_snapshot(store: Store, kind: str, verb: str) -> Snapshot:
    """Return the newest snapshot of a data set.

    Args:
        store: root of the data set.
        kind: expected kind, e.g. ``features``.
        verb: command that makes such data sets, for messages.

    Raises:
        UsageError: there is no data set, it has another kind, or nothing is published.
        ConflictError: the snapshot was made with another configuration than the data set.
        DamagedError: the data set is damaged.
    """
    described = read_dataset(store)
    if described is None:
        what = "does not exist, so it is no data set" if is_absent(store.uri) else "is no data set"
        raise UsageError(f"{store.uri} {what}; expected the --out of `wsvad {verb}`")
    if described.get("kind") != kind:
        raise UsageError(f"{store.uri} holds {described.get('kind')!r}, expected {kind!r}: an --out of `wsvad {verb}`")
    snapshot = latest_snapshot(store)
    if snapshot is None:
        run = next((info.key for info in store.list(RUNS)), None)
        if run:
            raise DamagedError(
                f"{store.uri} has no snapshot, although {run} published one; run `wsvad {verb}` again to publish the "
                "stored units"
            )
        raise UsageError(f"{store.uri} has no published snapshot yet; let `wsvad {verb}` finish first")
    if snapshot.fingerprint != described.get("fingerprint"):
        raise ConflictError(
            f"snapshot {snapshot.number} of {store.uri} was made with another configuration: its fingerprint is "
            f"{snapshot.fingerprint[:12]}, the data set's is {str(described.get('fingerprint'))[:12]}"
        )
    if fingerprint_of(snapshot.config) != snapshot.fingerprint:
        raise DamagedError(
            f"snapshot {snapshot.number} of {store.uri} is damaged: its configuration does not match its "
            f"fingerprint {snapshot.fingerprint[:12]}; {REMEDY}"
        )
    return snapshot


def published_videos(store: Store, snapshot: Snapshot, with_units: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
    """Return the rows of a snapshot's videos by video id.

    Args:
        store: root of the data set.
        snapshot: snapshot of the data set.
        with_units: ids of the videos that have objects.

    Raises:
        DamagedError: a list or table is damaged, or has no row of a video that has objects.
    """
    videos = {str(row["video_id"]): row for row in snapshot.videos}
    unlisted = sorted(set(with_units) - videos.keys())
    if unlisted:
        raise DamagedError(
            f"{store.uri}/{snapshot.table_keys[0]} has no row of {unlisted[:3]}, but the snapshot has their objects; "
            f"{REMEDY}"
        )
    return videos


def read_published(store: Store, snapshot: Snapshot, described: SnapshotObject, what: str) -> bytes:
    """Return the bytes of an object in a snapshot. The caller verifies the digest.

    Args:
        store: root of the data set.
        snapshot: snapshot that references the object.
        described: the object.
        what: what it contains, for messages, e.g. ``features``.

    Raises:
        DamagedError: the object is missing.
        ObjectNotFound: the object was deleted, and no newer snapshot references it; run the same command again.
    """
    try:
        return store.read(described.key)
    except ObjectNotFound as error:
        newest = latest_snapshot(store)
        text = (
            f"{what} of {described.video_id!r} are missing: snapshot {snapshot.number} references "
            f"{store.uri_of(described.key)}, which does not exist"
        )
        entry = newest.of([described.video_id]).get(described.video_id) if newest else None
        still = entry is not None and described.key in {o.key for o in entry.objects}
        if newest and newest.number != snapshot.number and not still:
            raise ObjectNotFound(f"{text} any more; run the same command again on snapshot {newest.number}") from error
        raise DamagedError(f"{text}; {REMEDY}; then the command that made them makes them again") from error


def refuse_data_set(store: Store, wanted: str) -> None:
    """Raise ``ConflictError`` if a target for something else, e.g. ``a report``, contains a data set."""
    if any(info.key == DATASET for info in store.list(DATASET)):
        raise ConflictError(f"{store.uri} holds a data set, not {wanted}. Nothing was changed. Use another --out.")
