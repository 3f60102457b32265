"""How a run ended: for people as a table, for programs as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wsvad.errors import EXIT_OK
from wsvad.work.summary import Summary


@dataclass(frozen=True)
class EventsSummary(Summary):
    """The end of a run that looked for events."""

    out: str
    snapshot: str | None
    """Key of the published snapshot; ``None`` after a dry run."""
    fingerprint: str
    scores: str
    """URI of the scores."""
    checkpoint: str
    """Digest of the checkpoint that gave them."""
    settings: dict[str, Any]
    """Of cameras without thresholds of their own."""
    banner: str
    """What must not be overlooked, else empty."""
    dry_run: bool
    cameras: int
    videos: int
    """Videos of the scores snapshot."""
    videos_without_time: int
    """Videos of which no time of recording is known: their events have offsets alone."""
    videos_not_scored: int
    """Videos without any score."""
    units: int
    """Camera-days, and videos without a time."""
    units_done_before: int
    units_to_do: int
    """Units that this run had to do (in a dry run: would have)."""
    units_gone: int
    """Units of earlier runs that these scores have no footage of any more."""
    events: int | None
    """``None`` after a dry run with work left; likewise the next three."""
    scored_hours: float | None
    not_scored_hours: float | None
    not_scored_spans: int | None
    elapsed_s: float
    notes: dict[str, int] = field(default_factory=dict)
    """How many videos were placed in time by a rule, by its code."""
    text: str | None = None
    """Where the text forms were written."""

    @property
    def exit_code(self) -> int:
        """0: done, or planned. What stands in the way ends in an error."""
        return EXIT_OK

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the table."""
        videos = f"{self.videos}"
        told = [
            f"{count} {words}"
            for count, words in (
                (self.videos_not_scored, "without scores"),
                (self.videos_without_time, "without a time of recording"),
            )
            if count
        ]
        rows = [("cameras", str(self.cameras)), ("videos", videos + (f" ({', '.join(told)})" if told else ""))]
        if self.notes:
            rows.append(("placed", ", ".join(f"{count} {code}" for code, count in self.notes.items())))
        if self.events is not None:
            rows.append(("events", f"{self.events} in {self.scored_hours:.2f} hours that were scored"))
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
