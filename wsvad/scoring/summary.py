"""How a run ended: for people as a table, for programs as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wsvad.errors import EXIT_CONFLICT, EXIT_OK, EXIT_QUARANTINE, EXIT_STORAGE
from wsvad.work.summary import Summary


@dataclass(frozen=True)
class ScoreSummary(Summary):
    """The end of a scoring run."""

    problem_line = "{outcome}: {video_id}: {kind}: {message}"

    out: str
    snapshot: str | None
    """Key of the published snapshot; ``None`` after a dry run."""
    fingerprint: str
    checkpoint: str
    """Digest of the checkpoint."""
    model: str
    banner: str
    """A loud line when the features are of an untrained network, else empty."""
    features: str
    """URI of the features."""
    dry_run: bool
    videos: int
    """Videos of the features snapshot."""
    videos_scored: int
    """Videos with a score for every clip that has features."""
    videos_incomplete: int
    """Videos with work left because a store, the cluster or this machine failed: run again."""
    videos_without_features: int
    """Videos that extraction found no clip in; they have no scores."""
    units_done_before: int
    units_done_now: int
    units_failed: int
    units_damaged: int
    """Of those that failed: their features are missing or damaged."""
    units_to_do: int
    """Videos that this run had to score (in a dry run: would have)."""
    quarantined: int
    """Videos whose scores are NaN or infinite, or that take their worker down."""
    max_quarantine: int
    clips: int
    """Clips with a score."""
    expected_clips: int
    """Clips with features."""
    clips_now: int
    elapsed_s: float
    clips_per_s: float
    """Clips scored now over the whole run's time."""
    read_s: float
    """Worker seconds spent waiting for features, summed; likewise the next two."""
    model_s: float
    store_s: float
    problems: list[dict[str, str]] = field(default_factory=list)
    """The first 20 things that went wrong: ``video_id, outcome, kind, message``."""
    extraction: dict[str, Any] | None = None
    """Summary of the extraction, where scoring began with video."""
    ran_in: str = ""
    """Where videos were scored (in a dry run: would be): ``process`` or ``ray``; empty where nothing was to do."""
    ran_in_why: str = ""
    """What decided that."""

    @property
    def exit_code(self) -> int:
        """0 done (or planned), 3 too much quarantined, 4 work is left because a store or the cluster failed.

        5 where features are damaged: running again does not help, ``wsvad verify`` on them does.
        Where scoring began with video, the extraction's code if scoring itself has nothing to say.
        """
        if self.units_damaged:
            return EXIT_CONFLICT
        if self.units_failed or (self.videos_incomplete and not self.dry_run):
            return EXIT_STORAGE
        if self.quarantined > self.max_quarantine:
            return EXIT_QUARANTINE
        return int(self.extraction["exit_code"]) if self.extraction else EXIT_OK

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the table."""
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
