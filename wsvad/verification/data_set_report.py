"""Report of the verification of a data set, as text or JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace

from rich.console import Console

from wsvad.dataset import layout
from wsvad.dataset.collect import Collected
from wsvad.errors import EXIT_CONFLICT, EXIT_OK, EXIT_QUARANTINE, EXIT_STORAGE


@dataclass(frozen=True)
class VerifyReport:
    """Result of a verification. ``faults`` are missing, damaged or inconsistent objects.

    Numbers count intact objects only: a missing or damaged object has no clips.
    """

    out: str
    snapshot: int
    deep: bool
    objects: int
    rows: int
    videos: int
    videos_complete: int
    expected_clips: int
    """Number of clips according to the videos' frame counts."""
    clips: int
    doubtful: int = 0
    """Videos with estimated times, or with another video stream that was not extracted."""
    unaccounted: list[str] = field(default_factory=list)
    """Videos with missing clips (gaps, quarantine or unfinished work) and doubtful videos, with the reason."""
    unpublished: int = 0
    """Units that no snapshot references yet; an interrupted run left them, and the next one publishes them."""
    faults: list[str] = field(default_factory=list)
    """Missing, damaged or duplicate objects of all kinds."""
    damaged_keys: list[str] = field(default_factory=list)
    """Keys of existing, damaged objects."""
    missing_keys: list[str] = field(default_factory=list)
    """Keys of missing objects."""
    repairs: list[str] = field(default_factory=list)
    """Actions of the repair except for the deletion of damaged units."""
    whole_objects: int = 0
    """Number of ``objects`` that exist and are intact as far as they were checked."""
    repaired: bool = False
    incomplete: int = 0
    """Videos with unfinished work, or listed but not in the snapshot."""
    collected: Collected | None = None
    """Result of the garbage collection; ``None`` if it was not requested or there are faults."""

    def with_actions(self, repaired: bool, repairs: list[str], collected: Collected | None) -> VerifyReport:
        """Return the report with the actions added."""
        return replace(self, repaired=repaired, repairs=repairs, collected=collected)

    @property
    def exit_code(self) -> int:
        """0 complete, 3 complete except for quarantine, 4 unfinished or repaired (run again), 5 damaged."""
        if self.faults and not self.repaired:
            return EXIT_CONFLICT
        if self.incomplete or self.repaired:
            return EXIT_STORAGE
        return EXIT_QUARANTINE if self.videos_complete < self.videos or self.doubtful else EXIT_OK

    def to_json(self) -> str:
        """Return the report as a JSON object."""
        return json.dumps({**asdict(self), "exit_code": self.exit_code}, indent=1)

    def show(self, console: Console) -> None:
        """Print the report."""
        for line in self.faults[:20]:
            console.print(f"fault: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
        for line in self.unaccounted[:20]:
            console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
        for line in self._state():
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        verdict = {EXIT_OK: "complete", EXIT_QUARANTINE: "complete except for what is listed above"}
        console.print(verdict.get(self.exit_code, "NOT complete" if not self.faults else "DAMAGED"), style="bold")

    def _state(self) -> list[str]:
        how = "read and verified by their digests" if self.deep else "present with the right size (not read)"
        of = f" of {self.objects}" if self.whole_objects < self.objects else ""
        lines = [
            f"snapshot {self.snapshot} of {self.out}: {self.whole_objects}{of} objects {how}; "
            f"{self.videos_complete} of {self.videos} videos complete; "
            f"{self.clips} of {self.expected_clips} clips, each once, in {self.rows} rows"
        ]
        if self.unpublished:
            lines.append(f"{self.unpublished} finished units will be published by the next run")
        if self.collected:
            c = self.collected
            size = f"{c.bytes / 2**20:.1f} MiB"
            lines.append(f"{c.objects} unreferenced objects and {c.snapshots} old snapshots deleted, {size}")
        lines += [f"repair: {line}" for line in self.repairs]
        if self.repaired:
            removed = sum(key.startswith(layout.UNITS) for key in self.damaged_keys)
            missing = sum(key.startswith(layout.UNITS) for key in self.missing_keys)
            said = [f"{removed} damaged objects removed"] if removed else []
            said += [f"{missing} missing objects are no longer expected"] if missing else []
            lines.append(", ".join(said or ["repaired"]) + "; run the command that made the data set again")
        elif self.faults:
            lines.append("run again with --repair to repair what is possible and to remove damaged objects")
        return lines
