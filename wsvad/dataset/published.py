"""What a reader needs before anything else: the newest snapshot, known to be of the right kind and configuration."""

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
        kind: what it must hold, e.g. ``features``.
        verb: the command whose ``--out`` it is, for messages.

    Raises:
        UsageError: no data set, one of another kind, or nothing published.
        ConflictError: the snapshot was made by another configuration than the data set.
        DamagedError: what it holds is damaged.
    """
    described = read_dataset(store)
    if described is None:
        what = "does not exist, and so is no data set" if is_absent(store.uri) else "is no data set"
        raise UsageError(f"{store.uri} {what}; expected the --out of `wsvad {verb}`")
    if described.get("kind") != kind:
        raise UsageError(f"{store.uri} holds {described.get('kind')!r}, expected {kind!r}: an --out of `wsvad {verb}`")
    snapshot = latest_snapshot(store)
    if snapshot is None:
        run = next((info.key for info in store.list(RUNS)), None)
        if run:
            raise DamagedError(
                f"{store.uri} has no snapshot any more, although {run} published one; run `wsvad {verb}` again, which "
                "publishes what is stored"
            )
        raise UsageError(f"{store.uri} has nothing published yet; let `wsvad {verb}` finish first")
    if snapshot.fingerprint != described.get("fingerprint"):
        raise ConflictError(
            f"snapshot {snapshot.number} of {store.uri} was made by another configuration: its fingerprint is "
            f"{snapshot.fingerprint[:12]}, the data set's is {str(described.get('fingerprint'))[:12]}"
        )
    if fingerprint_of(snapshot.config) != snapshot.fingerprint:
        raise DamagedError(
            f"snapshot {snapshot.number} of {store.uri} is damaged: its configuration is not the one that its "
            f"fingerprint {snapshot.fingerprint[:12]} stands for; {REMEDY}"
        )
    return snapshot


def published_videos(store: Store, snapshot: Snapshot, with_units: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
    """Return the rows of a snapshot's videos by video id.

    Args:
        store: root of the data set.
        snapshot: of it.
        with_units: ids of the videos that have objects.

    Raises:
        DamagedError: a list or table is damaged, or lacks a video that has objects.
    """
    videos = {str(row["video_id"]): row for row in snapshot.videos}
    unlisted = sorted(set(with_units) - videos.keys())
    if unlisted:
        raise DamagedError(
            f"{store.uri}/{snapshot.table_keys[0]} lacks {unlisted[:3]}, which the snapshot has; {REMEDY}"
        )
    return videos


def read_published(store: Store, snapshot: Snapshot, described: SnapshotObject, what: str) -> bytes:
    """Return the bytes of an object that a snapshot names; the caller compares them with its digest.

    Args:
        store: root of the data set.
        snapshot: that names it.
        described: the object.
        what: what it holds, for messages, e.g. ``features``.

    Raises:
        DamagedError: it is missing.
        ObjectNotFound: it is gone, and no newer snapshot names it: run the same command again.
    """
    try:
        return store.read(described.key)
    except ObjectNotFound as error:
        newest = latest_snapshot(store)
        text = (
            f"{what} of {described.video_id!r} are gone: snapshot {snapshot.number} names "
            f"{store.uri_of(described.key)}, which is not there"
        )
        entry = newest.of([described.video_id]).get(described.video_id) if newest else None
        still = entry is not None and described.key in {o.key for o in entry.objects}
        if newest and newest.number != snapshot.number and not still:
            raise ObjectNotFound(f"{text} any more; run the same command again on snapshot {newest.number}") from error
        raise DamagedError(f"{text}; {REMEDY}, the command that made them then makes them again") from error


def refuse_data_set(store: Store, wanted: str) -> None:
    """Raise ``ConflictError`` where a target that is to hold something else, e.g. ``a report``, holds a data set."""
    if any(info.key == DATASET for info in store.list(DATASET)):
        raise ConflictError(f"{store.uri} holds a data set, not {wanted}. Nothing was changed. Use another --out.")
