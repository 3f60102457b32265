"""Publish a run's results as a new snapshot on top of the newest one, changing only the affected lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wsvad.dataset import layout
from wsvad.dataset.lists import Entry, ListReader, Part, SnapshotObject, entry_of, store_lists
from wsvad.dataset.snapshots import Snapshot, latest_snapshot
from wsvad.errors import ConflictError, StorageError
from wsvad.storage import Created, Store

_OUTDATED = {
    "status": "incomplete",
    "kind": "changed",
    "message": "the video has changed; these clips show its former content until the new content is complete",
}


def refuse_clashes(store: Store, there: Mapping[str, Entry], rows: Iterable[dict[str, Any]]) -> None:
    """Refuse ids that the data set uses for other videos, because publishing would replace their features silently.

    Args:
        store: root of the data set.
        there: entries of the newest snapshot by video id, see :meth:`wsvad.dataset.snapshots.Snapshot.of`.
        rows: rows of the videos to publish.

    Raises:
        ConflictError: an id belongs to a video with another URI and other content.
    """
    for row in rows:
        entry = there.get(row["video_id"])
        old = entry.video if entry else None
        if old and old["uri"] and old["content_id"] != row["content_id"] and old["uri"] != row["uri"]:
            raise ConflictError(
                f"{store.uri} has {row['video_id']!r} from {old['uri']}; {row['uri']} is another video with the same "
                "id. Nothing was replaced. Use --id-prefix to tell them apart, or another --out."
            )


def _keeps_former_content(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether the published content of a changed video stays, because the new content is still incomplete."""
    if new["content_id"] == old["content_id"]:
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
    seen: Snapshot | None = None,
) -> Snapshot:
    """Publish objects on top of the newest snapshot, by compare-and-swap on the snapshot number.

    Objects and rows of ``replaced_videos`` come from this run alone. Those of other videos are kept, and rows of this
    run are only added. If the content of a video has changed, its former entry is kept and marked as outdated until
    this run has all of the new content: a row with the status ``incomplete`` never replaces other content. If nothing
    changes, no new snapshot is written.

    Only lists that hold videos of this run are read, and only changed lists are written, before the snapshot that
    references them.

    Args:
        store: root of the data set.
        fingerprint: of the configuration.
        config: configuration of the data set.
        objects: objects of videos that have a row.
        videos: rows, see ``VIDEOS_SCHEMA``; missing columns are null.
        replaced_videos: ids of the videos that this run has complete knowledge of.
        run_id: id of this run.
        created_utc: time of the publication.
        seen: an earlier snapshot, whose cached lists are reused.

    Raises:
        ConflictError: a concurrent run published other videos under the same ids.
        DamagedError: the published data is damaged.
        StorageError: ten attempts in a row collided with other publications.
    """
    mine = _by_video(objects, videos)
    for _ in range(10):
        base = latest_snapshot(store, seen)
        parts = (base.parts(mine.keys() | replaced_videos) if base else []) or [(None, ())]
        merged = _merged(store, parts, mine, replaced_videos)
        if base and merged == parts:
            return base
        lists = store_lists(store, merged)
        number = base.number + 1 if base else 1
        rows = sum(ref.rows for ref in lists)
        reader = (base.reader if base else None) or ListReader(store)
        snapshot = Snapshot(number, fingerprint, config, lists, run_id, created_utc, rows, reader=reader)
        if store.create(layout.snapshot_key(number), snapshot.to_json()) is not Created.DIFFERENT:
            reader.keep_only(lists)
            return snapshot
        seen = base
    raise StorageError(f"{store.uri}: other runs published at the same time; run the same command again")


def _by_video(objects: Iterable[SnapshotObject], videos: Iterable[dict[str, Any]]) -> dict[str, Entry]:
    parts: dict[str, list[SnapshotObject]] = defaultdict(list)
    for o in objects:
        parts[o.video_id].append(o)
    mine = {str(v["video_id"]): entry_of(v, parts.pop(v["video_id"], ())) for v in videos}
    if parts:
        raise ValueError(f"objects of videos without a row: {sorted(parts)[:3]}")
    return mine


def _merged(store: Store, parts: Sequence[Part], mine: Mapping[str, Entry], replaced: frozenset[str]) -> list[Part]:
    """Return the parts of a snapshot with the changes of a run. Unchanged lists are kept.

    Args:
        store: root of the data set, for messages.
        parts: all parts of the newest snapshot, in order, with the entries of lists that may hold videos of this run.
        mine: entries of this run, by video id.
        replaced: ids of the videos that this run has complete knowledge of.
    """
    ids = sorted(mine.keys() | replaced)
    firsts = [ref.first if ref else "" for ref, _ in parts]
    merged: list[Part] = []
    at = 0
    for number, (ref, old) in enumerate(parts):
        until = at
        last = number + 1 == len(parts)
        while until < len(ids) and (last or ids[until] < firsts[number + 1]):
            until += 1
        new = _changed(store, old, mine, replaced, ids[at:until]) if until > at else old
        merged.append((ref, old) if list(new) == list(old) else (None, new))
        at = until
    return merged


def _changed(
    store: Store, old: Sequence[Entry], mine: Mapping[str, Entry], replaced: frozenset[str], ids: Sequence[str]
) -> list[Entry]:
    """Return the entries of one list after applying this run's changes to the given video ids."""
    there = {e.video_id: e for e in old}
    refuse_clashes(store, there, (mine[i].video for i in ids if i in mine))
    for video_id in ids:
        before, now = there.get(video_id), mine.get(video_id)
        if before and now and _keeps_former_content(before.video, now.video):
            there[video_id] = Entry(before.video | _OUTDATED, before.objects)
        elif video_id in replaced:
            there.pop(video_id, None)
            if now:
                there[video_id] = now
        elif now and not before:
            there[video_id] = Entry(now.video)
    return [there[i] for i in sorted(there)]
