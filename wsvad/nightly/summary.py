"""Summary of a nightly run: a table for people, JSON for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wsvad.errors import EXIT_CONFLICT, EXIT_OK, EXIT_QUARANTINE, EXIT_STORAGE
from wsvad.report.svg import count as counted
from wsvad.text import printable
from wsvad.work.summary import Summary

NAMED = 8
"""Maximum number of cameras named in a line of the table."""
THRESHOLDS = 4
"""Maximum number of cameras whose thresholds are listed one by one."""


@dataclass(frozen=True)
class RescoreSummary(Summary):
    """Result of a nightly run."""

    problem_line = "{outcome}: {video_id}: {kind}: {message}"

    archive: str
    root: str
    champion: str
    """Digest of the model whose results readers see."""
    models: int
    """Number of scored models: the champion and the candidates."""
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
    unknown_length: int = 0
    """Number of videos without scores whose length is unknown; ``missing_s`` does not include them."""
    cameras_file: str | None = None
    """The file that assigns videos to cameras; ``None``: every folder is a camera."""
    thresholds: dict[str, dict[str, Any]] = field(default_factory=dict)
    """For each camera, the ``high`` and ``low`` of the champion's events, and the ``source`` of ``high``: ``cameras
    file``, ``calibrated``, ``calibrated, all cameras``, ``--high`` or ``default``."""
    ran: dict[str, str] = field(default_factory=dict)
    """Where ``extraction`` and ``scoring`` ran, and why; a step without work is missing."""
    expired: int = 0
    """Number of videos older than the retention of their camera, purged by this run or to be purged."""
    retention: str = ""
    """What was done with them: ``applied``, ``asked`` (nothing: --apply-retention was not given), or why the purge was
    refused."""
    lag_s: float = 0.0
    """Waiting time of the oldest footage without scores in seconds; 0 if none waits."""
    elapsed_s: float = 0.0
    pointer: str | None = None
    """Key of the newest published night; ``None`` if there is none."""
    published: bool = False
    """Whether this run published a night."""
    clips_now: int = 0
    """Clips extracted by this run."""
    scored_now: int = 0
    """Clips scored by this run, summed over the models."""
    events: int = 0
    """Number of events of the champion."""
    changes: dict[str, int] = field(default_factory=dict)
    """Number of events ``kept``, ``moved``, ``new`` and ``gone`` relative to the previous night or champion."""
    drift: list[dict[str, Any]] = field(default_factory=list)
    """For each camera: ``psi`` and ``wasserstein`` of its newest scores, ``drifted``, and whether drift could be
    determined (``judged``); its newest ``events``, their usual range (``events_low``, ``events_high``), ``unusual``;
    whether its newest pictures show another scene (``moved``) or almost no detail (``covered``), null if unknown, and
    since when (``view_changed_utc``)."""
    decode_s: float = 0.0
    """Worker seconds spent waiting for the decoder, summed."""
    model_s: float = 0.0
    """Worker seconds of network inference, summed."""
    banner: str = ""
    """A warning if the features come from an untrained network, otherwise empty."""
    codes: tuple[int, ...] = ()
    """Exit codes of the extractions, scorings and events."""
    tolerate_quarantine: bool = False
    nothing_to_do: bool = False
    dry_run: bool = False
    problems: list[dict[str, str]] = field(default_factory=list)
    """The first 20 videos that are not completely scored."""

    @property
    def retention_held(self) -> bool:
        """Whether the purge of expired footage was refused because it selected too many videos."""
        return self.retention not in ("", "applied", "asked")

    @property
    def exit_code(self) -> int:
        """0 done, 3 footage failed or is uncertain (0 if tolerated), 4 footage waits: run again, 5 damaged data."""
        if EXIT_CONFLICT in self.codes:
            return EXIT_CONFLICT
        if (self.waiting and not self.dry_run) or EXIT_STORAGE in self.codes:
            return EXIT_STORAGE
        if (self.failed or self.short or EXIT_QUARANTINE in self.codes) and not self.tolerate_quarantine:
            return EXIT_QUARANTINE
        if self.retention_held:
            return EXIT_QUARANTINE
        return EXIT_OK

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the table."""
        states = [f"{self.scored} scored"]
        for count, word in (
            (self.short, "of them short"),
            (self.failed, "failed"),
            (self.waiting, "to score" if self.dry_run else "waiting, run again"),
        ):
            if count:
                states.append(f"{count} {word}")
        by = f"placed by {self.cameras_file}" if self.cameras_file else "every folder is one"
        rows = [
            ("archive", self.archive),
            ("videos", f"{self.listed} ({', '.join(states)})"),
            ("cameras", f"{self.cameras} ({by})"),
            ("footage", self._footage()),
        ]
        if self.purged:
            rows.append(("purged", f"{counted(self.purged, 'other videos')} of the archive, skipped"))
        if self.gone:
            rows.append(("gone", f"{self.gone} videos with scores are no longer in the archive; nothing was deleted"))
        if self.expired or self.retention_held:
            done = {"applied": "purged", "asked": "use --apply-retention to purge them"}.get(
                self.retention, self.retention
            )
            rows.append(("retention", f"{self.expired} videos are expired: {done}"))
        beside = f" and {self.models - 1} candidates" if self.models > 1 else ""
        rows.append(("champion", f"{self.champion[:19]}{beside}"))
        if self.thresholds:
            rows.append(("thresholds", _thresholds(self.thresholds)))
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
        if self.ran:
            rows.append(("ran", "; ".join(f"{step} {where}" for step, where in self.ran.items())))
        shown = f"{self.root}/{self.pointer}" if self.pointer else "nothing"
        rows.append(("published", shown if self.published else f"{shown} (unchanged)"))
        return rows

    def _footage(self) -> str:
        missing = [_hours(self.missing_s)] if self.missing_s or not self.unknown_length else []
        if self.unknown_length:
            missing.append(f"{counted(self.unknown_length, 'videos')} of unknown length")
        return f"{_hours(self.footage_s)} with scores, {' and '.join(missing)} without"


def _thresholds(points: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the thresholds at which events open as text: one if all are equal, one per camera if few, else a range."""
    found = sorted({(float(p["high"]), str(p["source"])) for p in points.values()})
    if len(found) == 1:
        return f"{found[0][0]:.3g} ({found[0][1]})"
    if len(points) <= THRESHOLDS:
        return ", ".join(f"{printable(name)} {p['high']:.3g} ({p['source']})" for name, p in points.items())
    sources = Counter(str(p["source"]) for p in points.values())
    counts = ", ".join(f"{count} {source}" for source, count in sorted(sources.items()))
    low, high = f"{found[0][0]:.3g}", f"{found[-1][0]:.3g}"
    return f"{low if low == high else f'{low} to {high}'} over {len(points)} cameras ({counts})"


def _drift(cameras: Sequence[Mapping[str, Any]]) -> str:
    """List the cameras that were moved or covered, that drifted, or that have an unusual number of events."""
    if not cameras:
        return "unknown for this champion until the next night with new footage"
    named = (
        ("camera moved", "moved"),
        ("camera covered", "covered"),
        ("scores drifted", "drifted"),
        ("unusual number of events", "unusual"),
    )
    parts = [
        f"{what}: {_names([c['camera'] for c in cameras if c[flag]])}" for what, flag in named if _any(cameras, flag)
    ]
    parts = parts or ["none"]
    waiting = sum(not c["judged"] for c in cameras)
    if waiting:
        parts.append(f"unknown for {waiting} of {len(cameras)} cameras (too little footage)")
    return "; ".join(parts)


def _any(cameras: Sequence[Mapping[str, Any]], flag: str) -> bool:
    return any(c[flag] for c in cameras)


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(printable(name) for name in names[:NAMED]) + more


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s"
