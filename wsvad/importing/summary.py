"""How an import ended: for people as a table, for programs as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from wsvad.errors import EXIT_OK


@dataclass(frozen=True)
class ImportSummary:
    """The end of an import; one that could not use a file ends in an error instead."""

    out: str
    snapshot: str | None
    """Key of the published snapshot; ``None`` after a dry run."""
    fingerprint: str
    source: str
    layout: str
    views: int
    """Crops of a clip."""
    pooled_dim: int
    """Values of a clip and crop."""
    dry_run: bool
    videos: int
    """Videos with features."""
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

    @property
    def exit_code(self) -> int:
        """0: what cannot be used ends a run with an error."""
        return EXIT_OK

    def to_json(self) -> str:
        """Return the summary as one JSON object, the exit code included."""
        return json.dumps({**asdict(self), "exit_code": self.exit_code}, indent=1)

    def show(self, console: Console) -> None:
        """Print the summary as a table."""
        table = Table(show_header=False, box=None, pad_edge=False)
        for name, value in self._rows():
            table.add_row(name, value)
        console.print(table, markup=False)

    def _rows(self) -> list[tuple[str, str]]:
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
        if self.unmatched:
            rows.append(("left out", f"{self.unmatched} videos that the manifest does not have"))
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

    def to_record(self, config: dict[str, Any], versions: dict[str, str]) -> bytes:
        """Return what is saved as ``runs/<id>.json``: the resolved configuration, versions, and this summary."""
        record = {"config": config, "versions": versions, "summary": {**asdict(self), "exit_code": self.exit_code}}
        return json.dumps(record, indent=1, sort_keys=True).encode()
