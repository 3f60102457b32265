"""Summary of an import, as a table for people and as JSON for programs."""

from __future__ import annotations

from dataclasses import dataclass, field

from wsvad.errors import EXIT_OK, EXIT_QUARANTINE
from wsvad.work.summary import Summary


@dataclass(frozen=True)
class ImportSummary(Summary):
    """Result of an import; an unusable file raises an error instead."""

    out: str
    snapshot: str | None
    """Key of the published snapshot; ``None`` after a dry run."""
    fingerprint: str
    source: str
    layout: str
    views: int
    """Number of crops per clip."""
    crops: list[int]
    """Crop numbers; a single one that is not 0 if only that crop was published."""
    pooled_dim: int
    """Number of values per clip and crop."""
    dry_run: bool
    videos: int
    """Videos with imported features."""
    mismatched_skipped: int
    """Videos left out because their number of clips does not match the manifest."""
    mismatched_kept: int
    """Videos imported although their number of clips does not match the manifest."""
    quarantined: int
    """Sum of the two and of feature files with unusable names; determines the exit code."""
    max_quarantine: int
    videos_assumed_length: int
    """Videos whose number of frames was derived from the number of clips."""
    fps: float
    """Frames per second used for the times in the table."""
    unmatched: int
    """Videos with features that are not in the manifest and were left out."""
    without_features: int
    """Videos of the manifest without features in these files."""
    skipped: int
    skipped_reasons: dict[str, int]
    units_done_before: int
    units_to_do: int
    """Units that this run converted (in a dry run: would convert)."""
    clips: int
    rows: int
    elapsed_s: float
    unmatched_ids: list[str] = field(default_factory=list)
    """First 20 unmatched ids."""
    problems: list[dict[str, str]] = field(default_factory=list)
    """First 20 quarantined entries: ``video_id, uri, outcome, kind, message``."""

    @property
    def exit_code(self) -> int:
        """0, or 3 if ``quarantined`` exceeds ``max_quarantine``; unusable files raise an error instead."""
        return EXIT_QUARANTINE if self.quarantined > self.max_quarantine else EXIT_OK

    def lines(self) -> list[tuple[str, str]]:
        """Return the rows of the summary table."""
        rows = [
            ("source", self.source),
            ("videos", f"{self.videos} ({self.layout})"),
            ("clips", f"{self.clips} in {self.rows} rows: {self.views} crops of {self.pooled_dim} values"),
        ]
        if self.videos_assumed_length:
            rows.append(("lengths", f"{self.videos_assumed_length} videos: number of frames derived from the clips"))
        rows.append(("times", f"at {self.fps:g} frames/s"))
        if self.crops != list(range(self.views)):
            rows.append(("crops", f"only crop {self.crops[0]} of each video exists"))
        for count, action in ((self.mismatched_skipped, "left out"), (self.mismatched_kept, "imported unchanged")):
            if count:
                rows.append(("mismatched", f"{count} videos, {action}: number of clips does not match the manifest"))
        if self.quarantined:
            rows.append(("quarantined", f"{self.quarantined} (allowed {self.max_quarantine})"))
        if self.unmatched:
            more = ", …" if self.unmatched > len(self.unmatched_ids) else ""
            ids = ", ".join(self.unmatched_ids) + more
            rows.append(("left out", f"{self.unmatched} videos that are not in the manifest ({ids})"))
        if self.without_features:
            rows.append(("missing", f"{self.without_features} videos of the manifest without features"))
        if self.skipped:
            reasons = ", ".join(f"{n} {reason}" for reason, n in self.skipped_reasons.items())
            rows.append(("skipped", f"{self.skipped} ({reasons})"))
        if self.dry_run:
            rows.append(("to do", f"{self.units_to_do} units (dry run: nothing was written)"))
        elif self.units_to_do:
            rows.append(("done", f"{self.units_to_do} units in {self.elapsed_s:.1f} s"))
        else:
            rows.append(("done", f"nothing to do, {self.elapsed_s:.1f} s"))
        rows.append(("features", f"{self.out}/{self.snapshot}" if self.snapshot else self.out))
        return rows
