"""Summary of an extraction run, as a table and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from wsvad.errors import EXIT_OK, EXIT_QUARANTINE, EXIT_STORAGE
from wsvad.work.summary import Summary


@dataclass(frozen=True)
class ExtractSummary(Summary):
    """Summary of an extraction run."""

    out: str
    snapshot: str | None
    """Key of the published snapshot; ``None`` after a dry run."""
    fingerprint: str
    backbone: str
    weights: str
    banner: str
    """Warning if the features are of an untrained network, else empty."""
    dry_run: bool
    videos: int
    """Number of listed videos."""
    videos_complete: int
    """Videos with all of their clips."""
    videos_partial: int
    """Videos with permanently missing clips: damaged or quarantined parts."""
    videos_incomplete: int
    """Videos with unfinished units because a store or a node failed: run again."""
    videos_quarantined: int
    """Videos without any clip because of evidence against them."""
    skipped: int
    skipped_reasons: dict[str, int]
    units: int
    """Number of units of the whole plan."""
    units_done_before: int
    units_done_now: int
    units_failed: int
    units_to_do: int
    """Units to extract in this run (in a dry run: that would be extracted)."""
    quarantined: int
    """Quarantine records of this plan: units, and videos that cannot be indexed."""
    max_quarantine: int
    videos_short: int
    """Videos with less than ``min_coverage`` percent of their clips, but at least one."""
    videos_doubtful: int
    """Videos with guessed times, or with another stream of footage left out."""
    videos_skipped: int
    """Files with a video's file name that are not videos."""
    min_coverage: float
    notes: dict[str, int]
    """Number of videos per note code, see ``wsvad.video.Note``; the lists hold the notes themselves."""
    flagged: int
    """Short, doubtful and skipped videos; they count like quarantined ones."""
    clips: int
    expected_clips: int
    rows: int
    missing_frames: int
    """Frames that could not be decoded in the units of this run."""
    clips_now: int
    elapsed_s: float
    clips_per_s: float
    """Clips of this run divided by its total time."""
    first_clip_s: float | None
    """Seconds from the start of the workers to the first reported clip."""
    steady_clips_per_s: float
    """Clips of this run divided by the time from the first to the last of them."""
    decode_wait_s: float
    """Sum of the seconds that workers waited for the decoder; the next two are sums of worker seconds too."""
    model_s: float
    store_s: float
    problems: list[dict[str, str]] = field(default_factory=list)
    """The first 20 problems: ``video_id, uri, outcome, kind, message``."""
    ran_in: str = ""
    """Where units ran (in a dry run: would run): ``process`` or ``ray``; empty if there was no work."""
    ran_in_why: str = ""
    """Reason for ``ran_in``."""

    @property
    def exit_code(self) -> int:
        """0: done (or planned), 3: too many quarantined or flagged, 4: unfinished, a store or the cluster failed."""
        if self.units_failed or (self.videos_incomplete and not self.dry_run):
            return EXIT_STORAGE
        return EXIT_QUARANTINE if self.quarantined + self.flagged > self.max_quarantine else EXIT_OK

    def lines(self) -> list[tuple[str, str]]:
        """Return the rows of the table."""
        states = [f"{self.videos_complete} complete"]
        for count, word in (
            (self.videos_partial, "partial"),
            (self.videos_incomplete, "incomplete, run again"),
            (self.videos_quarantined, "quarantined"),
        ):
            if count:
                states.append(f"{count} {word}")
        rows = [
            ("videos", f"{self.videos} ({', '.join(states)})" if not self.dry_run else str(self.videos)),
            ("units", f"{self.units} ({self.units_done_before} done before, {self.units_done_now} done now)"),
            ("clips", f"{self.clips} of {self.expected_clips} in {self.rows} rows"),
        ]
        if self.skipped:
            reasons = ", ".join(f"{n} {reason}" for reason, n in self.skipped_reasons.items())
            rows.append(("skipped", f"{self.skipped} ({reasons})"))
        if self.notes:
            notes = ", ".join(f"{count} {code.replace('_', ' ')}" for code, count in self.notes.items())
            rows.append(("noted", f"{notes} (column notes in lists/)"))
        if self.missing_frames:
            rows.append(("not decodable", f"{self.missing_frames} frames"))
        if self.units_failed:
            rows.append(("failed", f"{self.units_failed} units; run the same command again"))
        if self.quarantined:
            rows.append(("quarantined", f"{self.quarantined} (allowed {self.max_quarantine})"))
        if self.flagged:
            kinds = (
                (self.videos_short, f"with less than {self.min_coverage:g} % of their clips"),
                (self.videos_doubtful, "doubtful: guessed times, or a stream left out"),
                (self.videos_skipped, "files with a video's name skipped"),
            )
            flagged = ", ".join(f"{count} {what}" for count, what in kinds if count)
            rows.append(("to look at", f"{flagged}; they count like quarantined ones (allowed {self.max_quarantine})"))
        if self.dry_run:
            rows.append(("to do", f"{self.units_to_do} units (dry run: nothing was written)"))
        elif self.units_to_do == 0:
            rows.append(("done", f"nothing to do, {self.elapsed_s:.1f} s"))
        else:
            rows.append(("done", f"{self.clips_now} clips in {self.elapsed_s:.1f} s, {self.clips_per_s:.1f} clips/s"))
        if self.ran_in:
            rows.append(("ran", f"{'on Ray' if self.ran_in == 'ray' else 'in this process'} ({self.ran_in_why})"))
        rows.append(("backbone", self.backbone))
        rows.append(("weights", self.weights))
        rows.append(("features", f"{self.out}/{self.snapshot}" if self.snapshot else self.out))
        return rows
