"""Index every video of a listing once; what was learned is kept beside the data and reused."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from wsvad.arrow import owned_reader
from wsvad.columns import CONTENT_ID, INDEX, INDEX_SCHEMA, KIND, MESSAGE, VIDEO_ID
from wsvad.dataset import layout
from wsvad.documents import DocumentError, parse_object
from wsvad.errors import ObjectNotFound, StorageError, UsageError, VideoError
from wsvad.extraction.reach import SourceWatch
from wsvad.manifest.listing import VideoRef
from wsvad.manifest.source import StoredVideo
from wsvad.storage import Created, Store, StoreOptions
from wsvad.video import INDEX_VERSION, ISOLATION_KINDS, Limits, VideoIndex, VideoReader

log = logging.getLogger(__name__)

FLUSH_AFTER_S = 30.0
_COMPACT_ABOVE = 32


@dataclass(frozen=True)
class Indexed:
    """What is known of one video: an index, or evidence against it, or neither because the store failed."""

    video: VideoRef
    index: VideoIndex | None = None
    kind: str = ""
    message: str = ""

    @property
    def unreachable(self) -> bool:
        """The store failed: nothing is known, and the next run tries again."""
        return self.index is None and not self.kind


def index_video(reader: VideoReader, video: VideoRef, options: StoreOptions) -> Indexed:
    """Index one video with a reader that the caller owns."""
    try:
        index = reader.index(StoredVideo(video, options), name=video.video_id, reading=video.reading)
    except VideoError as error:
        return Indexed(video, None, error.kind, str(error))
    except StorageError as error:
        return Indexed(video, None, "", str(error))
    return Indexed(video, index)


def _known_as(video: VideoRef) -> str:
    """What the index of a video is kept under: its content, and how people say it is to be read."""
    return f"{video.content_id} {video.reading.key}".rstrip()


class IndexCache:
    """Indexes kept as Parquet objects below ``index/``; a row is a pure function of a video's content.

    Args:
        store: the data set.
        writable: ``False`` only reads (dry runs).
        retry_bad: forget evidence against videos, so that they are indexed again.
    """

    def __init__(self, store: Store, *, writable: bool = True, retry_bad: bool = False) -> None:
        self._store = store
        self._writable = writable
        self._retry_bad = retry_bad
        self._keys = [info.key for info in store.list(self._prefix)]

    @property
    def _prefix(self) -> str:
        return f"{layout.INDEX}v{INDEX_VERSION}/"

    def load(self, videos: Sequence[VideoRef]) -> dict[str, Indexed]:
        """Return what is known of these videos, by content id."""
        wanted = {_known_as(v): v for v in videos}
        known: dict[str, Indexed] = {}
        for key in self._keys:
            for content_id, found in self._entries(key, wanted):
                if found.kind and (self._retry_bad or content_id in known):
                    continue  # an index stands over evidence: a later run with a better decoder found it
                if content_id not in known or not found.kind:
                    known[content_id] = found
        if self._writable and len(self._keys) > _COMPACT_ABOVE:
            self._compact()
        return known

    def add(self, results: Iterable[Indexed]) -> None:
        """Keep results; those that the store made fail are left out, so that they are tried again."""
        rows = [
            {
                CONTENT_ID: _known_as(r.video),
                VIDEO_ID: r.video.video_id,
                INDEX: json.dumps(r.index.to_dict()) if r.index else None,
                KIND: r.kind or None,
                MESSAGE: r.message or None,
            }
            for r in results
            if not r.unreachable
        ]
        if rows and self._writable:
            self._write(pa.Table.from_pylist(rows, schema=INDEX_SCHEMA))

    def _entries(self, key: str, wanted: Mapping[str, VideoRef]) -> Iterator[tuple[str, Indexed]]:
        """Yield what one object says of these videos, by content id."""
        for row in self._read(key).to_pylist():
            video = wanted.get(row[CONTENT_ID])
            if video is None:
                continue
            try:
                index = VideoIndex.from_dict(parse_object(row[INDEX], bits=128)) if row[INDEX] else None
            except (DocumentError, UsageError) as error:
                log.warning("%s: its stored index is not used, and made again: %s", video.video_id, error)
                continue
            yield video.content_id, Indexed(video, index, row[KIND] or "", row[MESSAGE] or "")

    def _read(self, key: str) -> pa.Table:
        """Read one object; one that is gone (another run merged it) or damaged is a gap, which is indexed again."""
        try:
            data = self._store.read(key)
        except ObjectNotFound:
            return INDEX_SCHEMA.empty_table()
        if layout.content_key(self._prefix, data) != key:
            return self._drop(key, "its digest is not its name")
        try:
            return pq.read_table(owned_reader(data), schema=INDEX_SCHEMA)
        except (pa.ArrowException, OSError) as error:
            return self._drop(key, str(error))

    def _drop(self, key: str, why: str) -> pa.Table:
        """Remove a damaged object; nothing is lost that cannot be learned again."""
        log.warning("%s/%s is damaged and not used, its videos are indexed again: %s", self._store.uri, key, why)
        if self._writable:
            self._store.delete(key)
        return INDEX_SCHEMA.empty_table()

    def _write(self, table: pa.Table) -> str:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        data = sink.getvalue().to_pybytes()
        key = layout.content_key(self._prefix, data)
        if self._store.create(key, data) is Created.DIFFERENT:
            self._store.replace(key, data)  # what has this name and other bytes is damaged
        return key

    def _compact(self) -> None:
        """Merge many small objects into one. Safe beside other runs: duplicates and gaps are both harmless."""
        merged = self._write(pa.concat_tables([self._read(key) for key in self._keys]))
        for key in self._keys:
            if key != merged:
                self._store.delete(key)


def index_all(
    videos: Sequence[VideoRef],
    known: Mapping[str, Indexed],
    cache: IndexCache,
    options: StoreOptions,
    *,
    threads: int,
    limits: Limits | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Indexed]:
    """Index all videos that are not known, and add what is learned to the cache.

    Args:
        videos: what to index.
        known: what the cache knows of them, by content id.
        cache: where results are kept; written every 30 s, so a killed run loses little.
        options: how to reach the videos.
        threads: decoders' processes at once. They mostly wait for the store, so twice the cores is a good number.
        limits: of each process.
        on_progress: called with ``(done, total)`` of the videos that the cache did not know.

    Returns:
        One result a video, in the order of ``videos``.
    """
    known = dict(known)
    todo = [v for v in videos if v.content_id not in known]
    if todo:
        watch = SourceWatch(videos, options)
        for batch in _index_in_batches(todo, options, threads, limits or Limits(), on_progress, watch):
            batch = [_alone(r, options, limits or Limits()) if r.kind in ISOLATION_KINDS else r for r in batch]
            cache.add(batch)
            _tell_notes(batch)
            known |= {r.video.content_id: r for r in batch}
    return [known[v.content_id] for v in videos]


def _tell_notes(results: Iterable[Indexed]) -> None:
    """Warn of what is not a matter of course in videos that were indexed now."""
    for result in results:
        for note in result.index.notes if result.index else ():
            log.warning("%s: %s", result.video.video_id, note.message)


def _alone(suspect: Indexed, options: StoreOptions, limits: Limits) -> Indexed:
    """Index again, in a process of its own: a crash or a hang is evidence only if it repeats."""
    with VideoReader(limits=limits) as reader:
        return index_video(reader, suspect.video, options)


def _index_in_batches(
    todo: Sequence[VideoRef],
    options: StoreOptions,
    threads: int,
    limits: Limits,
    on_progress: Callable[[int, int], None] | None,
    watch: SourceWatch,
) -> Iterable[list[Indexed]]:
    local = threading.local()
    readers: list[VideoReader] = []

    def work(video: VideoRef) -> Indexed:
        if not hasattr(local, "reader"):
            local.reader = VideoReader(limits=limits)
            readers.append(local.reader)
        return index_video(local.reader, video, options)

    pool = ThreadPoolExecutor(max(1, min(threads, len(todo))), thread_name_prefix="index")
    try:
        pending = {pool.submit(work, video) for video in todo}
        batch: list[Indexed] = []
        flushed = time.monotonic()
        finished = 0
        while pending:
            done, pending = wait(pending, timeout=1.0, return_when=FIRST_COMPLETED)
            new = [future.result() for future in done]
            batch += new
            for result in new:
                watch.note(result.video, reached=not result.unreachable)
            finished += len(done)
            if on_progress:
                on_progress(finished, len(todo))
            if batch and (not pending or time.monotonic() - flushed > FLUSH_AFTER_S):
                yield batch
                batch, flushed = [], time.monotonic()
    finally:
        # on the way out of an interrupted run: ending the decoders ends what the threads wait for
        pool.shutdown(wait=False, cancel_futures=True)
        for reader in readers:
            reader.close()
        pool.shutdown()
