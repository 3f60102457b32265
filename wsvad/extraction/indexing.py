"""Index every video of a listing once; indexes are stored in the data set and reused."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from wsvad.arrow import owned_reader
from wsvad.columns import CONTENT_ID, INDEX, INDEX_SCHEMA, KIND, MESSAGE, VIDEO_ID
from wsvad.dataset import layout
from wsvad.documents import DocumentError, parse_object
from wsvad.errors import ObjectNotFound, StorageError, UsageError, VideoError
from wsvad.extraction.source_monitor import SourceMonitor
from wsvad.manifest.listing import VideoRef
from wsvad.manifest.source import StoredVideo
from wsvad.storage import Created, Store, StoreOptions
from wsvad.video import INDEX_VERSION, ISOLATION_KINDS, Limits, VideoIndex, VideoReader

log = logging.getLogger(__name__)

OnCluster = Callable[
    [Callable[[Sequence[VideoRef]], list["IndexResult"]], Sequence[VideoRef]], Generator[list["IndexResult"]] | None
]
"""Applies a function to videos on a cluster, and returns the results as they arrive; ``None`` without a cluster."""

FLUSH_AFTER_S = 30.0
_COMPACT_ABOVE = 32


@dataclass(frozen=True)
class IndexResult:
    """Result of indexing a video: an index, evidence against it, or neither if the store failed."""

    video: VideoRef
    index: VideoIndex | None = None
    kind: str = ""
    message: str = ""

    @property
    def unreachable(self) -> bool:
        """True if the store failed, so that nothing is known and the next run tries again."""
        return self.index is None and not self.kind


def index_video(reader: VideoReader, video: VideoRef, options: StoreOptions) -> IndexResult:
    """Index one video with the caller's reader."""
    try:
        index = reader.index(StoredVideo(video, options), name=video.video_id, reading=video.reading)
    except VideoError as error:
        return IndexResult(video, None, error.kind, str(error))
    except StorageError as error:
        return IndexResult(video, None, "", str(error))
    return IndexResult(video, index)


def index_videos(videos: Sequence[VideoRef], options: StoreOptions, limits: Limits) -> list[IndexResult]:
    """Index some videos one after the other, with a decoder of their own."""
    with VideoReader(limits=limits) as reader:
        return [index_video(reader, video, options) for video in videos]


def _cache_key(video: VideoRef) -> str:
    """Return the cache key of a video: its content id and the user settings for reading it."""
    return f"{video.content_id} {video.reading.key}".rstrip()


class IndexCache:
    """Cache of indexes in Parquet objects below ``index/``; a row is a pure function of a video's content.

    Args:
        store: Store of the data set.
        writable: ``False`` for dry runs, which only read.
        retry_bad: Ignore evidence against videos, so that they are indexed again.
    """

    def __init__(self, store: Store, *, writable: bool = True, retry_bad: bool = False) -> None:
        self._store = store
        self._writable = writable
        self._retry_bad = retry_bad
        self._keys = [info.key for info in store.list(self._prefix)]

    @property
    def _prefix(self) -> str:
        return f"{layout.INDEX}v{INDEX_VERSION}/"

    def load(self, videos: Sequence[VideoRef]) -> dict[str, IndexResult]:
        """Return the cached results of these videos, by content id."""
        wanted = {_cache_key(v): v for v in videos}
        known: dict[str, IndexResult] = {}
        for key in self._keys:
            for content_id, found in self._entries(key, wanted):
                if found.kind and (self._retry_bad or content_id in known):
                    continue  # an index has precedence over evidence: a later run with a better decoder created it
                if content_id not in known or not found.kind:
                    known[content_id] = found
        if self._writable and len(self._keys) > _COMPACT_ABOVE:
            self._compact()
        return known

    def add(self, results: Iterable[IndexResult]) -> None:
        """Store results, except those of store failures, so that these are tried again."""
        rows = [
            {
                CONTENT_ID: _cache_key(r.video),
                VIDEO_ID: r.video.video_id,
                INDEX: json.dumps(r.index.to_dict()) if r.index else None,
                KIND: r.kind or None,
                MESSAGE: r.message or None,
            }
            for r in results
            if not r.unreachable
        ]
        if rows and self._writable:
            # videos are indexed by several threads, which must not decide the bytes and so the name of the object
            rows.sort(key=lambda row: (str(row[CONTENT_ID]), str(row[VIDEO_ID])))
            self._write(pa.Table.from_pylist(rows, schema=INDEX_SCHEMA))

    def _entries(self, key: str, wanted: Mapping[str, VideoRef]) -> Iterator[tuple[str, IndexResult]]:
        """Yield the results of these videos in one object, by content id."""
        for row in self._read(key).to_pylist():
            video = wanted.get(row[CONTENT_ID])
            if video is None:
                continue
            try:
                index = VideoIndex.from_dict(parse_object(row[INDEX], bits=128)) if row[INDEX] else None
            except (DocumentError, UsageError) as error:
                log.warning("%s: its stored index is unusable, the video is indexed again: %s", video.video_id, error)
                continue
            yield video.content_id, IndexResult(video, index, row[KIND] or "", row[MESSAGE] or "")

    def _read(self, key: str) -> pa.Table:
        """Read one object. A missing (merged by another run) or damaged one counts as empty; it is indexed again."""
        try:
            data = self._store.read(key)
        except ObjectNotFound:
            return INDEX_SCHEMA.empty_table()
        if layout.content_key(self._prefix, data) != key:
            return self._drop(key, "its digest differs from its name")
        try:
            return pq.read_table(owned_reader(data), schema=INDEX_SCHEMA)
        except (pa.ArrowException, OSError) as error:
            return self._drop(key, str(error))

    def _drop(self, key: str, why: str) -> pa.Table:
        """Delete a damaged object; its content can be computed again."""
        log.warning("%s/%s is damaged and ignored, its videos are indexed again: %s", self._store.uri, key, why)
        if self._writable:
            self._store.delete(key)
        return INDEX_SCHEMA.empty_table()

    def _write(self, table: pa.Table) -> str:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        data = sink.getvalue().to_pybytes()
        key = layout.content_key(self._prefix, data)
        if self._store.create(key, data) is Created.DIFFERENT:
            self._store.replace(key, data)  # other bytes under this name mean damage
        return key

    def _compact(self) -> None:
        """Merge many small objects into one. Safe with concurrent runs: duplicates and gaps are both harmless."""
        merged = self._write(pa.concat_tables([self._read(key) for key in self._keys]))
        for key in self._keys:
            if key != merged:
                self._store.delete(key)


def index_all(
    videos: Sequence[VideoRef],
    known: Mapping[str, IndexResult],
    cache: IndexCache,
    options: StoreOptions,
    *,
    threads: int,
    limits: Limits | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_cluster: OnCluster | None = None,
) -> list[IndexResult]:
    """Index all videos without a cached result, and add the results to the cache.

    Args:
        videos: Videos to index.
        known: Cached results, by content id.
        cache: Cache for new results; written every 30 s, so that a killed run loses little.
        options: Access options of the videos' stores.
        threads: Number of concurrent decode processes. They mostly wait for the store; use twice the number of cores.
        limits: Resource limits of each process.
        on_progress: Called with ``(done, total)``, the numbers of videos without a cached result.
        on_cluster: Indexes videos on a cluster, or returns ``None`` if there is none; then threads index them here.

    Returns:
        One result per video, in the order of ``videos``.
    """
    known = dict(known)
    todo = [v for v in videos if v.content_id not in known]
    if todo:
        monitor = SourceMonitor(videos, options)
        limits = limits or Limits()
        arriving = (
            on_cluster(functools.partial(index_videos, options=options, limits=limits), todo) if on_cluster else None
        )
        with contextlib.closing(arriving or _index_on_threads(todo, options, threads, limits)) as results:
            for batch in _in_batches(results, len(todo), on_progress, monitor):
                batch = [_index_isolated(r, options, limits) if r.kind in ISOLATION_KINDS else r for r in batch]
                cache.add(batch)
                _log_notes(batch)
                known |= {r.video.content_id: r for r in batch}
    return [known[v.content_id] for v in videos]


def _log_notes(results: Iterable[IndexResult]) -> None:
    """Log a warning for each note of newly indexed videos."""
    for result in results:
        for note in result.index.notes if result.index else ():
            log.warning("%s: %s", result.video.video_id, note.message)


def _index_isolated(suspect: IndexResult, options: StoreOptions, limits: Limits) -> IndexResult:
    """Index again in a separate process: a crash or a hang is evidence only if it repeats."""
    with VideoReader(limits=limits) as reader:
        return index_video(reader, suspect.video, options)


def _in_batches(
    arriving: Iterable[list[IndexResult]],
    total: int,
    on_progress: Callable[[int, int], None] | None,
    monitor: SourceMonitor,
) -> Iterator[list[IndexResult]]:
    """Collect results for some time, so that the cache has few objects and a killed run loses little."""
    batch: list[IndexResult] = []
    flushed, finished = time.monotonic(), 0
    for new in arriving:
        batch += new
        for result in new:
            monitor.record(result.video, reached=not result.unreachable)
        finished += len(new)
        if on_progress:
            on_progress(finished, total)
        if batch and (finished == total or time.monotonic() - flushed > FLUSH_AFTER_S):
            yield batch
            batch, flushed = [], time.monotonic()


def _index_on_threads(
    todo: Sequence[VideoRef], options: StoreOptions, threads: int, limits: Limits
) -> Generator[list[IndexResult]]:
    """Yield results as they arrive, at least once a second."""
    local = threading.local()
    readers: list[VideoReader] = []

    def work(video: VideoRef) -> IndexResult:
        if not hasattr(local, "reader"):
            local.reader = VideoReader(limits=limits)
            readers.append(local.reader)
        return index_video(local.reader, video, options)

    pool = ThreadPoolExecutor(max(1, min(threads, len(todo))), thread_name_prefix="index")
    try:
        pending = {pool.submit(work, video) for video in todo}
        while pending:
            done, pending = wait(pending, timeout=1.0, return_when=FIRST_COMPLETED)
            yield [future.result() for future in done]
    finally:
        # after an interruption: closing the decoders ends what the threads wait for
        pool.shutdown(wait=False, cancel_futures=True)
        for reader in readers:
            reader.close()
        pool.shutdown()
