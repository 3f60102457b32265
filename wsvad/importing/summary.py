"""How an import ended: for people as a table, for programs as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from wsvad.errors import EXIT_OK, EXIT_QUARANTINE
from wsvad.work.summary import Summary


@dataclass(frozen=True)
class ImportSummary(Summary):
    """The end of an import; one that could not use a file ends in an error instead."""

    out: str
    snapshot: str | None
    """Key of the published snapshot; ``None`` after a dry run."""
    fingerprint: str
    source: str
    layout: str
    views: int
    """Crops of a clip."""
    crops: list[int]
    """Their numbers; one that is not 0 where only that crop was published."""
    pooled_dim: int
    """Values of a clip and crop."""
    dry_run: bool
    videos: int
    """Videos whose features are imported."""
    mismatched_skipped: int
    """Videos whose number of clips does not fit the manifest and that were left out."""
    mismatched_kept: int
    """Likewise, imported as they are."""
    quarantined: int
    """Those two, and feature files whose names cannot be used: what counts for the exit code."""
    max_quarantine: int
    videos_assumed_length: int
    """Videos whose number of frames follows from the number of clips."""
    fps: float
    """Frames a second that the times in the table are made with."""
    unmatched: int
    """Videos with features that are not in the manifest and were left out."""
    without_features: int
    """Videos of the manifest that these files have no features of."""
    skipped: int
    skipped_reasons: dict[str, int]
    units_done_before: int
    units_to_do: int
    """Units that this run had to do (in a dry run: would have)."""
    clips: int
    rows: int
    elapsed_s: float
    unmatched_ids: list[str] = field(default_factory=list)
    """The first 20 of the unmatched."""
    problems: list[dict[str, str]] = field(default_factory=list)
    """The first 20 of the quarantined: ``video_id, uri, outcome, kind, message``."""

    @property
    def exit_code(self) -> int:
        """0 done, 3 more was left out or does not fit than is allowed; what cannot be used at all ends in an error."""
        return EXIT_QUARANTINE if self.quarantined > self.max_quarantine else EXIT_OK

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the table."""
        rows = [
            ("source", self.source),
            ("videos", f"{self.videos} ({self.layout})"),
            ("clips", f"{self.clips} in {self.rows} rows: {self.views} crops of {self.pooled_dim} values"),
        ]
        if self.videos_assumed_length:
            rows.append(
                ("lengths", f"{self.videos_assumed_length} videos as long as their clips; no frame count known")
            )
        rows.append(("times", f"at {self.fps:g} frames/s"))
        if self.crops != list(range(self.views)):
            rows.append(("crops", f"only crop {self.crops[0]} of each video is there"))
        for count, told in ((self.mismatched_skipped, "left out"), (self.mismatched_kept, "kept as they are")):
            if count:
                rows.append(("do not fit", f"{count} videos, {told}: other clips than the manifest's frames have"))
        if self.quarantined:
            rows.append(("quarantined", f"{self.quarantined} (allowed {self.max_quarantine})"))
        if self.unmatched:
            more = ", …" if self.unmatched > len(self.unmatched_ids) else ""
            named = ", ".join(self.unmatched_ids) + more
            rows.append(("left out", f"{self.unmatched} videos that the manifest does not have ({named})"))
        if self.without_features:
            rows.append(("not here", f"{self.without_features} videos of the manifest"))
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
