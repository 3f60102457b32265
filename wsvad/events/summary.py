"""Summary of an event detection run, as a table for people and as JSON for programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wsvad.errors import EXIT_OK
from wsvad.work.summary import Summary


@dataclass(frozen=True)
class EventsSummary(Summary):
    """Result of an event detection run."""

    out: str
    snapshot: str | None
    """Key of the published snapshot; ``None`` after a dry run."""
    fingerprint: str
    scores: str
    """URI of the scores data set."""
    checkpoint: str
    """Digest of the checkpoint that produced the scores."""
    settings: dict[str, Any]
    """Settings of cameras without their own thresholds."""
    banner: str
    """Warnings, else empty."""
    dry_run: bool
    cameras: int
    videos: int
    """Videos in the scores snapshot."""
    videos_without_time: int
    """Videos without a known recording time: their events have only offsets."""
    videos_not_scored: int
    """Videos without any scores."""
    units: int
    """Camera-days, and videos without a recording time."""
    units_done_before: int
    units_to_do: int
    """Units that this run computed (in a dry run: would compute)."""
    units_gone: int
    """Units of earlier runs without footage in these scores."""
    events: int | None
    """``None`` after a dry run with work left, as are the next three fields."""
    scored_hours: float | None
    not_scored_hours: float | None
    not_scored_spans: int | None
    elapsed_s: float
    notes: dict[str, int] = field(default_factory=dict)
    """Number of videos placed by a rule, by the code of the rule."""
    text: str | None = None
    """URI of the folder with the text formats."""

    @property
    def exit_code(self) -> int:
        """Always 0; failures raise an exception."""
        return EXIT_OK

    def lines(self) -> list[tuple[str, str]]:
        """Return the rows of the summary table."""
        videos = f"{self.videos}"
        gaps = [
            f"{count} {words}"
            for count, words in (
                (self.videos_not_scored, "without scores"),
                (self.videos_without_time, "without a recording time"),
            )
            if count
        ]
        rows = [("cameras", str(self.cameras)), ("videos", videos + (f" ({', '.join(gaps)})" if gaps else ""))]
        if self.notes:
            rows.append(("placed", ", ".join(f"{count} {code}" for code, count in self.notes.items())))
        if self.events is not None:
            rows.append(("events", f"{self.events} in {self.scored_hours:.2f} scored hours"))
            if self.not_scored_spans:
                word = "span" if self.not_scored_spans == 1 else "spans"
                rows.append(("not scored", f"{self.not_scored_spans} {word}, {self.not_scored_hours:.2f} hours"))
        rows.append(("units", f"{self.units_done_before} of {self.units} were done"))
        if self.units_gone:
            rows.append(("gone", f"{self.units_gone} units without footage in these scores"))
        if self.dry_run:
            rows.append(("to do", f"{self.units_to_do} units (dry run: nothing was written)"))
        elif self.units_to_do:
            rows.append(("done", f"{self.units_to_do} units in {self.elapsed_s:.1f} s"))
        else:
            rows.append(("done", f"nothing to do, {self.elapsed_s:.1f} s"))
        rows.append(("settings", ", ".join(f"{name} {value:g}" for name, value in self.settings.items())))
        rows.append(("scores", f"{self.scores} ({self.checkpoint[:19]})"))
        rows.append(("saved", f"{self.out}/{self.snapshot}" if self.snapshot else self.out))
        if self.text:
            rows.append(("text", self.text))
        return rows
