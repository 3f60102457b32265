"""A case: some events as one file that can be handed on, with their pictures, tables and a page of its own."""

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
from wsvad.review.choosing import Shown
from wsvad.review.config import ReviewOptions
from wsvad.review.document import Review
from wsvad.review.finding import require_finder
from wsvad.review.folder import INDEX, check_place, check_videos, make_pictures
from wsvad.review.media import HEAT, MediaFolder
from wsvad.review.notices import privacy_of
from wsvad.review.reading import read_archive
from wsvad.review.rendering import render_page
from wsvad.review.verdicts import COLUMNS, Verdict, VerdictStore, order
from wsvad.storage import Store, open_object, open_store, probe_object
from wsvad.suggest import did_you_mean
from wsvad.work.summary import Summary

_WHEN = (1980, 1, 1, 0, 0, 0)
"""Time of every file in a case: the same events give the same bytes."""
KIND = "wsvad-case"
_UNMADE = "its pictures had not been made when the case was; open the event, then make the case again"
MOST = 1000
"""Events in a case."""


@dataclass(frozen=True)
class CaseSummary(Summary):
    """How a case came out."""

    zip: str
    events: int
    pictures: int
    verdicts: int
    bytes: int
    sha256: str
    failed: dict[str, str] = field(default_factory=dict)
    storage_failed: bool = False
    pixelated: str | None = None
    """What pictures hide, as far as it was found."""

    @property
    def exit_code(self) -> int:
        """0; 3 where videos could not be pictured; 4 where a store failed: run the same command again."""
        if self.storage_failed:
            return EXIT_STORAGE
        return EXIT_QUARANTINE if self.failed else EXIT_OK

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the table."""
        rows = [("events", f"{self.events}, {self.pictures} with pictures, {self.verdicts} verdicts")]
        if self.pixelated:
            rows.append(("pixelated", f"{self.pixelated}, where they were found: best effort"))
        rows += [("no picture", f"{event}: {why}") for event, why in self.failed.items()]
        return [*rows, ("saved", f"{self.zip} ({self.bytes:,} bytes, sha256 {self.sha256})")]


def write_case(options: ReviewOptions, event_ids: Sequence[str], target: str, scratch: Store) -> CaseSummary:
    """Write a case.

    Args:
        options: what the events are of.
        event_ids: of events, or of control spans that the same options give; names of ``.json`` files are lists of
            them that a page saved.
        target: URI of the zip.
        scratch: where pictures are made, or are already: a folder of a page.

    Raises:
        UsageError: an event that is not there, or nothing that could pixelate.
        StorageError, DamagedError: as ``read_archive``; the zip cannot be written.
    """
    require_finder(options.media)
    event_ids = read_list(event_ids)
    probe_object(target, options.source.store)
    check_place(scratch, options)
    archive = read_archive(options.source)
    check_videos(scratch, archive, options)
    folder = MediaFolder(scratch)
    shown = Review.gather(archive, options, folder)
    review = of_events(shown, event_ids)
    storage_failed = False
    if options.media.media:
        _, storage_failed = make_pictures(review, folder, review.choice.shown)
    verdicts: list[Verdict] = []
    if options.source.root:
        verdicts, _ = VerdictStore(open_store(options.source.root, options.source.store)).read_all()
    mine = of_case(review, verdicts)
    data = case_zip(review, folder, mine)
    store, key = open_object(target, options.source.store)
    store.replace(key, data)
    pictures = sum(folder.made(review.name_of(s)) is not None for s in review.choice.shown)
    digest = hashlib.sha256(data).hexdigest()
    return CaseSummary(
        store.uri_of(key),
        len(review.choice.shown),
        pictures,
        len(mine),
        len(data),
        digest,
        review.failures,
        storage_failed,
        privacy_of(options.media)["pixelated"],
    )


def read_list(event_ids: Sequence[str]) -> list[str]:
    """Return ids with those of lists that a page saved in the place of the lists. Raises ``UsageError``."""
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
            raise UsageError(f"--case {one} is no list of events; the page saves one")
        found += listed
    return found


def of_events(review: Review, event_ids: Sequence[str]) -> Review:
    """Return a review of some of its events alone, in the order that it has.

    Raises:
        UsageError: none, too many, or one that is not there.
    """
    if not 1 <= len(event_ids) <= MOST:
        raise UsageError(f"a case has from 1 to {MOST} events, got {len(event_ids)}")
    known = {shown.event_id for shown in review.choice.shown}
    for event_id in event_ids:
        if event_id not in known:
            raise UsageError(f"there is no event {event_id!r:.80}{did_you_mean(event_id, known)} on this page")
    wanted = set(event_ids)
    shown = [s for s in review.choice.shown if s.event_id in wanted]
    alone = tuple(s if s.group in wanted else Shown(s.row, s.kind, s.event_id) for s in shown)
    whole = hashlib.sha256(json.dumps([review.review_id, sorted(wanted)]).encode()).hexdigest()
    entries = {s.event_id: {**review.entries[s.event_id], "group": s.group} for s in alone}
    return replace(
        review, choice=replace(review.choice, shown=alone), review_id=f"sha256:{whole}", entries=entries,
        failures={event_id: why for event_id, why in review.failures.items() if event_id in wanted},
        is_case=True,
    )  # fmt: skip


def of_case(review: Review, verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return all records of a case's events, superseded ones too, and of spans that overlap them."""
    ids = {shown.event_id for shown in review.choice.shown}
    spans = [(s.row["content_id"], s.row["start_s"], s.row["end_s"]) for s in review.choice.shown]

    def within(verdict: Verdict) -> bool:
        return any(
            verdict.content_id == content and verdict.start_s < end_s and verdict.end_s > start_s
            for content, start_s, end_s in spans
        )

    return sorted((v for v in verdicts if v.event_id in ids or within(v)), key=order)


def case_zip(review: Review, folder: MediaFolder, verdicts: Sequence[Verdict]) -> bytes:
    """Return the zip: page, pictures, events and verdicts as CSV and JSON, digests of all. Raises ``StorageError``."""
    if review.options.media.media:
        unmade = {s.event_id: _UNMADE for s in review.choice.shown if folder.made(review.name_of(s)) is None}
        review = replace(review, failures=unmade | review.failures)
    rows = [shown.row for shown in review.choice.shown]
    records = [verdict.to_dict() for verdict in verdicts]
    files: dict[str, bytes] = {
        INDEX: render_page(review.document("static"), "static"),
        "events.csv": to_csv(rows).encode("utf-8", "backslashreplace"),
        "events.json": to_json(rows).encode(),
        "verdicts.csv": to_csv(records, COLUMNS).encode("utf-8", "backslashreplace"),
        "verdicts.json": (json.dumps({"verdicts": records}, indent=1) + "\n").encode(),
    }
    for shown in review.choice.shown:
        name = review.name_of(shown)
        made = folder.made(name)
        for file in [HEAT, *(made["files"] if made else ())]:
            try:
                files[f"media/{name}/{file}"] = folder.read(name, file)
            except ObjectNotFound:  # a model of clips has no heat
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
        "events": [shown.event_id for shown in review.choice.shown],
        "privacy": privacy_of(review.options.media),
        "sha256": dict(digests),
    }
