"""Publishing: what a run has is put on top of the newest snapshot, list by list."""

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
    "message": "the video has changed since; these clips are of what it was, until those of what it is are complete",
}


def refuse_clashes(store: Store, there: Mapping[str, Entry], rows: Iterable[dict[str, Any]]) -> None:
    """Refuse ids that the data set uses for other videos: publishing would silently replace their features.

    Args:
        store: root of the data set.
        there: of the newest snapshot, by video id; see :meth:`wsvad.dataset.snapshots.Snapshot.of`.
        rows: of the videos that are to be published.

    Raises:
        ConflictError: an id with another URI and other content.
    """
    for row in rows:
        entry = there.get(row["video_id"])
        old = entry.video if entry else None
        if old and old["uri"] and old["content_id"] != row["content_id"] and old["uri"] != row["uri"]:
            raise ConflictError(
                f"{store.uri} has {row['video_id']!r} from {old['uri']}; {row['uri']} is another video of the same id. "
                "Nothing was replaced. Tell them apart with --id-prefix, or use another --out."
            )


def _outlives(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether a published video stays although its content has changed: not all of the new content is there yet."""
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
    """Publish these objects on top of the newest snapshot; a compare-and-swap on the snapshot's number.

    Objects and rows of ``replaced_videos`` (what this run knows all about) are taken from this run alone; those of
    other videos stay as they were, and rows of this run only add to them. So do those of a video whose content changed,
    until this run has all of the new content: a row that says ``incomplete`` takes no other content's place, which is
    marked as outdated instead. A snapshot that would say the same as the newest is not written again.

    Only lists that hold videos of this run are read, and only those in which something changed are written; they are
    there before the snapshot that names them.

    Args:
        store: root of the data set.
        fingerprint: of its configuration.
        config: what it is made with.
        objects: of videos that have a row.
        videos: rows, see ``VIDEOS_SCHEMA``; columns that one lacks are null.
        replaced_videos: ids of videos that this run knows all about.
        run_id: of this run.
        created_utc: when it published.
        seen: an earlier snapshot; lists that were read for it are not read again.

    Raises:
        ConflictError: another run meanwhile published other videos under the same ids.
        DamagedError: what is published already is damaged.
        StorageError: others published at the same time, ten times in a row.
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
    raise StorageError(f"{store.uri}: other runs kept publishing at the same time; run the same command again")


def _by_video(objects: Iterable[SnapshotObject], videos: Iterable[dict[str, Any]]) -> dict[str, Entry]:
    parts: dict[str, list[SnapshotObject]] = defaultdict(list)
    for o in objects:
        parts[o.video_id].append(o)
    mine = {str(v["video_id"]): entry_of(v, parts.pop(v["video_id"], ())) for v in videos}
    if parts:
        raise ValueError(f"objects of videos without a row: {sorted(parts)[:3]}")
    return mine


def _merged(store: Store, parts: Sequence[Part], mine: Mapping[str, Entry], replaced: frozenset[str]) -> list[Part]:
    """The parts of a snapshot with the changes of a run; a list in which nothing changed stays as it is.

    Args:
        store: root of the data set, for messages.
        parts: all of the newest snapshot, in order; entries where a video of this run may be.
        mine: entries of this run, by video id.
        replaced: ids of videos that this run knows all about.
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
    """The entries of one list after a run that says something of these videos."""
    there = {e.video_id: e for e in old}
    refuse_clashes(store, there, (mine[i].video for i in ids if i in mine))
    for video_id in ids:
        before, now = there.get(video_id), mine.get(video_id)
        if before and now and _outlives(before.video, now.video):
            there[video_id] = Entry(before.video | _OUTDATED, before.objects)
        elif video_id in replaced:
            there.pop(video_id, None)
            if now:
                there[video_id] = now
        elif now and not before:
            there[video_id] = Entry(now.video)
    return [there[i] for i in sorted(there)]
