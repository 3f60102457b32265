"""Results of a run: objects and videos to publish, collected from receipts, snapshots and stored units."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wsvad.columns import NOTES
from wsvad.dataset import layout
from wsvad.dataset.snapshots import Snapshot, SnapshotObject
from wsvad.extraction.indexing import IndexResult
from wsvad.extraction.summary import ExtractSummary
from wsvad.extraction.units import Unit
from wsvad.features.config import FeatureConfig
from wsvad.features.coverage import shortcomings, skipped_videos
from wsvad.manifest.listing import Listing, reasons
from wsvad.text import printable
from wsvad.weights.resolve import BackboneSource
from wsvad.work.outcome import existing_receipts, snapshot_objects
from wsvad.work.quarantine import QuarantineRecord
from wsvad.work.receipt import Receipt


def _failed(video_id: str, uri: str, kind: str, message: str) -> dict[str, str]:
    return {
        "video_id": video_id,
        "uri": printable(uri),
        "outcome": "failed",
        "kind": kind,
        "message": printable(message),
    }


def _by_video(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Merge the rows of all units of a video with the same outcome; the message is that of the first one."""
    alike: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for row in rows:
        alike.setdefault((row["video_id"], row["outcome"], row["kind"]), []).append(row)
    return [
        first if not more else first | {"message": f"{first['message']} (and {len(more)} more units of this video)"}
        for first, *more in alike.values()
    ]


@dataclass
class Outcome:
    """Results of a run, filled in as it proceeds."""

    listing: Listing
    indexed: Sequence[IndexResult]
    units: Sequence[Unit]
    """All units of the plan."""
    features: FeatureConfig
    todo: Sequence[Unit] = ()
    """Units to extract in this run."""
    receipts: dict[str, Receipt] = field(default_factory=dict)
    """Receipts by unit id: of this run, later also of earlier ones."""
    records: dict[str, QuarantineRecord] = field(default_factory=dict)
    """Quarantine records of the plan's units and videos, by unit id."""
    set_aside: frozenset[str] = frozenset()
    """Unit ids of the quarantine records that existed before the run."""
    first_clip_s: float | None = None
    steady_s: float = 0.0
    """Seconds from the first reported clip to the last receipt."""

    @property
    def objects(self) -> list[SnapshotObject]:
        """Return the finished units as objects of a snapshot."""
        return snapshot_objects(self.units, self.receipts, lambda unit: unit.video.content_id)

    def skipped_rows(self) -> list[dict[str, str]]:
        """Return the listed files that are not videos, as rows of a run record."""
        return [{"uri": s.uri, "reason": s.reason} for s in self.listing.skipped]

    def problems(self) -> list[dict[str, str]]:
        """Return all problems as rows ``video_id, uri, outcome, kind, message``; one per kind and video."""
        found = [
            {"video_id": r.video_id, "uri": r.uri, "outcome": "quarantined", "kind": r.kind, "message": r.message}
            for r in self.records.values()
        ]
        for lost in self.listing.unreachable:
            found.append(_failed(lost.video_id, lost.uri, "StorageError", lost.message))
        for result in self.indexed:
            if result.unreachable:
                found.append(_failed(result.video.video_id, result.video.uri, "StorageError", result.message))
        for unit in self.todo:
            receipt = self.receipts.get(unit.unit_id)
            if receipt and receipt.status == "failed":
                found.append(_failed(unit.video.video_id, unit.video.uri, receipt.kind, receipt.message))
        return _by_video(found)

    def video_rows(self) -> list[dict[str, Any]]:
        """Return the row of every listed video for the lists of the snapshot."""
        clips: dict[str, int] = {}
        unsettled: set[str] = set()
        for unit in self.units:
            receipt = self.receipts.get(unit.unit_id)
            clips[unit.video.video_id] = clips.get(unit.video.video_id, 0) + (receipt.clips if receipt else 0)
            if unit.unit_id not in self.records and (receipt is None or receipt.status == "failed"):
                unsettled.add(unit.video.video_id)
        evidence = {r.video_id: r for r in self.records.values()}
        return [self._video_row(i, clips, unsettled, evidence) for i in self.indexed]

    def _video_row(
        self,
        result: IndexResult,
        clips: Mapping[str, int],
        unsettled: set[str],
        evidence: Mapping[str, QuarantineRecord],
    ) -> dict[str, Any]:
        video, index = result.video, result.index
        record = evidence.get(video.video_id)
        row: dict[str, Any] = {
            "video_id": video.video_id,
            "uri": printable(video.uri),
            "content_id": video.content_id,
            "clips": clips.get(video.video_id, 0),
            "kind": record.kind if record else None,
            "message": record.message if record else None,
        }
        if index is None:
            row["status"] = "quarantined" if record else "incomplete"
            return row
        expected = self.features.clips.count(index.num_frames)
        if video.video_id in unsettled:
            status = "incomplete"
        elif row["clips"] == expected:
            status = "complete"
        else:
            status = "partial" if row["clips"] else "quarantined"
        described = (
            "num_frames",
            "fps",
            "duration_s",
            "width",
            "height",
            "rotation",
            "variable_rate",
            "container",
            "codec",
        )
        notes = [f"{note.code}: {note.message}" for note in index.notes] or None
        what = {name: getattr(index, name) for name in described}
        return row | what | {"expected_clips": expected, "status": status, NOTES: notes}


def summarize(
    outcome: Outcome,
    snapshot: Snapshot | None,
    *,
    out: str,
    weights: BackboneSource,
    dry_run: bool,
    max_quarantine: int,
    min_coverage: float,
    elapsed_s: float,
) -> ExtractSummary:
    """Return the summary of a run's outcome."""
    videos = outcome.video_rows()
    short = shortcomings(videos, min_coverage)
    skipped = skipped_videos(outcome.listing.skipped)
    states = Counter(v["status"] for v in videos)
    now = existing_receipts(outcome.todo, outcome.receipts)
    done_now = [r for r in now if r.status == "done"]
    objects = outcome.objects
    clips_now = sum(r.clips for r in done_now)
    return ExtractSummary(
        out=printable(out),
        snapshot=layout.snapshot_key(snapshot.number) if snapshot else None,
        fingerprint=outcome.features.fingerprint,
        backbone=outcome.features.backbone,
        weights=weights.label,
        banner=weights.banner,
        dry_run=dry_run,
        videos=len(outcome.listing.videos) + len(outcome.listing.unreachable),
        videos_complete=states["complete"],
        videos_partial=states["partial"],
        videos_incomplete=states["incomplete"] + len(outcome.listing.unreachable),
        videos_quarantined=states["quarantined"],
        skipped=len(outcome.listing.skipped),
        skipped_reasons=reasons(outcome.listing.skipped),
        units=len(outcome.units),
        units_done_before=len(objects) - len(done_now),
        units_done_now=len(done_now),
        units_failed=sum(r.status == "failed" for r in now),
        units_to_do=len(outcome.todo),
        quarantined=len(outcome.records),
        max_quarantine=max_quarantine,
        videos_short=sum(row["outcome"] == "short" for row in short),
        videos_doubtful=len({row["video_id"] for row in short if row["outcome"] == "doubtful"}),
        videos_skipped=len(skipped),
        min_coverage=min_coverage,
        notes=dict(Counter(note.code for i in outcome.indexed if i.index for note in i.index.notes).most_common()),
        flagged=len({row["video_id"] for row in short}) + len(skipped),
        clips=sum(o.clips for o in objects),
        expected_clips=sum(v.get("expected_clips") or 0 for v in videos),
        rows=sum(o.rows for o in objects),
        missing_frames=sum(missing_frames(r) for r in done_now),
        clips_now=clips_now,
        elapsed_s=round(elapsed_s, 3),
        clips_per_s=round(clips_now / elapsed_s, 3) if elapsed_s else 0.0,
        first_clip_s=None if outcome.first_clip_s is None else round(outcome.first_clip_s, 3),
        steady_clips_per_s=round(clips_now / outcome.steady_s, 3) if outcome.steady_s else 0.0,
        decode_wait_s=round(sum(r.decode_wait_s for r in now), 3),
        model_s=round(sum(r.model_s for r in now), 3),
        store_s=round(sum(r.store_s for r in now), 3),
        problems=[*outcome.problems(), *short, *skipped][:20],
    )


def missing_frames(receipt: Receipt) -> int:
    """Return the number of frames of a unit that could not be decoded."""
    return sum(end - start for start, end in json.loads(receipt.missing))
