"""Prove a features data set complete: every object whole, every clip once, all that is missing accounted for."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import pyarrow as pa
from rich.console import Console

from wsvad.errors import EXIT_CONFLICT, EXIT_OK, EXIT_QUARANTINE, EXIT_STORAGE, ObjectNotFound, UsageError
from wsvad.extract import layout
from wsvad.extract.snapshots import Snapshot, SnapshotObject, latest_snapshot, read_videos
from wsvad.extract.table import decode_unit
from wsvad.manifest.listing import Listing
from wsvad.storage import Store


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
        verdict = {EXIT_OK: "complete", EXIT_QUARANTINE: "complete but for what is listed above"}
        console.print(verdict.get(self.exit_code, "NOT complete" if not self.faults else "DAMAGED"), style="bold")


def verify(store: Store, *, deep: bool = True, listing: Listing | None = None, repair: bool = False) -> VerifyReport:
    """Check the newest snapshot against the store.

    Args:
        store: root of the data set.
        deep: read every object, compare its digest, count its rows; else only presence and size.
        listing: videos that should be there; those that are not are reported.
        repair: remove damaged objects, so that the next run makes them again.

    Raises:
        UsageError: there is no snapshot.
        StorageError: the store failed.
    """
    snapshot = latest_snapshot(store)
    if snapshot is None:
        raise UsageError(f"{store.uri} has no published snapshot; is it the --out of a finished `wsvad extract`?")
    sizes = {info.key: info.size for info in store.list(layout.UNITS)}
    faults: list[tuple[str, str]] = list(_overlaps(snapshot.objects))
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda o: list(_check_object(store, snapshot, o, sizes, deep)), snapshot.objects):
            faults += found
    videos = read_videos(store, snapshot)
    counts: dict[str, int] = defaultdict(int)
    for o in snapshot.objects:
        counts[o.video_id] += o.clips
    faults += [("", f"{v['video_id']}: {v['clips']} clips by its row, {counts[v['video_id']]} in its objects")
               for v in videos if v["clips"] != counts[v["video_id"]]]  # fmt: skip
    damaged = sorted({key for key, _ in faults if key in sizes})
    if repair:
        for key in damaged:
            store.delete(key)
    absent = _absent(videos, listing)
    return VerifyReport(
        out=store.uri,
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
        unpublished=len(sizes.keys() - {o.key for o in snapshot.objects}),
        faults=[text for _, text in faults],
        damaged_keys=damaged,
        repaired=repair and bool(faults),
        incomplete=len(absent) + sum(v["status"] == "incomplete" for v in videos),
    )


def _overlaps(objects: Sequence[SnapshotObject]) -> Iterator[tuple[str, str]]:
    """Two objects of one video must not share a clip."""
    by_video: dict[str, list[SnapshotObject]] = defaultdict(list)
    for o in objects:
        by_video[o.video_id].append(o)
    for video_id, parts in by_video.items():
        parts.sort(key=lambda o: o.first_clip)
        for a, b in pairwise(parts):
            if b.first_clip < a.last_clip:
                yield "", f"{video_id}: {a.key} and {b.key} both hold clip {b.first_clip}"


def _check_object(
    store: Store, snapshot: Snapshot, o: SnapshotObject, sizes: dict[str, int], deep: bool
) -> Iterator[tuple[str, str]]:
    """Yield ``(key, fault)`` of one object."""
    if o.key not in sizes:
        yield o.key, f"{o.key} ({o.video_id}) is missing"
        return
    if sizes[o.key] != o.bytes:
        yield o.key, f"{o.key} ({o.video_id}) has {sizes[o.key]} bytes, the snapshot says {o.bytes}"
        return
    if not deep:
        return
    try:
        data = store.read(o.key)
    except ObjectNotFound:
        yield o.key, f"{o.key} ({o.video_id}) vanished"
        return
    if hashlib.sha256(data).hexdigest() != o.sha256:
        yield o.key, f"{o.key} ({o.video_id}) is not what the snapshot's digest says"
        return
    try:
        unit = decode_unit(data)
    except (pa.ArrowException, KeyError, ValueError) as error:
        yield o.key, f"{o.key} ({o.video_id}) cannot be read: {error}"
        return
    yield from ((o.key, f"{o.key} ({o.video_id}): {text}") for text in _row_faults(snapshot, o, unit))


def _row_faults(snapshot: Snapshot, o: SnapshotObject, unit: Any) -> Iterator[str]:
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
    return [v.video_id for v in listing.videos if (v.video_id, v.content_id) not in there] if listing else []


def _shortfall(video: dict[str, Any]) -> str:
    reason = f": {video['kind']}: {video['message']}" if video["kind"] else ""
    return f"{video['video_id']}: {video['status']}, {video['clips']} of {video['expected_clips']} clips{reason}"
