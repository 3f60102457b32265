"""Read one-level snapshots, written by versions up to 0.1: all objects in the snapshot, all videos in one table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wsvad.arrow import owned_reader
from wsvad.columns import VIDEO_ID, VIDEOS_SCHEMA
from wsvad.dataset import layout
from wsvad.dataset.lists import REMEDY, Entry, SnapshotObject, entry_of
from wsvad.errors import DamagedError, ObjectNotFound
from wsvad.storage import Store


@dataclass(frozen=True)
class OneLevel:
    """Content of a one-level snapshot."""

    objects: tuple[SnapshotObject, ...]
    videos_key: str
    """Key of the table of videos, see ``VIDEOS_SCHEMA``."""

    def videos(self, store: Store) -> list[dict[str, Any]]:
        """Return the rows of the table of videos, whose name is the digest of its bytes.

        Raises:
            DamagedError: the table is missing or damaged.
        """
        name = f"{store.uri}/{self.videos_key}"
        try:
            data = store.read(self.videos_key)
        except ObjectNotFound as error:
            raise DamagedError(f"{name} is missing, but a snapshot references it; {REMEDY}") from error
        if layout.content_key(layout.VIDEOS, data) != self.videos_key:
            raise DamagedError(f"{name} is damaged: its digest does not match its name; {REMEDY}")
        try:
            table = pq.read_table(owned_reader(data), schema=VIDEOS_SCHEMA)
        except (pa.ArrowException, OSError) as error:
            raise DamagedError(f"{name} is damaged: {error}; {REMEDY}") from error
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    def entries(self, store: Store) -> tuple[Entry, ...]:
        """Return every video with its objects.

        Raises:
            DamagedError: the table is missing or damaged, or has no row of a video that has objects.
        """
        return join_entries(self.videos(store), self.objects, f"{store.uri}/{self.videos_key}")


def join_entries(videos: Iterable[dict[str, Any]], objects: Iterable[SnapshotObject], name: str) -> tuple[Entry, ...]:
    """Combine rows of videos and their objects into entries, ordered by video id.

    Args:
        videos: rows.
        objects: objects of these videos.
        name: name of the table, for messages.

    Raises:
        DamagedError: the video of an object has no row.
    """
    parts: dict[str, list[SnapshotObject]] = defaultdict(list)
    for o in objects:
        parts[o.video_id].append(o)
    rows = {str(row[VIDEO_ID]): row for row in videos}
    unlisted = sorted(parts.keys() - rows.keys())
    if unlisted:
        raise DamagedError(f"{name} has no row of {unlisted[:3]}, but the snapshot has their objects; {REMEDY}")
    return tuple(entry_of(rows[i], parts.get(i, ())) for i in sorted(rows))
