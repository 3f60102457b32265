"""State of the review server: the newest night as a review, the verdicts, and a thread that creates pictures."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Any

from wsvad.errors import ObjectNotFound, StorageError, UsageError, WsvadError
from wsvad.nightly.layout import REVIEW
from wsvad.nightly.published import require_current
from wsvad.review.choice import ReviewItem
from wsvad.review.config import ReviewOptions
from wsvad.review.curves import heat_within
from wsvad.review.document import Link, Review
from wsvad.review.matching import match_verdicts
from wsvad.review.media import MediaFolder, about, window_of
from wsvad.review.pictures import PictureMaker, failure
from wsvad.review.reading import read_archive
from wsvad.review.verdicts import Verdict, VerdictStore, current_verdicts, is_purged
from wsvad.storage import Store, open_store

log = logging.getLogger(__name__)

MAX_WAITING = 16
"""Maximum number of waiting requests for pictures; further requests are asked to retry."""
CHECK_INTERVAL_S = 5.0
"""Minimum interval in seconds between two checks for records written by others."""


class Busy(StorageError):
    """Too many requests are waiting; retry later."""


@dataclass(order=True)
class _Job:
    """Request for the pictures of an item."""

    priority: int
    number: int
    review: Review = field(compare=False)
    item: ReviewItem = field(compare=False)
    answer: Future[None] = field(compare=False, default_factory=Future)


class ReviewService:
    """State shared by all requests. Methods are thread-safe and block."""

    def __init__(self, options: ReviewOptions, prepare: int) -> None:
        assert options.source.root
        self.options = options
        self.root: Store = open_store(options.source.root, options.source.store)
        self.store = VerdictStore(self.root)
        self._prepare = prepare
        self._review_lock = threading.Lock()
        self._number = 0
        self._review: Review | None = None
        self._log: list[str] = []
        self._records: dict[str, Verdict] = {}
        self._checked_s = -CHECK_INTERVAL_S
        self._reported: set[str] = set()
        self._records_lock = threading.Lock()
        self._jobs: queue.PriorityQueue[_Job] = queue.PriorityQueue()
        self._numbers = count()
        self._waiting = 0
        self._waiting_lock = threading.Lock()
        self._over = threading.Event()
        self._maker: tuple[Review, PictureMaker] | None = None
        self._maker_lock = threading.Lock()
        self._thread = threading.Thread(target=self._run_jobs, name="pictures", daemon=True)

    def open(self) -> None:
        """Read the newest night and start the thread. Raises as ``read_archive``."""
        self.review()
        self._thread.start()

    def close(self) -> None:
        """Stop creating pictures, even in the middle of a job."""
        self._over.set()
        self._end_maker()

    def _end_maker(self) -> None:
        """Close the picture maker exactly once: closing a decoder twice concurrently would close files of others."""
        with self._maker_lock:
            maker, self._maker = self._maker, None
        if maker:
            maker[1].close()

    def review(self) -> Review:
        """Return the review of the newest night, read again after each new night. Raises as ``read_archive``."""
        with self._review_lock:
            number = require_current(self.root).number
            if self._review is None or number != self._number:
                review = Review.gather(read_archive(self.options.source), self.options, MediaFolder(self.root, REVIEW))
                self._review, self._number = review, number
                for item in self._missing_pictures(review)[: self._prepare]:
                    self._jobs.put(_Job(1, next(self._numbers), review, item))
            return self._review

    def _missing_pictures(self, review: Review) -> list[ReviewItem]:
        if review.folder is None or not self.options.media.media:
            return []
        review.folder.load({review.folder_name(item) for item in review.choice.items})
        return [item for item in review.choice.items if review.folder.get(review.folder_name(item)) is None]

    def document(self, reviewer: str, link: Link) -> dict[str, Any]:
        """Return the document for one reviewer. Raises as ``read_archive``."""
        review = self.review()
        self._read_new_records()
        mine = [v for v in self._records.values() if v.reviewer == reviewer]
        found = match_verdicts(current_verdicts(mine), review.archive.events)
        verdicts: dict[str, Mapping[str, Any]] = {
            event_id: by[reviewer].to_dict() for event_id, by in found.by_event.items()
        }
        verdicts |= {str(v.event_id): v.to_dict() for v in found.controls}
        waiting = len(self._missing_pictures(review))
        return review.document("served", link=link, verdicts=verdicts, waiting=waiting) | {"reviewer": reviewer}

    def problem_of(self, verdict: Verdict) -> str | None:
        """Return why a record does not match this archive, or ``None``; purges find records by their video id.

        Raises as ``read_archive``.
        """
        review = self.review()
        entry = review.entries.get(verdict.event_id or "")
        if entry is not None:
            for name in ("video_id", "content_id", "camera"):
                if getattr(verdict, name) != entry[name]:
                    return f"the {name} of event {verdict.event_id} is different"
        elif verdict.video_id not in review.archive.scores.videos:
            return "its video is not part of the newest night: reload the page"
        return None

    def add(self, verdict: Verdict) -> bool:
        """Store a record; return False if it already exists. Raises as ``VerdictStore.add``."""
        new = self.store.add(verdict)
        with self._records_lock:
            self._remember(verdict)
        return new

    def _remember(self, verdict: Verdict) -> None:
        if verdict.verdict_id not in self._records:
            self._log.append(verdict.verdict_id)
            self._records[verdict.verdict_id] = verdict

    def since(self, number: int) -> tuple[list[Verdict], int]:
        """Return the records after a sequence number, and the next sequence number. Raises ``StorageError``."""
        self._read_new_records()
        with self._records_lock:
            first = number if 0 <= number <= len(self._log) else 0  # the number is from before a restart
            found = [self._records[i] for i in self._log[first:] if i in self._records]
            return found, len(self._log)

    def records(self) -> list[Verdict]:
        """Return all records. Raises ``StorageError``."""
        return self.since(0)[0]

    def _read_new_records(self) -> None:
        """Read records written by others, and remove purged ones."""
        with self._records_lock:
            if monotonic() - self._checked_s < CHECK_INTERVAL_S:
                return
            self._checked_s = monotonic()
            there = {key.rpartition("/")[2].removesuffix(".json"): key for key in self.store.list_keys()}
            for gone in self._records.keys() - there.keys():
                del self._records[gone]
            found, damaged = self.store.read(key for name, key in there.items() if name not in self._records)
            for verdict in found:
                self._remember(verdict)
        for text in sorted(set(damaged) - self._reported):
            log.warning("%s", text)
        self._reported.update(damaged)

    def pictures(self, event_id: str, link: Link, *, make: bool) -> dict[str, Any]:
        """Return the pictures of an event.

        Args:
            event_id: id of an item on the page.
            link: returns the URL of a picture.
            make: whether to create missing pictures and wait for them.

        Raises:
            UsageError: unknown event, or the video is not at its location.
            VideoError: the video cannot be decoded.
            StorageError: a store failed; ``Busy``: too many requests are waiting.
        """
        review = self.review()
        item = review.of(event_id)
        name = review.folder_name(item)
        if make:
            self._check_kept(review, name)
        if make and review.folder is not None and review.folder.get(name) is None:
            if not self.options.media.media:
                raise UsageError("pictures are disabled (--no-media)")
            self._request_pictures(review, item)
        return review.pictures(item, link)

    def _check_kept(self, review: Review, name: str) -> None:
        """Forget pictures that were deleted by others. Raises ``StorageError``."""
        folder, made = review.folder, review.folder.get(name) if review.folder else None
        if folder is None or made is None:
            return
        try:
            for file in made["files"]:
                folder.store.stat(folder.key_of(name, file))
        except ObjectNotFound:
            folder.forget(name)

    def _request_pictures(self, review: Review, item: ReviewItem) -> None:
        with self._waiting_lock:
            if self._waiting >= MAX_WAITING:
                raise Busy(f"{MAX_WAITING} requests are already waiting for pictures; try again in a moment")
            self._waiting += 1
        job = _Job(0, next(self._numbers), review, item)
        try:
            self._jobs.put(job)
            job.answer.result()
        finally:
            with self._waiting_lock:
                self._waiting -= 1

    def _run_jobs(self) -> None:
        """Create pictures, one event after another; requested ones come first."""
        while not self._over.is_set():
            try:
                job = self._jobs.get(timeout=0.2)
            except queue.Empty:
                continue
            try:
                self._create(job.review, job.item)
            except BaseException as error:
                if isinstance(error, WsvadError):
                    job.review.failures[job.item.event_id] = failure(error)
                    log.warning("no pictures of event %s: %s", job.item.event_id, error)
                elif not self._over.is_set():
                    log.exception("pictures of event %s", job.item.event_id)
                job.answer.set_exception(error)
            else:
                job.review.failures.pop(job.item.event_id, None)
                job.answer.set_result(None)
        self._end_maker()

    def _create(self, review: Review, item: ReviewItem) -> None:
        folder, name = review.folder, review.folder_name(item)
        video_id = str(item.row["video_id"])
        if folder is None or folder.get(name) is not None:
            return
        if is_purged(self.root, video_id):
            raise UsageError("its video was purged")
        current = self._maker
        if current is None or current[0] is not review:
            self._end_maker()
            current = self._maker = (review, PictureMaker(review.archive, self.options, review.choice.items))
        curve = review.curves.of(video_id, str(item.row["camera"]))
        made = current[1].make(item, curve)
        heat = heat_within(curve, window_of(item.row, self.options.media))
        if heat is not None:  # it existed when the page was read, but may have been deleted since
            folder.add_heat(name, about(item), heat)
        folder.add(name, about(item), made.files, made.facts)
        if is_purged(self.root, video_id):  # a concurrent purge may have listed the pictures before they existed
            folder.drop(name)
            raise UsageError("its video was purged")

    def file(self, name: str, file: str) -> tuple[str, int, Callable[[int, int], bytes]]:
        """Return the event of a picture, its size in bytes, and a function that reads a byte range.

        Raises:
            UsageError: unknown picture.
            StorageError: the picture is missing.
        """
        review = self._review or self.review()  # the cached review suffices: purged pictures no longer exist
        item, folder = review.by_name.get(name), review.folder
        if item is None or folder is None:
            raise UsageError("unknown picture")
        key, store = folder.key_of(name, file), folder.store
        try:
            size = store.stat(key).size
        except ObjectNotFound:
            folder.forget(name)
            raise
        return item.event_id, size, lambda start, end: store.read_range(key, start, end)
