"""``wsvad verdicts``: import, count and evaluate verdicts, and write a training manifest."""

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
from wsvad.review.config import SourceOptions
from wsvad.review.matching import MatchedVerdicts, match_verdicts
from wsvad.review.reading import Archive, read_archive
from wsvad.review.statistics import agreement, majority_verdicts, plain, precision, recall, suggest_thresholds
from wsvad.review.training import training_videos
from wsvad.review.verdicts import Verdict, VerdictStore, current_verdicts, read_file
from wsvad.storage import Store, StoreOptions, open_object, open_store
from wsvad.work.summary import Summary
from wsvad.work.target import probe_target

log = logging.getLogger(__name__)

_WRITERS = 16


@dataclass(frozen=True)
class VerdictOptions:
    """Options for processing verdicts; ``wsvad verdicts --help`` explains the same options."""

    root: str
    """Root of the nightly job."""
    files: Sequence[str] = ()
    """Files of verdicts to import, exported by pages."""
    reviewer: str | None = None
    """Reviewer of the imported verdicts, if the page did not ask for a name."""
    out: str | None = None
    """Training manifest to write."""
    manifest: str | None = None
    """Manifest with the splits; test and validation videos are excluded from training."""
    store: StoreOptions = field(default_factory=StoreOptions)


@dataclass(frozen=True)
class VerdictSummary(Summary):
    """Statistics of verdicts."""

    root: str
    verdicts: int
    """Number of records, including superseded ones."""
    standing: int
    """Number of current verdicts."""
    imported: int
    known: int
    """Number of imported records that already existed."""
    refused: dict[str, str]
    """Why records were not imported, by id: the video was purged, or the id belongs to another record."""
    events: int
    judged: int
    """Number of events of the newest night with a verdict."""
    reattached: int
    """Number of verdicts that were given for an event of an earlier model or night."""
    lost: int
    """Number of verdicts without a matching event."""
    missed: int
    """Number of spans marked as missed that have no event."""
    outcomes: dict[str, int]
    precision: dict[str, Any]
    recall: dict[str, Any]
    agreement: dict[str, Any] | None
    thresholds: list[dict[str, Any]]
    damaged: list[str]
    training: int | None = None
    """Number of videos in the training manifest."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Why reviewed videos are not in the training manifest, by video id."""
    out: str | None = None

    @property
    def exit_code(self) -> int:
        """0; 5 if records are damaged or imports were refused."""
        return EXIT_CONFLICT if self.damaged or self.refused else EXIT_OK

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the table."""
        rows = [("verdicts", f"{self.standing} current, of {self.verdicts} records")]
        if self.imported or self.known:
            rows.append(("imported", f"{self.imported}, {self.known} already existed"))
        rows += [("refused", f"{name}: {why}") for name, why in self.refused.items()]
        rows += [("damaged", text) for text in self.damaged]
        counts = ", ".join(f"{count} {name}" for name, count in self.outcomes.items())
        rows.append(("events", f"{self.judged} of {self.events} judged" + (f": {counts}" if counts else "")))
        if self.reattached or self.lost or self.missed:
            text = f"{self.reattached} from earlier events, {self.lost} without an event, {self.missed} missed spans"
            rows.append(("matched", text))
        rows.append(("precision", _described(self.precision)))
        rows.append(("recall", _described(self.recall)))
        if self.agreement:
            kappa = self.agreement["kappa"]
            text = f"{self.agreement['same']} of {self.agreement['events']} events judged the same"
            rows.append(("agreement", text + (f", kappa {kappa:.2f}" if kappa is not None else "")))
        for one in self.thresholds:
            text = f"none: {one['reason']}"
            if one["high"] is not None:
                text = (
                    f"high {one['high']:g}, now {one['now']:g}: {one['reason']}; loses {one['true_lost']} true events"
                )
            rows.append((f"threshold {one['camera']}", text))
        if self.training is not None:
            rows.append(("manifest", f"{self.training} videos, {len(self.left_out)} excluded: {self.out}"))
            rows += [("excluded", f"{video}: {why}") for video, why in self.left_out.items()]
        return rows


def _described(share: dict[str, Any]) -> str:
    if share["value"] is None:
        return share.get("reason") or "nothing was judged"
    more = f" ({share['count']} of {share['of']})" if "of" in share else f" ({share['controls']} control spans)"
    note = f"; {share['reason']}" if share.get("reason") else ""
    low, high = (0.0 if share["low"] is None else share["low"]), (1.0 if share["high"] is None else share["high"])
    return f"{share['value']:.3f}, 95 % {low:.3f} to {high:.3f}{more}{note}"


def process_verdicts(options: VerdictOptions) -> VerdictSummary:
    """Import verdicts, compute their statistics, and write the training manifest if requested.

    Raises:
        UsageError: an invalid file, or a manifest without splits; nothing was done. Also if no video can be used for
            training; the records are imported then.
        StorageError: the store failed; run the same command again.
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
    stand = current_verdicts(records)
    found = match_verdicts(stand, archive.events)
    judgements = majority_verdicts(found)
    made = None
    if options.out:
        made = training_videos(archive, found, splits)
        if not made.records:
            raise UsageError(
                f"no video can be used for training, so {options.out} was not written: {_first_reasons(made.left_out)}"
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
        judged=len(judgements),
        reattached=sum(a.reattached for by in found.by_event.values() for a in by.values()),
        lost=len(found.lost),
        missed=len(found.missed),
        outcomes={what: list(judgements.values()).count(what) for what in sorted(set(judgements.values()))},
        damaged=damaged,
        training=None if made is None else len(made.records),
        left_out=dict(made.left_out) if made else {},
        out=options.out,
        **_figures(archive, found, judgements),
    )


def _check(options: VerdictOptions) -> None:
    """Raise ``UsageError`` for inconsistent options."""
    if options.reviewer is not None:
        check_reviewer(options.reviewer)
        if not options.files:
            raise UsageError("--reviewer requires --import: it names the reviewer of the imported verdicts")
    if options.manifest and not options.out:
        raise UsageError("--manifest requires --out: it lists the videos to exclude from that manifest")
    if options.out and options.manifest and _place(options.out, options) == _place(options.manifest, options):
        raise UsageError(f"--out would overwrite the manifest of splits: {options.out} is --manifest")


def _place(uri: str, options: VerdictOptions) -> str:
    store, key = open_object(uri, options.store)
    return store.uri_of(key)


def _figures(archive: Archive, found: MatchedVerdicts, judgements: dict[str, str]) -> dict[str, Any]:
    return {
        "precision": plain(precision(judgements)),
        "recall": plain(recall(archive, found, judgements)),
        "agreement": plain(agreement(found)),
        "thresholds": [plain(one) for one in suggest_thresholds(archive, judgements)],
    }


def _splits(options: VerdictOptions) -> list[Any]:
    """Return the records of the manifest with splits. Raises ``UsageError`` if it has no splits."""
    if not options.out:
        return []
    check_suffix(options.out)
    if not options.manifest:
        raise UsageError(
            "--out requires --manifest with the splits of all videos used for evaluation, so that no test video gets "
            "into training"
        )
    records = read_records(options.manifest, options.store)
    if not any(record.split for record in records):
        raise UsageError(f"{options.manifest} has no splits; nothing was written")
    return [replace(record, uri=resolve_uri(options.manifest, record.uri)) for record in records]


def _read(uri: str, options: StoreOptions) -> bytes:
    store, key = open_object(uri, options)
    try:
        return store.read(key)
    except ObjectNotFound as error:
        raise UsageError(f"--import: {uri} does not exist") from error


def _import(root: Store, verdicts: Sequence[Verdict]) -> tuple[int, int, dict[str, str]]:
    """Store records; return the numbers of new and existing ones, and why others were refused."""
    store = VerdictStore(probe_target(root))

    def add(verdict: Verdict) -> bool | str:
        try:
            return store.add(verdict)
        except ConflictError as error:
            return str(error)

    with ThreadPoolExecutor(_WRITERS) as pool:  # each write is a round trip to the store
        found = list(pool.map(add, verdicts))
    refused = {v.verdict_id: one for v, one in zip(verdicts, found, strict=True) if isinstance(one, str)}
    return found.count(True), found.count(False), refused


def _first_reasons(reasons: dict[str, str] | Any) -> str:
    return "; ".join(f"{video}: {why}" for video, why in list(reasons.items())[:3]) or "nothing was judged"
