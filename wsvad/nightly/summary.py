"""How a night ended: for people as a table, for programs as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wsvad.errors import EXIT_CONFLICT, EXIT_OK, EXIT_QUARANTINE, EXIT_STORAGE
from wsvad.text import printable
from wsvad.work.summary import Summary

NAMED = 8
"""Cameras that a line of the table names."""


@dataclass(frozen=True)
class RescoreSummary(Summary):
    """The end of a night."""

    problem_line = "{outcome}: {video_id}: {kind}: {message}"

    archive: str
    root: str
    champion: str
    """Digest of the model that readers are shown."""
    models: int
    """The champion and the candidates beside it."""
    cameras: int
    listed: int
    scored: int
    short: int
    failed: int
    waiting: int
    gone: int
    purged: int
    footage_s: float
    missing_s: float
    expired: int = 0
    """Videos older than the retention of their camera: purged by this run, or to be purged."""
    retention: str = ""
    """What was done about them: ``applied``, ``asked`` (nothing: --apply-retention was not given), or why it was held
    back."""
    lag_s: float = 0.0
    """How long the oldest footage has been waiting for scores; 0 where none waits."""
    elapsed_s: float = 0.0
    pointer: str | None = None
    """Key of the newest published night; ``None`` where none was."""
    published: bool = False
    """Whether this run published it."""
    clips_now: int = 0
    """Clips extracted by this run."""
    scored_now: int = 0
    """Clips scored by this run, of all models."""
    events: int = 0
    """Of the champion."""
    changes: dict[str, int] = field(default_factory=dict)
    """Events ``kept``, ``moved``, ``new`` and ``gone`` against the night before, or the champion before."""
    drift: list[dict[str, Any]] = field(default_factory=list)
    """Of each camera: ``psi`` and ``wasserstein`` of its newest scores, ``drifted``, and whether that is known
    (``judged``); its newest ``events``, how few and many are usual (``events_low``, ``events_high``), ``unusual``;
    whether its newest pictures show another scene (``moved``) or next to nothing (``covered``), null where that is not
    known, and since when (``view_changed_utc``)."""
    decode_s: float = 0.0
    """Worker seconds spent waiting for the decoder, summed."""
    model_s: float = 0.0
    """Likewise in networks."""
    banner: str = ""
    """A loud line when the features are of an untrained network, else empty."""
    codes: tuple[int, ...] = ()
    """Exit codes of the extractions, scorings and events."""
    tolerate_quarantine: bool = False
    nothing_to_do: bool = False
    dry_run: bool = False
    problems: list[dict[str, str]] = field(default_factory=list)
    """The first 20 videos that are not scored from their first clip to their last."""

    @property
    def exit_code(self) -> int:
        """0 done, 3 footage failed or is in doubt (0 if tolerated), 4 footage waits: run again, 5 damaged data."""
        if EXIT_CONFLICT in self.codes:
            return EXIT_CONFLICT
        if (self.waiting and not self.dry_run) or EXIT_STORAGE in self.codes:
            return EXIT_STORAGE
        if (self.failed or self.short or EXIT_QUARANTINE in self.codes) and not self.tolerate_quarantine:
            return EXIT_QUARANTINE
        if self.retention not in ("", "applied", "asked"):
            return EXIT_QUARANTINE
        return EXIT_OK

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the table."""
        states = [f"{self.scored} scored"]
        for count, word in (
            (self.short, "of them short"),
            (self.failed, "failed"),
            (self.waiting, "to do" if self.dry_run else "waiting, run again"),
            (self.purged, "purged"),
        ):
            if count:
                states.append(f"{count} {word}")
        rows = [
            ("archive", self.archive),
            ("videos", f"{self.listed} ({', '.join(states)}), {self.cameras} cameras"),
            ("footage", f"{_hours(self.footage_s)} with scores, {_hours(self.missing_s)} without"),
        ]
        if self.gone:
            rows.append(("gone", f"{self.gone} videos with scores are no longer in the archive; nothing was deleted"))
        if self.expired or self.retention not in ("", "applied", "asked"):
            done = {"applied": "purged", "asked": "--apply-retention purges them"}.get(self.retention, self.retention)
            rows.append(("retention", f"{self.expired} videos are older: {done}"))
        beside = f", {self.models - 1} beside it" if self.models > 1 else ""
        rows.append(("champion", f"{self.champion[:19]}{beside}"))
        if self.dry_run:
            return [*rows, ("done", "nothing (dry run)")]
        changes = ", ".join(f"{self.changes.get(name, 0)} {name}" for name in ("new", "moved", "gone", "kept"))
        rows.append(("events", f"{self.events} ({changes})"))
        rows.append(("drift", _drift(self.drift)))
        if self.nothing_to_do:
            rows.append(("done", f"nothing to do, {self.elapsed_s:.1f} s"))
        else:
            rows.append(
                ("done", f"{self.clips_now} clips extracted, {self.scored_now} scored in {self.elapsed_s:.1f} s")
            )
        shown = f"{self.root}/{self.pointer}" if self.pointer else "nothing"
        rows.append(("published", shown if self.published else f"{shown}, which was there"))
        return rows


def _drift(cameras: Sequence[Mapping[str, Any]]) -> str:
    """Name the cameras that were moved or covered, that drifted, and those with unusually few or many events."""
    if not cameras:
        return "not known of this champion before the next night with new footage"
    named = (
        ("camera moved", "moved"),
        ("camera covered", "covered"),
        ("scores drifted", "drifted"),
        ("unusual number of events", "unusual"),
    )
    said = [
        f"{what}: {_names([c['camera'] for c in cameras if c[flag]])}" for what, flag in named if _any(cameras, flag)
    ]
    said = said or ["none"]
    waiting = sum(not c["judged"] for c in cameras)
    if waiting:
        said.append(f"{waiting} of {len(cameras)} cameras have too little footage to tell")
    return "; ".join(said)


def _any(cameras: Sequence[Mapping[str, Any]], flag: str) -> bool:
    return any(c[flag] for c in cameras)


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(printable(name) for name in names[:NAMED]) + more


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s"
