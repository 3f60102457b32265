"""Case files: selected events in a zip with their pictures, tables and their own page."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wsvad.dataset.sealed import seal
from wsvad.documents import DocumentError, parse_object
from wsvad.errors import EXIT_OK, EXIT_QUARANTINE, EXIT_STORAGE, ObjectNotFound, UsageError
from wsvad.events.text_formats import to_csv, to_json
from wsvad.review.choice import ReviewItem
from wsvad.review.config import ReviewOptions
from wsvad.review.detection import require_detector
from wsvad.review.document import Review
from wsvad.review.folder import INDEX, check_folder, check_videos, make_pictures
from wsvad.review.media import HEAT, MediaFolder
from wsvad.review.notices import privacy_of
from wsvad.review.reading import read_archive
from wsvad.review.rendering import render_page
from wsvad.review.verdicts import COLUMNS, Verdict, VerdictStore, order
from wsvad.storage import Store, open_object, open_store, probe_object
from wsvad.suggest import did_you_mean
from wsvad.work.summary import Summary

_WHEN = (1980, 1, 1, 0, 0, 0)
"""Modification time of all files in a case, so that equal events give equal bytes."""
KIND = "wsvad-case"
_UNMADE = "its pictures did not exist when the case was created; open the event, then create the case again"
MAX_EVENTS = 1000
"""Maximum number of events in a case."""


@dataclass(frozen=True)
class CaseSummary(Summary):
    """Result of writing a case."""

    zip: str
    events: int
    pictures: int
    verdicts: int
    bytes: int
    sha256: str
    failed: dict[str, str] = field(default_factory=dict)
    storage_failed: bool = False
    pixelated: str | None = None
    """What is pixelated in pictures, as far as it was detected."""

    @property
    def exit_code(self) -> int:
        """0; 3 if videos could not be decoded; 4 if a store failed: run the same command again."""
        if self.storage_failed:
            return EXIT_STORAGE
        return EXIT_QUARANTINE if self.failed else EXIT_OK

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the table."""
        rows = [("events", f"{self.events}, {self.pictures} with pictures, {self.verdicts} verdicts")]
        if self.pixelated:
            rows.append(("pixelated", f"{self.pixelated}, where detected (best effort)"))
        rows += [("no picture", f"{event}: {why}") for event, why in self.failed.items()]
        return [*rows, ("saved", f"{self.zip} ({self.bytes:,} bytes, sha256 {self.sha256})")]


def write_case(options: ReviewOptions, event_ids: Sequence[str], target: str, scratch: Store) -> CaseSummary:
    """Write a case.

    Args:
        options: the review that contains the events.
        event_ids: ids of events or control spans of this review; names of ``.json`` files stand for lists saved by a
            page.
        target: URI of the zip file.
        scratch: folder of a review page, in which pictures exist or are created.

    Raises:
        UsageError: an unknown event, or pixelation is not available.
        StorageError, DamagedError: as ``read_archive``; or the zip file cannot be written.
    """
    require_detector(options.media)
    event_ids = read_list(event_ids)
    probe_object(target, options.source.store)
    check_folder(scratch, options)
    archive = read_archive(options.source)
    check_videos(scratch, archive, options)
    folder = MediaFolder(scratch)
    full = Review.gather(archive, options, folder)
    review = restrict_to_events(full, event_ids)
    storage_failed = False
    if options.media.media:
        _, storage_failed = make_pictures(review, folder, review.choice.items)
    verdicts: list[Verdict] = []
    if options.source.root:
        verdicts, _ = VerdictStore(open_store(options.source.root, options.source.store)).read_all()
    mine = verdicts_of_case(review, verdicts)
    data = case_zip(review, folder, mine)
    store, key = open_object(target, options.source.store)
    store.replace(key, data)
    pictures = sum(folder.get(review.folder_name(s)) is not None for s in review.choice.items)
    digest = hashlib.sha256(data).hexdigest()
    return CaseSummary(
        store.uri_of(key),
        len(review.choice.items),
        pictures,
        len(mine),
        len(data),
        digest,
        review.failures,
        storage_failed,
        privacy_of(options.media)["pixelated"],
    )


def read_list(event_ids: Sequence[str]) -> list[str]:
    """Return the ids, with saved lists replaced by their ids. Raises ``UsageError``."""
    found: list[str] = []
    for one in event_ids:
        if not one.endswith(".json"):
            found.append(one)
            continue
        try:
            plain = parse_object(Path(one).read_bytes())
        except (OSError, DocumentError) as error:
            raise UsageError(f"--case {one}: {getattr(error, 'strerror', None) or error}") from error
        listed = plain.get("event_ids")
        if plain.get("kind") != KIND or not isinstance(listed, list) or not all(isinstance(i, str) for i in listed):
            raise UsageError(f"--case {one} is not a list of events saved by a review page")
        found += listed
    return found


def restrict_to_events(review: Review, event_ids: Sequence[str]) -> Review:
    """Return a review restricted to some of its events, in their order.

    Raises:
        UsageError: no event, too many events, or an unknown event.
    """
    if not 1 <= len(event_ids) <= MAX_EVENTS:
        raise UsageError(f"a case must have 1 to {MAX_EVENTS} events, got {len(event_ids)}")
    known = {item.event_id for item in review.choice.items}
    for event_id in event_ids:
        if event_id not in known:
            raise UsageError(f"this page has no event {event_id!r:.80}{did_you_mean(event_id, known)}")
    wanted = set(event_ids)
    chosen = [s for s in review.choice.items if s.event_id in wanted]
    alone = tuple(s if s.group in wanted else ReviewItem(s.row, s.kind, s.event_id) for s in chosen)
    whole = hashlib.sha256(json.dumps([review.review_id, sorted(wanted)]).encode()).hexdigest()
    entries = {s.event_id: {**review.entries[s.event_id], "group": s.group} for s in alone}
    return replace(
        review, choice=replace(review.choice, items=alone), review_id=f"sha256:{whole}", entries=entries,
        failures={event_id: why for event_id, why in review.failures.items() if event_id in wanted},
        is_case=True,
    )  # fmt: skip


def verdicts_of_case(review: Review, verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return all records of a case's events, including superseded ones, and of spans that overlap them."""
    ids = {item.event_id for item in review.choice.items}
    spans = [(s.row["content_id"], s.row["start_s"], s.row["end_s"]) for s in review.choice.items]

    def within(verdict: Verdict) -> bool:
        return any(
            verdict.content_id == content and verdict.start_s < end_s and verdict.end_s > start_s
            for content, start_s, end_s in spans
        )

    return sorted((v for v in verdicts if v.event_id in ids or within(v)), key=order)


def case_zip(review: Review, folder: MediaFolder, verdicts: Sequence[Verdict]) -> bytes:
    """Return the zip: page, pictures, events and verdicts as CSV and JSON, and digests. Raises ``StorageError``."""
    if review.options.media.media:
        unmade = {s.event_id: _UNMADE for s in review.choice.items if folder.get(review.folder_name(s)) is None}
        review = replace(review, failures=unmade | review.failures)
    rows = [item.row for item in review.choice.items]
    records = [verdict.to_dict() for verdict in verdicts]
    files: dict[str, bytes] = {
        INDEX: render_page(review.document("static"), "static"),
        "events.csv": to_csv(rows).encode("utf-8", "backslashreplace"),
        "events.json": to_json(rows).encode(),
        "verdicts.csv": to_csv(records, COLUMNS).encode("utf-8", "backslashreplace"),
        "verdicts.json": (json.dumps({"verdicts": records}, indent=1) + "\n").encode(),
    }
    for item in review.choice.items:
        name = review.folder_name(item)
        made = folder.get(name)
        for file in [HEAT, *(made["files"] if made else ())]:
            try:
                files[f"media/{name}/{file}"] = folder.read(name, file)
            except ObjectNotFound:  # a model without cuboids has no heat map
                continue
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    files["case.json"] = seal(_about(review, digests))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in sorted(files.items()):
            info = zipfile.ZipInfo(f"case/{name}", _WHEN)
            text = name.endswith((".html", ".csv", ".json"))
            info.compress_type = zipfile.ZIP_DEFLATED if text else zipfile.ZIP_STORED
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
    return packed.getvalue()


def _about(review: Review, digests: Mapping[str, str]) -> dict[str, Any]:
    return {
        "kind": KIND,
        "review_id": review.review_id,
        "source": dict(review.archive.source),
        "events": [item.event_id for item in review.choice.items],
        "privacy": privacy_of(review.options.media),
        "sha256": dict(digests),
    }
