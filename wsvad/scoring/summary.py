"""Summary of a scoring run, as a table for people and as JSON for programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wsvad.errors import EXIT_CONFLICT, EXIT_OK, EXIT_QUARANTINE, EXIT_STORAGE
from wsvad.work.summary import Summary


@dataclass(frozen=True)
class ScoreSummary(Summary):
    """Result of a scoring run."""

    problem_line = "{outcome}: {video_id}: {kind}: {message}"

    out: str
    snapshot: str | None
    """Key of the published snapshot; ``None`` after a dry run."""
    fingerprint: str
    checkpoint: str
    """Digest of the checkpoint."""
    model: str
    banner: str
    """Warning that the features come from an untrained network, else empty."""
    features: str
    """URI of the features data set."""
    dry_run: bool
    videos: int
    """Videos in the features snapshot."""
    videos_scored: int
    """Videos with a score for every clip that has features."""
    videos_incomplete: int
    """Videos with work left because a store, the cluster or this machine failed: run again."""
    videos_without_features: int
    """Videos without a decodable clip; they have no scores."""
    units_done_before: int
    units_done_now: int
    units_failed: int
    units_damaged: int
    """Failed units whose features are missing or damaged."""
    units_to_do: int
    """Videos that this run had to score (in a dry run: would have to score)."""
    quarantined: int
    """Videos with scores of NaN or infinity, or that crash their worker."""
    max_quarantine: int
    clips: int
    """Clips with a score."""
    expected_clips: int
    """Clips with features."""
    clips_now: int
    elapsed_s: float
    clips_per_s: float
    """Clips scored by this run, divided by its duration."""
    read_s: float
    """Total worker seconds spent waiting for features; the next two are those of model and store."""
    model_s: float
    store_s: float
    problems: list[dict[str, str]] = field(default_factory=list)
    """First 20 problems: ``video_id, outcome, kind, message``."""
    extraction: dict[str, Any] | None = None
    """Summary of the extraction, if scoring started from videos."""
    ran_in: str = ""
    """Where videos were scored (in a dry run: would be): ``process`` or ``ray``; empty if there was nothing to do."""
    ran_in_why: str = ""
    """Reason for that."""

    @property
    def exit_code(self) -> int:
        """0 done (or planned), 3 too many quarantined videos, 4 work is left because a store or the cluster failed.

        5 if features are damaged: repeating the run does not help, but ``wsvad verify`` on the features does.
        If scoring started from videos and succeeded, the exit code of the extraction.
        """
        if self.units_damaged:
            return EXIT_CONFLICT
        if self.units_failed or (self.videos_incomplete and not self.dry_run):
            return EXIT_STORAGE
        if self.quarantined > self.max_quarantine:
            return EXIT_QUARANTINE
        return int(self.extraction["exit_code"]) if self.extraction else EXIT_OK

    def lines(self) -> list[tuple[str, str]]:
        """Return the rows of the summary table."""
        states = [f"{self.videos_scored} scored"]
        for count, word in (
            (self.videos_incomplete, "to do" if self.dry_run else "incomplete, run again"),
            (self.quarantined, f"quarantined, {self.max_quarantine} allowed"),
            (self.videos_without_features, "without features"),
        ):
            if count:
                states.append(f"{count} {word}")
        rows = [
            ("videos", f"{self.videos} ({', '.join(states)})"),
            ("units", f"{self.units_done_before} were done, {self.units_done_now} done now"),
            ("clips", f"{self.clips} of {self.expected_clips}"),
        ]
        if self.dry_run:
            rows.append(("to do", f"{self.units_to_do} videos (dry run: nothing was written)"))
        elif self.units_to_do == 0:
            rows.append(("done", f"nothing to do, {self.elapsed_s:.1f} s"))
        else:
            rows.append(("done", f"{self.clips_now} clips in {self.elapsed_s:.1f} s, {self.clips_per_s:.1f} clips/s"))
        if self.ran_in:
            rows.append(("ran", f"{'on Ray' if self.ran_in == 'ray' else 'in this process'} ({self.ran_in_why})"))
        rows.append(("model", f"{self.model} ({self.checkpoint[:19]})"))
        rows.append(("features", self.features))
        rows.append(("scores", f"{self.out}/{self.snapshot}" if self.snapshot else self.out))
        return rows
