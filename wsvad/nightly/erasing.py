"""Removal of videos from a data set, so that no object below its root contains data of them.

Unlike garbage collection, this does not wait for readers: a reader of an older snapshot finds that objects are missing.
"""

from __future__ import annotations

import json
import logging
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from wsvad import columns
from wsvad.arrow import owned_reader
from wsvad.dataset import layout
from wsvad.dataset.publish import publish
from wsvad.dataset.snapshots import latest_snapshot, named_keys
from wsvad.documents import DocumentError, parse_object
from wsvad.errors import ObjectNotFound
from wsvad.nightly.layout import ABOUT, REVIEW, VERDICTS
from wsvad.storage import Store
from wsvad.work.record import new_run_id

log = logging.getLogger(__name__)

_THREADS = 8
_PICTURES = re.compile(rf"{REVIEW}(?:.*/)?media/[0-9a-f]{{32}}/")
"""Folder with the pictures of one event."""


def unpublish(store: Store, video_ids: frozenset[str]) -> None:
    """Publish a features or scores data set without the given videos; delete nothing.

    Raises:
        DamagedError, StorageError: the data set cannot be read or written.
    """
    base = latest_snapshot(store)
    if base and video_ids & {row["video_id"] for row in base.videos}:
        publish(
            store,
            base.fingerprint,
            base.config,
            (),
            (),
            replaced_videos=video_ids,
            run_id=new_run_id(),
            created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            seen=base,
        )


def erase_unpublished(store: Store, video_ids: frozenset[str]) -> int:
    """Delete objects that the newest snapshot does not reference and that may contain data of the given videos.

    Units of a single other video are kept: an interrupted run left them, and the next run continues with them.

    Returns:
        Number of deleted objects.

    Raises:
        DamagedError, StorageError: the data set cannot be read or written.
    """
    rewritten = _rewrite_indexes(store, video_ids)
    newest = latest_snapshot(store)
    named = named_keys([newest] if newest else [])
    keep = layout.snapshot_key(newest.number) if newest else ""
    old = [info.key for info in store.list(layout.SNAPSHOTS) if info.key != keep]
    tables = [info.key for part in (layout.LISTS, layout.VIDEOS) for info in store.list(part)]
    units = [info.key for info in store.list(layout.UNITS) if info.key not in named]
    pictures = [i.key for i in store.list(layout.PICTURES) if layout.unit_key(layout.id_of(i.key)) not in named]
    records = [
        (info.key, test)
        for part, test in ((layout.QUARANTINE, _is_record_of), (layout.RUNS, _mentions))
        for info in store.list(part)
    ]
    records += [(key, _is_record_of) for key in pictures]
    with ThreadPoolExecutor(_THREADS) as pool:
        matches = pool.map(lambda key: _is_of_others(store, key, video_ids), units)
        units = [key for key, others in zip(units, matches, strict=True) if not others]
        matches = pool.map(lambda record: record[1](store, record[0], video_ids), records)
        mentioning = [key for (key, _), mentioned in zip(records, matches, strict=True) if mentioned]
        # snapshots first, so that a snapshot never exists without its objects
        to_delete = [*old, *(key for key in tables if key not in named), *units, *mentioning]
        for key in old:
            store.delete(key)
        list(pool.map(store.delete, to_delete[len(old) :]))
    return rewritten + len(to_delete)


def erase_all(store: Store) -> int:
    """Delete a whole data set; return the number of deleted objects."""
    keys = [info.key for info in store.list()]
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(store.delete, keys))
    return len(keys)


def erase_reviews(root: Store, video_ids: frozenset[str]) -> int:
    """Delete the verdicts and pictures of the given videos, and all pages below ``review/``: a page covers many videos.

    Args:
        root: root of the nightly job.
        video_ids: videos to erase; pictures whose video cannot be determined are also deleted.

    Returns:
        Number of deleted objects.

    Raises:
        StorageError: the root cannot be read or written.
    """
    folders: dict[str, list[str]] = defaultdict(list)
    to_delete: list[str] = []
    for info in root.list(REVIEW):
        found = _PICTURES.match(info.key)
        (folders[found[0]] if found else to_delete).append(info.key)
    records = [info.key for info in root.list(VERDICTS)]
    with ThreadPoolExecutor(_THREADS) as pool:
        matches = pool.map(lambda folder: _is_record_of(root, f"{folder}{ABOUT}", video_ids, absent=True), folders)
        deleted_last = []
        for (folder, keys), matched in zip(folders.items(), matches, strict=True):
            if matched:
                deleted_last.append(f"{folder}{ABOUT}")  # deleted last: it names the video of the pictures
                to_delete += [key for key in keys if key != deleted_last[-1]]
        matches = pool.map(lambda key: _is_record_of(root, key, video_ids), records)
        to_delete += [key for key, matched in zip(records, matches, strict=True) if matched]
        list(pool.map(root.delete, to_delete))
        list(pool.map(root.delete, deleted_last))
    return len(to_delete) + len(deleted_last)


def _is_of_others(store: Store, key: str, video_ids: frozenset[str]) -> bool:
    """Whether a unit belongs to one video that is not in ``video_ids``; units of events belong to several videos."""
    try:
        schema = pq.read_schema(owned_reader(store.read(key)))
        metadata = {k.decode(): v.decode() for k, v in (schema.metadata or {}).items()}
        unit = parse_object(metadata[columns.META_UNIT])
        return "inputs" not in unit and unit["video_id"] not in video_ids
    except ObjectNotFound:
        return True
    except (pa.ArrowException, DocumentError, OSError, LookupError, ValueError):
        return False


def _is_record_of(store: Store, key: str, video_ids: Collection[str], *, absent: bool = False) -> bool:
    """Whether a record or picture belongs to one of these videos; True if unreadable, ``absent`` if missing."""
    try:
        return parse_object(store.read(key)).get(columns.VIDEO_ID) in video_ids
    except ObjectNotFound:
        return absent
    except DocumentError:
        return True


def _mentions(store: Store, key: str, video_ids: Iterable[str]) -> bool:
    """Whether a JSON record contains the id of one of these videos, also as part of a longer name."""
    try:
        data = store.read(key)
    except ObjectNotFound:
        return False
    return any(form in data for video_id in video_ids for form in written_forms(video_id))


def written_forms(video_id: str) -> set[bytes]:
    """Return the JSON encodings of a video id (ASCII-escaped and UTF-8)."""
    return {json.dumps(video_id, ensure_ascii=ascii_only)[1:-1].encode() for ascii_only in (True, False)}


def _rewrite_indexes(store: Store, video_ids: frozenset[str]) -> int:
    """Remove videos from the stored indexes; return the number of deleted objects."""
    deleted = 0
    for info in list(store.list(layout.INDEX)):
        try:
            table = pq.read_table(owned_reader(store.read(info.key)))
            rows = [row for row in table.to_pylist() if row[columns.VIDEO_ID] not in video_ids]
        except (pa.ArrowException, OSError, LookupError):
            rows, table = [], None  # unreadable and not needed
        if table is not None and len(rows) == len(table):
            continue
        if table is not None and rows:
            sink = pa.BufferOutputStream()
            pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), sink, compression="zstd")
            data = sink.getvalue().to_pybytes()
            store.create(layout.content_key(f"{info.key.rpartition('/')[0]}/", data), data)
        store.delete(info.key)
        deleted += 1
    return deleted
