"""What verification found: for people as lines, for programs as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace

from rich.console import Console

from wsvad.dataset import layout
from wsvad.dataset.collect import Collected
from wsvad.errors import EXIT_CONFLICT, EXIT_OK, EXIT_QUARANTINE, EXIT_STORAGE


@dataclass(frozen=True)
class VerifyReport:
    """What verification found. ``faults`` are broken promises; the rest is accounted for.

    Numbers are of what is there: a missing or damaged object has no clips.
    """

    out: str
    snapshot: int
    deep: bool
    objects: int
    rows: int
    videos: int
    videos_complete: int
    expected_clips: int
    """Clips that the videos' frame counts imply."""
    clips: int
    doubtful: int = 0
    """Videos whose times are a guess, or of which another stream of footage is left out."""
    unaccounted: list[str] = field(default_factory=list)
    """Videos with clips missing: gaps, quarantine, or work left; and doubtful ones; with the reason."""
    unpublished: int = 0
    """Whole units that no snapshot names yet: an interrupted run left them for the next."""
    faults: list[str] = field(default_factory=list)
    """Missing, damaged or doubled objects, of every kind."""
    damaged_keys: list[str] = field(default_factory=list)
    """Objects that are there and damaged."""
    missing_keys: list[str] = field(default_factory=list)
    """Objects that should be there and are not."""
    repairs: list[str] = field(default_factory=list)
    """What was done about them, besides removing damaged units."""
    whole_objects: int = 0
    """Of ``objects``: those that are there, and as the snapshot says as far as was looked."""
    repaired: bool = False
    incomplete: int = 0
    """Videos with work left, or listed and not in the snapshot."""
    collected: Collected | None = None
    """What no recent snapshot named and was deleted; ``None`` where that was not asked for, or there are faults."""

    def told(self, repaired: bool, repairs: list[str], collected: Collected | None) -> VerifyReport:
        """Return the report with what was done."""
        return replace(self, repaired=repaired, repairs=repairs, collected=collected)

    @property
    def exit_code(self) -> int:
        """0 all there, 3 all there but for what is set aside, 4 work left or repaired (run again), 5 damaged."""
        if self.faults and not self.repaired:
            return EXIT_CONFLICT
        if self.incomplete or self.repaired:
            return EXIT_STORAGE
        return EXIT_QUARANTINE if self.videos_complete < self.videos or self.doubtful else EXIT_OK

    def to_json(self) -> str:
        """Return the report as one JSON object."""
        return json.dumps({**asdict(self), "exit_code": self.exit_code}, indent=1)

    def show(self, console: Console) -> None:
        """Print the report."""
        for line in self.faults[:20]:
            console.print(f"fault: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
        for line in self.unaccounted[:20]:
            console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
        for line in self._state():
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        verdict = {EXIT_OK: "complete", EXIT_QUARANTINE: "complete but for what is listed above"}
        console.print(verdict.get(self.exit_code, "NOT complete" if not self.faults else "DAMAGED"), style="bold")

    def _state(self) -> list[str]:
        how = "read and compared with their digests" if self.deep else "present in the right size (not read)"
        of = f" of {self.objects}" if self.whole_objects < self.objects else ""
        lines = [
            f"snapshot {self.snapshot} of {self.out}: {self.whole_objects}{of} objects {how}; "
            f"{self.videos_complete} of {self.videos} videos complete; "
            f"{self.clips} of {self.expected_clips} clips, each once, in {self.rows} rows"
        ]
        if self.unpublished:
            lines.append(f"{self.unpublished} finished units wait for the next run to publish them")
        if self.collected:
            c = self.collected
            size = f"{c.bytes / 2**20:.1f} MiB"
            lines.append(f"{c.objects} objects and {c.snapshots} snapshots of the past deleted, {size}")
        lines += [f"repair: {line}" for line in self.repairs]
        if self.repaired:
            removed = sum(key.startswith(layout.UNITS) for key in self.damaged_keys)
            missing = sum(key.startswith(layout.UNITS) for key in self.missing_keys)
            said = [f"{removed} damaged objects removed"] if removed else []
            said += [f"{missing} missing objects are no longer expected"] if missing else []
            lines.append(", ".join(said or ["mended"]) + "; run the command that made the data set again")
        elif self.faults:
            lines.append("with --repair, what can be mended is mended, and damaged objects make way for the next run")
        return lines
