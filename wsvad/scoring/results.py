"""Result of a scoring run: objects and videos to publish, collected from receipts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from wsvad.dataset.snapshots import SnapshotObject
from wsvad.errors import DamagedError
from wsvad.features.reading import FeatureSet
from wsvad.scoring.units import ScoreUnit
from wsvad.text import printable
from wsvad.work.outcome import existing_receipts, snapshot_objects
from wsvad.work.receipt import Receipt


@dataclass
class Outcome:
    """State of a run, filled in as it progresses."""

    features: FeatureSet
    units: Sequence[ScoreUnit]
    """All planned units."""
    todo: Sequence[ScoreUnit] = ()
    """Units that this run has to score."""
    receipts: dict[str, Receipt] = field(default_factory=dict)
    """Receipts of this run and of earlier ones, by unit id."""

    @property
    def objects(self) -> list[SnapshotObject]:
        """The completed units as objects of a snapshot."""
        return snapshot_objects(
            self.units, self.receipts, lambda unit: self.features.videos[unit.video_id]["content_id"]
        )

    def video_rows(self) -> list[dict[str, Any]]:
        """Return the row of the table of videos for every video of the features snapshot.

        ``expected_clips`` is the number of clips with features. The row of a video without features is kept unchanged.
        """
        units = {u.video_id: u for u in self.units}
        return [self._video_row(dict(row), units.get(video_id)) for video_id, row in self.features.videos.items()]

    def _video_row(self, row: dict[str, Any], unit: ScoreUnit | None) -> dict[str, Any]:
        if unit is None:
            return row
        receipt = self.receipts.get(unit.unit_id)
        status = receipt.status if receipt else "failed"
        row |= {"expected_clips": unit.num_clips, "clips": 0, "kind": None, "message": None}
        if receipt and status == "done":
            return row | {"clips": receipt.clips, "status": "complete"}
        if receipt and status == "quarantined":
            return row | {"status": "quarantined", "kind": receipt.kind, "message": printable(receipt.message)}
        return row | {"status": "incomplete"}

    def problems(self) -> list[dict[str, str]]:
        """Return everything that went wrong, as rows ``video_id, outcome, kind, message``."""
        return [
            {"video_id": u.video_id, "outcome": r.status, "kind": r.kind, "message": printable(r.message)}
            for u in self.todo
            for r in [self.receipts.get(u.unit_id)]
            if r and r.status != "done"
        ]

    def counts(self) -> dict[str, Any]:
        """Return the counts of a summary."""
        now = existing_receipts(self.todo, self.receipts)
        done_now = [r for r in now if r.status == "done"]
        states = Counter(r.status for r in now)
        objects = self.objects
        return {
            "videos": len(self.features.videos),
            "videos_scored": len(objects),
            "videos_incomplete": len(self.units) - len(objects) - states["quarantined"],
            "videos_without_features": len(self.features.videos) - len(self.units),
            "units_done_before": len(objects) - len(done_now),
            "units_done_now": len(done_now),
            "units_failed": states["failed"],
            "units_damaged": sum(r.status == "failed" and r.kind == DamagedError.__name__ for r in now),
            "units_to_do": len(self.todo),
            "quarantined": states["quarantined"],
            "clips": sum(o.clips for o in objects),
            "expected_clips": sum(u.num_clips for u in self.units),
            "clips_now": sum(r.clips for r in done_now),
            "read_s": round(sum(r.decode_wait_s for r in now), 3),
            "model_s": round(sum(r.model_s for r in now), 3),
            "store_s": round(sum(r.store_s for r in now), 3),
            "problems": self.problems()[:20],
        }
