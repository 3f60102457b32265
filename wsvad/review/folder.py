"""``wsvad review --out``: a folder with a self-contained page that needs no network and no server."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from wsvad.dataset.published import refuse_data_set
from wsvad.display import Display
from wsvad.errors import (
    EXIT_OK,
    EXIT_QUARANTINE,
    EXIT_STORAGE,
    ConflictError,
    ObjectNotFound,
    StorageError,
    UsageError,
    VideoError,
)
from wsvad.nightly.layout import REVIEW
from wsvad.report.frames import GIVE_UP
from wsvad.review.choice import ReviewItem
from wsvad.review.config import ReviewOptions
from wsvad.review.detection import require_detector
from wsvad.review.document import Review
from wsvad.review.media import MediaFolder, about
from wsvad.review.pictures import PictureMaker, failure
from wsvad.review.reading import Archive, read_archive
from wsvad.review.rendering import render_page
from wsvad.storage import Created, Store, open_store, probe_folder
from wsvad.work.summary import Summary

log = logging.getLogger(__name__)

INDEX = "index.html"
_MARK = b'<script type="application/json" id="review-data">'
PAGES = f"{REVIEW}pages/"
"""The only location for review pages below the root of a nightly job, because a purge deletes it."""
_NOT_TRIED = "skipped, because the store failed for several videos in a row"


@dataclass(frozen=True)
class ReviewSummary(Summary):
    """Result of writing a review page."""

    out: str
    page: str
    review_id: str
    events: int
    """Number of published events."""
    shown: int
    controls: int
    left_out: int
    """Number of events that are not on the page."""
    pictures: int
    """Number of items with pictures."""
    pictures_now: int
    """Number of items whose pictures were created by this run."""
    failed: dict[str, str] = field(default_factory=dict)
    """Why items have no pictures, by event id."""
    storage_failed: bool = False
    pixelated: str | None = None
    """What is pixelated in pictures, as far as it was detected."""
    written: int = 0
    """Number of objects written by this run."""
    dropped: int = 0
    """Number of deleted objects of events that are no longer shown."""
    notices: list[dict[str, str]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0; 3 if videos could not be decoded; 4 if a store failed: run the same command again."""
        if self.storage_failed:
            return EXIT_STORAGE
        return EXIT_QUARANTINE if self.failed else EXIT_OK

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the table."""
        rows = [("events", f"{self.shown} of {self.events}")]
        if self.controls:
            rows.append(("control", f"{self.controls} control spans"))
        rows.append(("pictures", f"for {self.pictures} events ({self.pictures_now} created now)"))
        if self.pixelated:
            rows.append(("pixelated", f"{self.pixelated}, where detected (best effort)"))
        rows += [(n["level"], n["text"]) for n in self.notices if n["level"] != "info"]
        if self.dropped:
            rows.append(("deleted", f"{self.dropped} objects of events that are no longer shown"))
        rows.append(("written", f"{self.written} objects" if self.written else "nothing (unchanged)"))
        rows.append(("open", f"{self.page} in a browser"))
        return rows


def write_review(options: ReviewOptions, out: str, console: Console | None = None) -> ReviewSummary:
    """Write the page; existing files that are still valid are not created again.

    Raises:
        UsageError: inconsistent options, a folder with other content, or pixelation is not available.
        ConflictError, DamagedError, StorageError: as ``read_archive``; or the folder cannot be written.
    """
    require_detector(options.media)
    store = open_store(out, options.source.store)
    check_folder(store, options)
    archive = read_archive(options.source)
    check_videos(store, archive, options)
    probe_folder(out, options.source.store)
    folder = MediaFolder(store)
    review = Review.gather(archive, options, folder)
    made, storage_failed = 0, False
    if options.media.media:
        made, storage_failed = make_pictures(review, folder, review.choice.items, console)
    document = review.document("static")
    written = put(store, INDEX, render_page(document, "static"))
    names = {review.folder_name(item) for item in review.choice.items}
    dropped = folder.drop(*(name for name in folder.names() - names if _is_ours(name)))
    choice = review.choice
    shown = sum(s.kind == "event" for s in choice.items)
    return ReviewSummary(
        out=store.uri,
        page=store.uri_of(INDEX),
        review_id=review.review_id,
        events=choice.events,
        shown=shown,
        controls=choice.controls,
        left_out=choice.events - shown,
        pictures=sum(folder.get(name) is not None for name in names),
        pictures_now=made,
        failed=review.failures,
        storage_failed=storage_failed,
        pixelated=document["privacy"]["pixelated"],
        written=written + folder.written,
        dropped=dropped,
        notices=document["banner"]["notices"],
    )


def check_folder(store: Store, options: ReviewOptions) -> None:
    """Check that the folder contains nothing else than a review page.

    Raises:
        UsageError: the folder is below the root of the nightly job, outside of the part that purges delete.
        ConflictError: the folder contains a data set, the root of a nightly job, or another page.
    """
    refuse_data_set(store, "a page")
    if options.source.root:
        root = open_store(options.source.root, options.source.store).uri
        inside = f"{store.uri}/".startswith(f"{root}/")
        if inside and not f"{store.uri}/".startswith(f"{root}/{PAGES}"):
            raise UsageError(
                f"{store.uri} is below --root, where purges only delete pages in {root}/{PAGES}NAME; use such a folder"
            )
    if any(info.key.startswith("current/") for info in store.list("current/")):
        raise ConflictError(f"{store.uri} is the root of a nightly job. Nothing was changed. Use another --out.")

    try:
        there = store.read(INDEX)
    except ObjectNotFound:
        return
    if _MARK not in there:
        raise ConflictError(f"{store.uri_of(INDEX)} is not a review page. Nothing was changed. Use another --out.")


def check_videos(store: Store, archive: Archive, options: ReviewOptions) -> None:
    """Check that the folder is not among the videos, where its clips would be scored. Raises ``UsageError``."""
    for uri in (archive.archive, options.source.videos_root):
        if uri and f"{store.uri}/".startswith(f"{open_store(uri, options.source.store).uri}/"):
            raise UsageError(f"--out is inside the video folder {uri}, where its clips would be treated as footage")


def _is_ours(name: str) -> bool:
    return re.fullmatch("[0-9a-f]{32}", name) is not None


def make_pictures(
    review: Review, folder: MediaFolder, wanted: Sequence[ReviewItem], console: Console | None = None
) -> tuple[int, bool]:
    """Create the missing pictures; reasons of failures are stored in ``review.failures``.

    Returns:
        Number of items whose pictures were created, and whether a store failed.

    Raises:
        StorageError: the folder cannot be written.
    """
    names = {item.event_id: review.folder_name(item) for item in wanted}
    folder.load(set(names.values()))
    todo = [item for item in wanted if folder.get(names[item.event_id]) is None]
    todo.sort(key=lambda item: (item.row["video_id"], item.row["start_s"]))  # so that each video index is read once
    made, lost, storage_failed = 0, 0, False
    columns = (TextColumn("creating pictures"), BarColumn(), TimeRemainingColumn(compact=True))
    if not todo:
        return 0, False
    with (
        Display(console or Console(stderr=True), log, *columns, total=len(todo)) as display,
        PictureMaker(review.archive, review.options, todo) as maker,
    ):
        for number, item in enumerate(todo, 1):
            try:
                if lost >= GIVE_UP:
                    raise StorageError(_NOT_TRIED)
                curve = review.curves.of(str(item.row["video_id"]), str(item.row["camera"]))
                pictures = maker.make(item, curve)
                lost = 0
            except (VideoError, StorageError, UsageError) as error:
                review.failures[item.event_id] = failure(error)
                gone = isinstance(error, ObjectNotFound)  # a missing file is permanent, and not a failure of the store
                lost += isinstance(error, StorageError) and not gone and lost < GIVE_UP
                storage_failed |= isinstance(error, StorageError) and not gone
            else:
                folder.add(names[item.event_id], about(item), pictures.files, pictures.facts)
                made += 1
            display.update(number, partial("{} of {} events have pictures".format, number, len(todo)))
    return made, storage_failed


def put(store: Store, key: str, data: bytes) -> int:
    """Write an object unless it exists with the same content; return the number of written objects."""
    found = store.create(key, data)
    if found is Created.DIFFERENT:
        store.replace(key, data)
    return int(found is not Created.SAME)
