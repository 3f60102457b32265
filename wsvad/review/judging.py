"""``wsvad verdicts``: what reviewers said, taken in, counted, and made a manifest for the next training."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from wsvad.errors import EXIT_CONFLICT, EXIT_OK, ConflictError, ObjectNotFound, UsageError
from wsvad.manifest.listing import resolve_uri
from wsvad.manifest.records import check_suffix, read_records, write_records
from wsvad.review.access import check_reviewer
from wsvad.review.attaching import Attachments, attach
from wsvad.review.config import SourceOptions
from wsvad.review.figures import agreement, outcomes, plain, precision, recall, suggest_thresholds
from wsvad.review.reading import Archive, read_archive
from wsvad.review.training import training_videos
from wsvad.review.verdicts import Verdict, VerdictStore, read_file, standing
from wsvad.storage import Store, StoreOptions, open_object, open_store
from wsvad.work.summary import Summary
from wsvad.work.target import probe_target

log = logging.getLogger(__name__)

_WRITERS = 16


@dataclass(frozen=True)
class VerdictOptions:
    """What is to be done with verdicts; ``wsvad verdicts --help`` explains the same options."""

    root: str
    """Of the nightly job."""
    files: Sequence[str] = ()
    """Exported by pages, to be taken in."""
    reviewer: str | None = None
    """Whose they are, where the page did not ask."""
    out: str | None = None
    """Manifest for training."""
    manifest: str | None = None
    """Manifest with the splits: what is of a test is no training video."""
    store: StoreOptions = field(default_factory=StoreOptions)


@dataclass(frozen=True)
class VerdictSummary(Summary):
    """What verdicts say."""

    root: str
    verdicts: int
    """Records, those that were superseded among them."""
    standing: int
    imported: int
    known: int
    """Records of the files that were there already."""
    refused: dict[str, str]
    """Records of the files that were not taken, by id; of purged videos, or with the id of another."""
    events: int
    judged: int
    """Events of the newest night that have a verdict."""
    reattached: int
    """Verdicts that were said of an event of an earlier model or night."""
    lost: int
    """Verdicts whose event is none any more."""
    missed: int
    """Spans that reviewers marked and that have no event."""
    outcomes: dict[str, int]
    precision: dict[str, Any]
    recall: dict[str, Any]
    agreement: dict[str, Any] | None
    thresholds: list[dict[str, Any]]
    damaged: list[str]
    training: int | None = None
    """Videos of the manifest."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Why reviewed videos are not in the manifest, by id."""
    out: str | None = None

    @property
    def exit_code(self) -> int:
        """0; 5 where records are damaged, or of a file were refused."""
        return EXIT_CONFLICT if self.damaged or self.refused else EXIT_OK

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the table."""
        rows = [("verdicts", f"{self.standing} stand, of {self.verdicts} records")]
        if self.imported or self.known:
            rows.append(("imported", f"{self.imported}, {self.known} were there"))
        rows += [("refused", f"{name}: {why}") for name, why in self.refused.items()]
        rows += [("damaged", text) for text in self.damaged]
        counts = ", ".join(f"{count} {name}" for name, count in self.outcomes.items())
        rows.append(("events", f"{self.judged} of {self.events} judged" + (f": {counts}" if counts else "")))
        if self.reattached or self.lost or self.missed:
            text = (
                f"{self.reattached} of earlier events, {self.lost} of events that are gone, {self.missed} missed spans"
            )
            rows.append(("attached", text))
        rows.append(("precision", _told(self.precision)))
        rows.append(("recall", _told(self.recall)))
        if self.agreement:
            kappa = self.agreement["kappa"]
            text = f"{self.agreement['same']} of {self.agreement['events']} events judged the same"
            rows.append(("agreement", text + (f", kappa {kappa:.2f}" if kappa is not None else "")))
        for one in self.thresholds:
            text = f"none: {one['reason']}"
            if one["high"] is not None:
                text = f"high {one['high']:g}, now {one['now']:g}: {one['reason']}; {one['true_lost']} true events lost"
            rows.append((f"threshold {one['camera']}", text))
        if self.training is not None:
            rows.append(("manifest", f"{self.training} videos, {len(self.left_out)} left out: {self.out}"))
            rows += [("left out", f"{video}: {why}") for video, why in self.left_out.items()]
        return rows


def _told(share: dict[str, Any]) -> str:
    if share["value"] is None:
        return share.get("reason") or "nothing was judged"
    more = f" ({share['count']} of {share['of']})" if "of" in share else f" ({share['controls']} random spans)"
    note = f"; {share['reason']}" if share.get("reason") else ""
    low, high = (0.0 if share["low"] is None else share["low"]), (1.0 if share["high"] is None else share["high"])
    return f"{share['value']:.3f}, 95 % {low:.3f} to {high:.3f}{more}{note}"


def judge(options: VerdictOptions) -> VerdictSummary:
    """Take verdicts in, count them, write the manifest that is asked for.

    Raises:
        UsageError: a file that is none, a manifest without splits; nothing was done then. Or what was judged gives no
            video for the manifest, which is known when the records are imported.
        StorageError: run the same command again.
    """
    _check(options)
    files = [(uri, _read(uri, options.store)) for uri in options.files]
    parsed = [verdict for uri, data in files for verdict in read_file(data, uri)]
    if options.reviewer is not None:
        parsed = [replace(verdict, reviewer=options.reviewer) for verdict in parsed]
    splits = _splits(options)
    archive = read_archive(SourceOptions(root=options.root, store=options.store))
    root = open_store(options.root, options.store)
    imported, known, refused = _import(root, parsed) if parsed else (0, 0, {})
    records, damaged = VerdictStore(root).read_all()
    stand = standing(records)
    found = attach(stand, archive.events)
    said = outcomes(found)
    made = None
    if options.out:
        made = training_videos(archive, found, splits)
        if not made.records:
            raise UsageError(
                f"no video can be used for training, so {options.out} was not written: {_few(made.left_out)}"
            )
        write_records(options.out, made.records, options.store)
    return VerdictSummary(
        root=root.uri,
        verdicts=len(records),
        standing=len(stand),
        imported=imported,
        known=known,
        refused=refused,
        events=len(archive.events),
        judged=len(said),
        reattached=sum(a.reattached for by in found.by_event.values() for a in by.values()),
        lost=len(found.lost),
        missed=len(found.missed),
        outcomes={what: list(said.values()).count(what) for what in sorted(set(said.values()))},
        damaged=damaged,
        training=None if made is None else len(made.records),
        left_out=dict(made.left_out) if made else {},
        out=options.out,
        **_figures(archive, found, said),
    )


def _check(options: VerdictOptions) -> None:
    """Raise ``UsageError`` for options that cannot be meant so."""
    if options.reviewer is not None:
        check_reviewer(options.reviewer)
        if not options.files:
            raise UsageError("--reviewer goes with --import: it says whose the verdicts of the file are")
    if options.manifest and not options.out:
        raise UsageError("--manifest goes with --out: it says which videos must not get into that manifest")
    if options.out and options.manifest and _place(options.out, options) == _place(options.manifest, options):
        raise UsageError(f"--out would overwrite the splits: {options.out} is --manifest")


def _place(uri: str, options: VerdictOptions) -> str:
    store, key = open_object(uri, options.store)
    return store.uri_of(key)


def _figures(archive: Archive, found: Attachments, said: dict[str, str]) -> dict[str, Any]:
    return {
        "precision": plain(precision(said)),
        "recall": plain(recall(archive, found, said)),
        "agreement": plain(agreement(found)),
        "thresholds": [plain(one) for one in suggest_thresholds(archive, said)],
    }


def _splits(options: VerdictOptions) -> list[Any]:
    """Return the manifest of the splits. Raises ``UsageError`` where it says none."""
    if not options.out:
        return []
    check_suffix(options.out)
    if not options.manifest:
        raise UsageError(
            "--out needs --manifest with the splits of all videos that models are measured on: a video of a test must "
            "not get into training"
        )
    records = read_records(options.manifest, options.store)
    if not any(record.split for record in records):
        raise UsageError(f"{options.manifest} says of no video which split it is of; nothing was written")
    return [replace(record, uri=resolve_uri(options.manifest, record.uri)) for record in records]


def _read(uri: str, options: StoreOptions) -> bytes:
    store, key = open_object(uri, options)
    try:
        return store.read(key)
    except ObjectNotFound as error:
        raise UsageError(f"--import: {uri} does not exist") from error


def _import(root: Store, verdicts: Sequence[Verdict]) -> tuple[int, int, dict[str, str]]:
    """Keep records: new ones, those that were there, and why others were refused."""
    store = VerdictStore(probe_target(root))

    def add(verdict: Verdict) -> bool | str:
        try:
            return store.add(verdict)
        except ConflictError as error:
            return str(error)

    with ThreadPoolExecutor(_WRITERS) as pool:  # a store takes its time for each
        found = list(pool.map(add, verdicts))
    refused = {v.verdict_id: one for v, one in zip(verdicts, found, strict=True) if isinstance(one, str)}
    return found.count(True), found.count(False), refused


def _few(reasons: dict[str, str] | Any) -> str:
    return "; ".join(f"{video}: {why}" for video, why in list(reasons.items())[:3]) or "nothing was judged"
