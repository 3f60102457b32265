"""Verification of a nightly job, from the newest pointer to the last object; for ``wsvad verify``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Protocol

from rich.console import Console

from wsvad.checkpoint.verify import checkpoint_faults
from wsvad.dataset.layout import snapshot_key
from wsvad.dataset.snapshots import read_snapshot
from wsvad.errors import EXIT_CONFLICT, EXIT_OK, EXIT_QUARANTINE, DamagedError, ObjectNotFound, UsageError
from wsvad.nightly.layout import INPUTS
from wsvad.nightly.models import model_folder
from wsvad.nightly.published import Current, require_current
from wsvad.storage import Store, open_store
from wsvad.text import printable

SHOWN = 20
"""Maximum number of videos that the report prints."""
_LEFT_OUT = (
    "complete except for the videos above. For each: replace its file in the archive and run the night again, or purge "
    "it (wsvad purge --video ID). `wsvad rescore --tolerate-quarantine` accepts them; this check names them still"
)


class Report(Protocol):
    """Result of the verification of a data set."""

    @property
    def exit_code(self) -> int:
        """Exit code of the command."""
        ...

    @property
    def faults(self) -> list[str]:
        """Problems: damaged or missing objects."""
        ...

    @property
    def unaccounted(self) -> list[str]:
        """Videos with missing clips and doubtful videos, with the reason."""
        ...


@dataclass(frozen=True)
class NightReport:
    """Result of the verification of a nightly job."""

    out: str
    night: int | None
    """Number of the newest pointer; ``None`` if it cannot be read."""
    data_sets: dict[str, int] = field(default_factory=dict)
    """Exit code of each data set below the root, by its key prefix."""
    faults: list[str] = field(default_factory=list)
    unaccounted: list[str] = field(default_factory=list)
    """Videos that failed, are short or doubtful, with the reason."""

    @property
    def exit_code(self) -> int:
        """0 intact, 3 intact, but videos failed, are short or doubtful, 4 a data set was repaired or is incomplete (run
        the night again), 5 damaged.
        """
        if self.faults or EXIT_CONFLICT in self.data_sets.values():
            return EXIT_CONFLICT
        return EXIT_OK if not any(self.data_sets.values()) else max(self.data_sets.values())

    def to_json(self) -> str:
        """Return the report as one JSON object."""
        return json.dumps({**asdict(self), "exit_code": self.exit_code}, indent=1)

    def show(self, console: Console) -> None:
        """Print the report."""
        for line in self.faults:
            console.print(f"fault: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
        for prefix, code in self.data_sets.items():
            console.print(f"{prefix}: {code}", markup=False, highlight=False, soft_wrap=True)
        for line in self.unaccounted[:SHOWN]:
            console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
        if len(self.unaccounted) > SHOWN:
            console.print(f"and {len(self.unaccounted) - SHOWN} more videos", style="yellow", soft_wrap=True)
        verdict = {EXIT_OK: "complete", EXIT_CONFLICT: "DAMAGED", EXIT_QUARANTINE: _LEFT_OUT}.get(
            self.exit_code, "NOT complete; run the night again (wsvad rescore)"
        )
        console.print(f"{self.out}: night {self.night}: {verdict}", style="bold", markup=False, soft_wrap=True)


def verify_nights(store: Store, verify: Callable[[Store], Report]) -> NightReport:
    """Verify what the newest pointer names: report, inputs, models, consistent snapshots, every data set.

    Args:
        store: root of the nightly job.
        verify: function that verifies one data set.

    Raises:
        StorageError: the store failed.
    """
    try:
        night = require_current(store)
    except (DamagedError, UsageError) as error:
        return NightReport(printable(store.uri), None, faults=[printable(str(error))])
    faults = [*_report_faults(store, night), *_input_faults(store, night), *_model_faults(store, night)]
    codes: dict[str, int] = {}
    left_out: dict[str, None] = {}  # in order, once: features and scores name the same videos
    for prefix in sorted({at.prefix for m in night.models.values() for at in (m.features, m.scores, m.events)}):
        report = verify(open_store(f"{store.uri}/{prefix}", store.options))
        codes[prefix] = int(report.exit_code)
        if report.exit_code == EXIT_CONFLICT:  # otherwise the faults were repaired
            faults += [printable(f"{prefix}: {fault}") for fault in report.faults]
        left_out |= dict.fromkeys(printable(line) for line in report.unaccounted)
    return NightReport(printable(store.uri), night.number, codes, faults, list(left_out))


def _report_faults(store: Store, night: Current) -> list[str]:
    try:
        night.report(store)
    except DamagedError as error:
        return [printable(str(error))]
    return []


def _input_faults(store: Store, night: Current) -> list[str]:
    """Check the copies of the cameras and thresholds files against the digests in their names."""
    found = []
    for key in (*((night.cameras,) if night.cameras else ()), *night.thresholds):
        try:
            whole = hashlib.sha256(store.read(key)).hexdigest()[:32] == key.removeprefix(INPUTS)
        except ObjectNotFound:
            found.append(f"{key} is missing")
            continue
        if not whole:
            found.append(f"{key} is damaged: its digest differs from its name")
    return found


def _model_faults(store: Store, night: Current) -> list[str]:
    """Check that every model is intact, and that its snapshots exist and contain the same videos."""
    found = []
    for digest, model in night.models.items():
        try:
            checkpoint, faults = checkpoint_faults(store, model_folder(digest))
        except UsageError as error:
            checkpoint, faults = None, [printable(str(error))]
        found += faults
        if checkpoint and checkpoint.digest != digest:
            found.append(f"{model_folder(digest)} contains another model, {checkpoint.digest[:19]}")
        videos = []
        for at in (model.features, model.scores):
            data_set = open_store(f"{store.uri}/{at.prefix}", store.options)
            try:
                snapshot = read_snapshot(data_set, snapshot_key(at.snapshot))
                videos.append({row["video_id"] for row in snapshot.videos})
            except (ObjectNotFound, DamagedError) as error:
                found.append(printable(str(error)))
        if len(videos) == 2 and videos[0] != videos[1]:
            found.append(f"{model.scores.prefix} and {model.features.prefix} contain different videos")
    return found
