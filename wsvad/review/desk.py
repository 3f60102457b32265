"""What a server has on its desk: the newest night as a review, the records of verdicts, and one maker of pictures."""

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
from wsvad.nightly.places import REVIEW
from wsvad.nightly.published import require_current
from wsvad.review.attaching import attach
from wsvad.review.choosing import Shown
from wsvad.review.config import ReviewOptions
from wsvad.review.curves import heat_within
from wsvad.review.document import Link, Review
from wsvad.review.making import PictureMaker, failure
from wsvad.review.media import MediaFolder, about, window_of
from wsvad.review.reading import read_archive
from wsvad.review.verdicts import Verdict, VerdictStore, is_purged, standing
from wsvad.storage import Store, open_store

log = logging.getLogger(__name__)

WAITING = 16
"""Requests for pictures that may wait; more are told to come again."""
LOOK_EVERY_S = 5.0
"""Seconds between two looks for records that others wrote."""


class Busy(StorageError):
    """Too many wait already; try again soon."""


@dataclass(order=True)
class _Job:
    """Pictures to be made."""

    priority: int
    number: int
    review: Review = field(compare=False)
    shown: Shown = field(compare=False)
    answer: Future[None] = field(compare=False, default_factory=Future)


class Desk:
    """Shared by all requests; its methods may be called from any thread, and block."""

    def __init__(self, options: ReviewOptions, prepare: int) -> None:
        assert options.source.root
        self.options = options
        self.root: Store = open_store(options.source.root, options.source.store)
        self.store = VerdictStore(self.root)
        self._prepare = prepare
        self._changing = threading.Lock()
        self._number = 0
        self._review: Review | None = None
        self._log: list[str] = []
        self._records: dict[str, Verdict] = {}
        self._looked_s = -LOOK_EVERY_S
        self._told: set[str] = set()
        self._writing = threading.Lock()
        self._jobs: queue.PriorityQueue[_Job] = queue.PriorityQueue()
        self._numbers = count()
        self._asked = 0
        self._counting = threading.Lock()
        self._over = threading.Event()
        self._maker: tuple[Review, PictureMaker] | None = None
        self._ending = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="pictures", daemon=True)

    def open(self) -> None:
        """Read the newest night and begin. Raises as ``read_archive``."""
        self.review()
        self._thread.start()

    def close(self) -> None:
        """End the maker of pictures, whatever it is doing."""
        self._over.set()
        self._end_maker()

    def _end_maker(self) -> None:
        """Close it once, whoever comes first: a decoder that is closed twice at the same time closes others' files."""
        with self._ending:
            maker, self._maker = self._maker, None
        if maker:
            maker[1].close()

    def review(self) -> Review:
        """Return the newest night's review; read again when another night was published. Raises as ``read_archive``."""
        with self._changing:
            number = require_current(self.root).number
            if self._review is None or number != self._number:
                review = Review.gather(read_archive(self.options.source), self.options, MediaFolder(self.root, REVIEW))
                self._review, self._number = review, number
                for shown in self._lacking(review)[: self._prepare]:
                    self._jobs.put(_Job(1, next(self._numbers), review, shown))
            return self._review

    def _lacking(self, review: Review) -> list[Shown]:
        if review.folder is None or not self.options.media.media:
            return []
        review.folder.load({review.name_of(shown) for shown in review.choice.shown})
        return [shown for shown in review.choice.shown if review.folder.made(review.name_of(shown)) is None]

    def document(self, reviewer: str, link: Link) -> dict[str, Any]:
        """Return the document as one reviewer sees it. Raises as ``read_archive``."""
        review = self.review()
        self._look()
        mine = [v for v in self._records.values() if v.reviewer == reviewer]
        found = attach(standing(mine), review.archive.events)
        verdicts: dict[str, Mapping[str, Any]] = {
            event_id: by[reviewer].to_dict() for event_id, by in found.by_event.items()
        }
        verdicts |= {str(v.event_id): v.to_dict() for v in found.controls}
        waiting = len(self._lacking(review))
        return review.document("served", link=link, verdicts=verdicts, waiting=waiting) | {"reviewer": reviewer}

    def problem_of(self, verdict: Verdict) -> str | None:
        """Say why a record cannot be of this archive; a purge finds records by the video that they name.

        Raises as ``read_archive``.
        """
        review = self.review()
        entry = review.entries.get(verdict.event_id or "")
        if entry is not None:
            for name in ("video_id", "content_id", "camera"):
                if getattr(verdict, name) != entry[name]:
                    return f"the {name} of event {verdict.event_id} is another"
        elif verdict.video_id not in review.archive.scores.videos:
            return "its video is not of the newest night: open the page again"
        return None

    def add(self, verdict: Verdict) -> bool:
        """Keep a record; False where it was there. Raises as ``VerdictStore.add``."""
        new = self.store.add(verdict)
        with self._writing:
            self._know(verdict)
        return new

    def _know(self, verdict: Verdict) -> None:
        if verdict.verdict_id not in self._records:
            self._log.append(verdict.verdict_id)
            self._records[verdict.verdict_id] = verdict

    def since(self, number: int) -> tuple[list[Verdict], int]:
        """Return records that are new since a number, and the next number. Raises ``StorageError``."""
        self._look()
        with self._writing:
            first = number if 0 <= number <= len(self._log) else 0  # this server was started again
            found = [self._records[i] for i in self._log[first:] if i in self._records]
            return found, len(self._log)

    def records(self) -> list[Verdict]:
        """Return all records. Raises ``StorageError``."""
        return self.since(0)[0]

    def _look(self) -> None:
        """Take in what others wrote, and forget what was purged."""
        with self._writing:
            if monotonic() - self._looked_s < LOOK_EVERY_S:
                return
            self._looked_s = monotonic()
            there = {key.rpartition("/")[2].removesuffix(".json"): key for key in self.store.list_keys()}
            for gone in self._records.keys() - there.keys():
                del self._records[gone]
            found, damaged = self.store.read(key for name, key in there.items() if name not in self._records)
            for verdict in found:
                self._know(verdict)
        for text in sorted(set(damaged) - self._told):
            log.warning("%s", text)
        self._told.update(damaged)

    def pictures(self, event_id: str, link: Link, *, make: bool) -> dict[str, Any]:
        """Return the pictures of an event.

        Args:
            event_id: of an event on the page.
            link: makes URLs of them.
            make: whether those that are not there are made, and waited for.

        Raises:
            UsageError: there is no such event, or the video is not where it should be.
            VideoError: the video cannot be decoded.
            StorageError: a store failed; ``Busy``: too many wait.
        """
        review = self.review()
        shown = review.of(event_id)
        name = review.name_of(shown)
        if make:
            self._check_kept(review, name)
        if make and review.folder is not None and review.folder.made(name) is None:
            if not self.options.media.media:
                raise UsageError("no pictures were asked for (--no-media)")
            self._ask(review, shown)
        return review.pictures(shown, link)

    def _check_kept(self, review: Review, name: str) -> None:
        """Forget pictures that somebody has deleted. Raises ``StorageError``."""
        folder, made = review.folder, review.folder.made(name) if review.folder else None
        if folder is None or made is None:
            return
        try:
            for file in made["files"]:
                folder.store.stat(folder.key_of(name, file))
        except ObjectNotFound:
            folder.forget(name)

    def _ask(self, review: Review, shown: Shown) -> None:
        with self._counting:
            if self._asked >= WAITING:
                raise Busy(f"{WAITING} others wait for pictures already; try again in a moment")
            self._asked += 1
        job = _Job(0, next(self._numbers), review, shown)
        try:
            self._jobs.put(job)
            job.answer.result()
        finally:
            with self._counting:
                self._asked -= 1

    def _work(self) -> None:
        """Make pictures, one event after the other, those that somebody waits for first."""
        while not self._over.is_set():
            try:
                job = self._jobs.get(timeout=0.2)
            except queue.Empty:
                continue
            try:
                self._make(job.review, job.shown)
            except BaseException as error:
                if isinstance(error, WsvadError):
                    job.review.failures[job.shown.event_id] = failure(error)
                    log.warning("no picture of event %s: %s", job.shown.event_id, error)
                elif not self._over.is_set():
                    log.exception("pictures of event %s", job.shown.event_id)
                job.answer.set_exception(error)
            else:
                job.review.failures.pop(job.shown.event_id, None)
                job.answer.set_result(None)
        self._end_maker()

    def _make(self, review: Review, shown: Shown) -> None:
        folder, name = review.folder, review.name_of(shown)
        video_id = str(shown.row["video_id"])
        if folder is None or folder.made(name) is not None:
            return
        if is_purged(self.root, video_id):
            raise UsageError("its video was purged")
        current = self._maker
        if current is None or current[0] is not review:
            self._end_maker()
            current = self._maker = (review, PictureMaker(review.archive, self.options, review.choice.shown))
        curve = review.curves.of(video_id, str(shown.row["camera"]))
        made = current[1].make(shown, curve)
        heat = heat_within(curve, window_of(shown.row, self.options.media))
        if heat is not None:  # it was there when the page was read; somebody may have deleted it
            folder.add_heat(name, about(shown), heat)
        folder.add(name, about(shown), made.files, made.facts)
        if is_purged(self.root, video_id):  # a purge that began meanwhile may have listed the pictures before
            folder.drop(name)
            raise UsageError("its video was purged")

    def file(self, name: str, file: str) -> tuple[str, int, Callable[[int, int], bytes]]:
        """Return the event of a picture, its size, and what reads a range of it.

        Raises:
            UsageError: there is none.
            StorageError: it is gone.
        """
        review = self._review or self.review()  # what a purge took out is gone, whatever this knows
        shown, folder = review.by_name.get(name), review.folder
        if shown is None or folder is None:
            raise UsageError("there is no such picture")
        key, store = folder.key_of(name, file), folder.store
        try:
            size = store.stat(key).size
        except ObjectNotFound:
            folder.forget(name)
            raise
        return shown.event_id, size, lambda start, end: store.read_range(key, start, end)
