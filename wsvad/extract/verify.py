"""Prove a published data set complete: every object whole, every clip once, all that is missing accounted for."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from rich.console import Console

from wsvad.dataset import layout
from wsvad.dataset.collect import Collected, check_grace, collect
from wsvad.dataset.snapshots import Snapshot, SnapshotObject, latest_snapshot, publish, read_videos
from wsvad.errors import EXIT_CONFLICT, EXIT_OK, EXIT_QUARANTINE, EXIT_STORAGE, ObjectNotFound, UsageError
from wsvad.extract.table import UnitSummary, decode_unit
from wsvad.manifest.listing import Listing, printable
from wsvad.storage import Store, is_absent
from wsvad.work.stored import DamagedUnit


@dataclass(frozen=True)
class VerifyReport:
    """What verification found. ``faults`` are broken promises; the rest is accounted for."""

    out: str
    snapshot: int
    deep: bool
    objects: int
    rows: int
    videos: int
    videos_complete: int
    expected_clips: int
    """Clips that the videos' frame counts imply."""
    clips: int
    unaccounted: list[str] = field(default_factory=list)
    """Videos with clips missing: gaps, quarantine, or work left; with the reason."""
    unpublished: int = 0
    """Whole units that no snapshot names yet: an interrupted run left them for the next."""
    faults: list[str] = field(default_factory=list)
    """Missing, damaged or doubled objects."""
    damaged_keys: list[str] = field(default_factory=list)
    repaired: bool = False
    incomplete: int = 0
    """Videos with work left, or listed and not in the snapshot."""
    collected: Collected | None = None
    """What no recent snapshot named and was deleted; ``None`` where that was not asked for, or there are faults."""

    @property
    def exit_code(self) -> int:
        """0 all there, 3 all there but for what is set aside, 4 work left or repaired (run again), 5 damaged."""
        if self.faults and not self.repaired:
            return EXIT_CONFLICT
        if self.incomplete or self.repaired:
            return EXIT_STORAGE
        return EXIT_QUARANTINE if self.videos_complete < self.videos else EXIT_OK

    def to_json(self) -> str:
        """Return the report as one JSON object."""
        return json.dumps({**asdict(self), "exit_code": self.exit_code}, indent=1)

    def show(self, console: Console) -> None:
        """Print the report."""
        for line in self.faults[:20]:
            console.print(f"fault: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
        for line in self.unaccounted[:20]:
            console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
        how = "read and compared with their digests" if self.deep else "present in the right size (not read)"
        console.print(
            f"snapshot {self.snapshot} of {self.out}: {self.objects} objects {how}; "
            f"{self.videos_complete} of {self.videos} videos complete; "
            f"{self.clips} of {self.expected_clips} clips, each once, in {self.rows} rows",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
        if self.unpublished:
            console.print(f"{self.unpublished} finished units wait for the next run to publish them", markup=False)
        if self.collected:
            c = self.collected
            console.print(
                f"{c.objects} objects and {c.snapshots} snapshots of the past deleted, {c.bytes / 2**20:.1f} MiB",
                markup=False, highlight=False,
            )  # fmt: skip
        if self.repaired:
            console.print(
                f"{len(self.damaged_keys)} damaged objects removed; run the command that made the data set again",
                markup=False, highlight=False,
            )  # fmt: skip
        verdict = {EXIT_OK: "complete", EXIT_QUARANTINE: "complete but for what is listed above"}
        console.print(verdict.get(self.exit_code, "NOT complete" if not self.faults else "DAMAGED"), style="bold")


def verify(
    store: Store,
    *,
    deep: bool = True,
    listing: Listing | None = None,
    repair: bool = False,
    collect_after_hours: float | None = None,
    decode: Callable[[bytes], UnitSummary] = decode_unit,
) -> VerifyReport:
    """Check the newest snapshot against the store.

    Args:
        store: root of the data set.
        deep: read every object, compare its digest, count its rows; else only presence and size.
        listing: videos that should be there; those that are not are reported.
        repair: remove damaged objects and publish that they are gone, so that the next run makes them again.
        collect_after_hours: also delete what no recent snapshot names, see ``wsvad.dataset.collect``; not where there
            are faults, because an older snapshot may then be the better one.
        decode: reads a unit of this kind of data set; raises ``DamagedUnit``.

    Raises:
        UsageError: there is no snapshot.
        StorageError: the store failed.
    """
    if collect_after_hours is not None:
        check_grace(collect_after_hours)
    snapshot = latest_snapshot(store)
    if snapshot is None:
        raise UsageError(
            f"{store.uri} {'does not exist' if is_absent(store.uri) else 'has no published snapshot'}; is it the --out "
            "of a finished `wsvad extract` or `wsvad score`?"
        )
    sizes = {info.key: info.size for info in store.list(layout.UNITS)}
    faults = _faults(store, snapshot, sizes, decode if deep else None)
    videos = read_videos(store, snapshot)
    counts: Counter[str] = Counter()
    for o in snapshot.objects:
        counts[o.video_id] += o.clips
    general = _overlaps(snapshot.objects) + [
        f"{v['video_id']}: {v['clips']} clips by its row, {counts[v['video_id']]} in its objects"
        for v in videos
        if v["clips"] != counts[v["video_id"]]
    ]
    repaired = repair and bool(faults) and not general
    if repaired:
        _repair(store, snapshot, videos, faults)
    absent = _absent(videos, listing)
    collected = None
    if collect_after_hours is not None and not faults and not general:
        collected = collect(store, grace_hours=collect_after_hours)
    return VerifyReport(
        out=printable(store.uri),
        snapshot=snapshot.number,
        deep=deep,
        objects=len(snapshot.objects),
        rows=snapshot.rows,
        videos=len(videos) + len(absent),
        videos_complete=sum(v["status"] == "complete" for v in videos),
        expected_clips=sum(v["expected_clips"] or 0 for v in videos),
        clips=sum(counts.values()),
        unaccounted=[_shortfall(v) for v in videos if v["status"] != "complete"]
        + [f"{i}: listed, not in the snapshot" for i in absent],
        unpublished=_unpublished(store, snapshot, sizes),
        faults=general + [text for texts in faults.values() for text in texts],
        damaged_keys=sorted(faults),
        repaired=repaired,
        collected=collected,
        incomplete=len(absent) + sum(v["status"] == "incomplete" for v in videos),
    )


def _faults(
    store: Store, snapshot: Snapshot, sizes: dict[str, int], decode: Callable[[bytes], UnitSummary] | None
) -> dict[str, list[str]]:
    """What is wrong with the snapshot's objects, by key."""
    with ThreadPoolExecutor(8) as pool:
        checked = pool.map(lambda o: list(_check_object(store, snapshot, o, sizes, decode)), snapshot.objects)
        return {o.key: found for o, found in zip(snapshot.objects, checked, strict=True) if found}


def _repair(store: Store, snapshot: Snapshot, videos: Sequence[dict[str, Any]], damaged: Mapping[str, object]) -> None:
    """Remove damaged objects and publish that they are gone; the next run makes them again."""
    touched = {o.video_id for o in snapshot.objects if o.key in damaged}
    kept = [o for o in snapshot.objects if o.video_id in touched and o.key not in damaged]
    rows = []
    for video in (v for v in videos if v["video_id"] in touched):
        clips = sum(o.clips for o in kept if o.video_id == video["video_id"])
        why = {"kind": "damaged_object", "message": "damaged in the store and removed; the next run makes it again"}
        rows.append(video | why | {"clips": clips, "status": "partial" if clips else "quarantined"})
    now = datetime.now(UTC)
    publish(
        store,
        snapshot.fingerprint,
        snapshot.config,
        kept,
        rows,
        replaced_videos=frozenset(touched),
        run_id=f"repair-{now:%Y%m%dT%H%M%S}",
        created_utc=now.isoformat(timespec="seconds"),
    )
    for key in damaged:
        store.delete(key)


def _unpublished(store: Store, snapshot: Snapshot, sizes: Mapping[str, int]) -> int:
    """Count whole units that no snapshot ever named; those of replaced content were named by an earlier one."""
    unknown = sizes.keys() - {o.key for o in snapshot.objects}
    earlier = sorted((i.key for i in store.list(layout.SNAPSHOTS)), reverse=True)[1:] if unknown else []
    for key in earlier:
        unknown -= {o.key for o in Snapshot.from_json(store.read(key), f"{store.uri}/{key}").objects}
        if not unknown:
            break
    return len(unknown)


def _overlaps(objects: Sequence[SnapshotObject]) -> list[str]:
    """Two objects of one video must not share a clip."""
    by_video: dict[str, list[SnapshotObject]] = defaultdict(list)
    for o in objects:
        by_video[o.video_id].append(o)
    return [
        f"{video_id}: {a.key} and {b.key} both hold clip {b.first_clip}"
        for video_id, parts in by_video.items()
        for a, b in pairwise(sorted(parts, key=lambda o: o.first_clip))
        if b.first_clip < a.last_clip
    ]


def _check_object(
    store: Store,
    snapshot: Snapshot,
    o: SnapshotObject,
    sizes: dict[str, int],
    decode: Callable[[bytes], UnitSummary] | None,
) -> Iterator[str]:
    """Yield what is wrong with one object."""
    if o.key not in sizes:
        yield f"{o.key} ({o.video_id}) is missing"
        return
    if sizes[o.key] != o.bytes:
        yield f"{o.key} ({o.video_id}) has {sizes[o.key]} bytes, the snapshot says {o.bytes}"
        return
    if decode is None:
        return
    try:
        data = store.read(o.key)
    except ObjectNotFound:
        yield f"{o.key} ({o.video_id}) vanished"
        return
    if hashlib.sha256(data).hexdigest() != o.sha256:
        yield f"{o.key} ({o.video_id}) is not what the snapshot's digest says"
        return
    try:
        unit = decode(data)
    except DamagedUnit as error:
        yield f"{o.key} ({o.video_id}) cannot be read: {error}"
        return
    yield from (f"{o.key} ({o.video_id}): {text}" for text in _row_faults(snapshot, o, unit))


def _row_faults(snapshot: Snapshot, o: SnapshotObject, unit: UnitSummary) -> Iterator[str]:
    if unit.fingerprint != snapshot.fingerprint:
        yield "made by another configuration"
    if unit.rows != o.rows:
        yield f"{unit.rows} rows, the snapshot says {o.rows}"
    if len(set(unit.keys)) != len(unit.keys):
        yield "a clip and crop appears twice"
    if any(video != o.video_id or not o.first_clip <= clip < o.last_clip for video, clip, _ in unit.keys):
        yield "rows of another video or outside the unit's clip range"
    if len({clip for _, clip, _ in unit.keys}) != o.clips:
        yield f"{len({clip for _, clip, _ in unit.keys})} clips, the snapshot says {o.clips}"
    if not unit.finite:
        yield "values that are not finite"


def _absent(videos: Sequence[dict[str, Any]], listing: Listing | None) -> list[str]:
    there = {(v["video_id"], v["content_id"]) for v in videos}
    if listing is None:
        return []
    absent = [v.video_id for v in listing.videos if (v.video_id, v.content_id) not in there]
    names = {v["video_id"] for v in videos}
    return absent + [u.video_id for u in listing.unreachable if u.video_id not in names]


def _shortfall(video: dict[str, Any]) -> str:
    reason = f": {video['kind']}: {video['message']}" if video["kind"] else ""
    return f"{video['video_id']}: {video['status']}, {video['clips']} of {video['expected_clips']} clips{reason}"
