"""``wsvad review --out``: a folder with a page that needs no network, no server, and nothing outside of itself."""

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
from wsvad.nightly.places import REVIEW
from wsvad.report.frames import GIVE_UP
from wsvad.review.choosing import Shown
from wsvad.review.config import ReviewOptions
from wsvad.review.document import Review
from wsvad.review.finding import require_finder
from wsvad.review.making import PictureMaker, failure
from wsvad.review.media import MediaFolder, about
from wsvad.review.reading import Archive, read_archive
from wsvad.review.rendering import render_page
from wsvad.storage import Created, Store, open_store, probe_folder
from wsvad.work.summary import Summary

log = logging.getLogger(__name__)

INDEX = "index.html"
_MARK = b'<script type="application/json" id="review-data">'
PAGES = f"{REVIEW}pages/"
"""Below the root of a nightly job the only place of a folder with a page: a purge looks there."""
_NOT_TRIED = "not tried: the store failed for the videos before"


@dataclass(frozen=True)
class ReviewSummary(Summary):
    """How a page came out."""

    out: str
    page: str
    review_id: str
    events: int
    """Events of what was published."""
    shown: int
    controls: int
    left_out: int
    """Events that are not on the page."""
    pictures: int
    """Events with pictures."""
    pictures_now: int
    """Of those: made in this run."""
    failed: dict[str, str] = field(default_factory=dict)
    """Why events have no picture, by event id."""
    storage_failed: bool = False
    pixelated: str | None = None
    """What pictures hide, as far as it was found."""
    written: int = 0
    """Objects that this run wrote."""
    dropped: int = 0
    """Objects of events that are no longer shown, which were deleted."""
    notices: list[dict[str, str]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0; 3 where videos could not be pictured; 4 where a store failed: run the same command again."""
        if self.storage_failed:
            return EXIT_STORAGE
        return EXIT_QUARANTINE if self.failed else EXIT_OK

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the table."""
        rows = [("events", f"{self.shown} of {self.events}")]
        if self.controls:
            rows.append(("control", f"{self.controls} random spans"))
        rows.append(("pictures", f"of {self.pictures} events ({self.pictures_now} made now)"))
        if self.pixelated:
            rows.append(("pixelated", f"{self.pixelated}, where they were found: best effort"))
        rows += [(n["level"], n["text"]) for n in self.notices if n["level"] != "info"]
        if self.dropped:
            rows.append(("dropped", f"{self.dropped} objects of events that are no longer shown"))
        rows.append(("written", f"{self.written} objects" if self.written else "nothing: it is as it was"))
        rows.append(("open", f"{self.page} in a browser"))
        return rows


def write_review(options: ReviewOptions, out: str, console: Console | None = None) -> ReviewSummary:
    """Write the page; what is there already and still right is not made again.

    Raises:
        UsageError: options that do not fit, a folder that holds something else, or nothing that could pixelate.
        ConflictError, DamagedError, StorageError: as ``read_archive``; the folder cannot be written.
    """
    require_finder(options.media)
    store = open_store(out, options.source.store)
    check_place(store, options)
    archive = read_archive(options.source)
    check_videos(store, archive, options)
    probe_folder(out, options.source.store)
    folder = MediaFolder(store)
    review = Review.gather(archive, options, folder)
    made, storage_failed = 0, False
    if options.media.media:
        made, storage_failed = make_pictures(review, folder, review.choice.shown, console)
    document = review.document("static")
    written = put(store, INDEX, render_page(document, "static"))
    names = {review.name_of(shown) for shown in review.choice.shown}
    dropped = folder.drop(*(name for name in folder.names() - names if _is_ours(name)))
    choice = review.choice
    shown = sum(s.kind == "event" for s in choice.shown)
    return ReviewSummary(
        out=store.uri,
        page=store.uri_of(INDEX),
        review_id=review.review_id,
        events=choice.events,
        shown=shown,
        controls=choice.controls,
        left_out=choice.events - shown,
        pictures=sum(folder.made(name) is not None for name in names),
        pictures_now=made,
        failed=review.failures,
        storage_failed=storage_failed,
        pixelated=document["privacy"]["pixelated"],
        written=written + folder.written,
        dropped=dropped,
        notices=document["banner"]["notices"],
    )


def check_place(store: Store, options: ReviewOptions) -> None:
    """Refuse a folder in which a page would lie among what somebody else keeps.

    Raises:
        UsageError: below the root of the nightly job, where a purge would not find it.
        ConflictError: a data set, the root of a nightly job, or somebody else's page.
    """
    refuse_data_set(store, "a page")
    if options.source.root:
        root = open_store(options.source.root, options.source.store).uri
        inside = f"{store.uri}/".startswith(f"{root}/")
        if inside and not f"{store.uri}/".startswith(f"{root}/{PAGES}"):
            raise UsageError(
                f"{store.uri} is below --root, where only {root}/{PAGES}NAME is purged with its videos; use that"
            )
    if any(info.key.startswith("current/") for info in store.list("current/")):
        raise ConflictError(f"{store.uri} is the root of a nightly job. Nothing was changed. Use another --out.")

    try:
        there = store.read(INDEX)
    except ObjectNotFound:
        return
    if _MARK not in there:
        raise ConflictError(f"{store.uri_of(INDEX)} is no review page. Nothing was changed. Use another --out.")


def check_videos(store: Store, archive: Archive, options: ReviewOptions) -> None:
    """Refuse a folder among the videos: its clips would be scored as footage. Raises ``UsageError``."""
    for uri in (archive.archive, options.source.videos_root):
        if uri and f"{store.uri}/".startswith(f"{open_store(uri, options.source.store).uri}/"):
            raise UsageError(f"--out is among the videos, in {uri}: clips there would be taken for footage")


def _is_ours(name: str) -> bool:
    return re.fullmatch("[0-9a-f]{32}", name) is not None


def make_pictures(
    review: Review, folder: MediaFolder, wanted: Sequence[Shown], console: Console | None = None
) -> tuple[int, bool]:
    """Make what is missing; why something cannot be made goes to ``review.failures``.

    Returns:
        Of how many events pictures were made, and whether a store failed.

    Raises:
        StorageError: the folder cannot be written.
    """
    names = {shown.event_id: review.name_of(shown) for shown in wanted}
    folder.load(set(names.values()))
    todo = [shown for shown in wanted if folder.made(names[shown.event_id]) is None]
    todo.sort(key=lambda shown: (shown.row["video_id"], shown.row["start_s"]))  # a video's index is read once
    made, lost, storage_failed = 0, 0, False
    columns = (TextColumn("making pictures"), BarColumn(), TimeRemainingColumn(compact=True))
    if not todo:
        return 0, False
    with (
        Display(console or Console(stderr=True), log, *columns, total=len(todo)) as display,
        PictureMaker(review.archive, review.options, todo) as maker,
    ):
        for number, shown in enumerate(todo, 1):
            try:
                if lost >= GIVE_UP:
                    raise StorageError(_NOT_TRIED)
                curve = review.curves.of(str(shown.row["video_id"]), str(shown.row["camera"]))
                pictures = maker.make(shown, curve)
                lost = 0
            except (VideoError, StorageError, UsageError) as error:
                review.failures[shown.event_id] = failure(error)
                gone = isinstance(error, ObjectNotFound)  # it is known what is wrong, and waiting does not help
                lost += isinstance(error, StorageError) and not gone and lost < GIVE_UP
                storage_failed |= isinstance(error, StorageError) and not gone
            else:
                folder.add(names[shown.event_id], about(shown), pictures.files, pictures.facts)
                made += 1
            display.update(number, partial("{} of {} events have pictures".format, number, len(todo)))
    return made, storage_failed


def put(store: Store, key: str, data: bytes) -> int:
    """Write an object, unless it is there as it is; return how many were written."""
    found = store.create(key, data)
    if found is Created.DIFFERENT:
        store.replace(key, data)
    return int(found is not Created.SAME)
