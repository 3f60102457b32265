"""Which events are shown, in which order, what is folded, and random spans without an event beside them."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from wsvad.errors import UsageError
from wsvad.review.config import ChoiceOptions
from wsvad.review.reading import Archive
from wsvad.suggest import did_you_mean

LEAST_CONTROL_S = 1.0
"""Footage shorter than this is no control span."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Shown:
    """One thing to be looked at."""

    row: Row
    kind: str
    """``event`` or ``control``."""
    group: str = ""
    """Id of the event that it is folded below; its own where it is not."""

    @property
    def event_id(self) -> str:
        """Of the event, or of the control span."""
        return str(self.row["event_id"])


@dataclass(frozen=True)
class Choice:
    """What is on the page."""

    shown: tuple[Shown, ...]
    """In the order in which it is to be looked at."""
    events: int
    """Events of what was published."""
    other: int
    """Of those: events of other cameras or days than those asked for."""
    below: int
    """Events that ``--top`` leaves out."""
    controls: int = 0
    lacking: int = 0
    """Control spans that were asked for and have no footage."""
    parts: Mapping[str, list[tuple[float, float, str]]] = field(default_factory=dict)
    """``(start_s, end_s, event_id)`` of all events in each video, also of those not shown."""


def choose(archive: Archive, options: ChoiceOptions) -> Choice:
    """Choose what is shown.

    Raises:
        UsageError: a camera that is not there, or a day that is none.
    """
    _check(archive, options)
    days = {date.fromisoformat(day) for day in options.day}
    wanted = [row for row in archive.events if _within(row, options, days)]
    ranked = sorted(wanted, key=rank)
    kept = ranked[: options.top] if options.top else ranked
    groups = fold(kept, options.fold_s)
    shown = [Shown(row, "event", groups[row["event_id"]]) for row in kept]
    parts = event_parts(archive)
    controls = control_spans(archive, options, days, parts) if options.control else []
    return Choice(
        tuple(_mixed(shown, controls, options.seed)),
        len(archive.events),
        len(archive.events) - len(wanted),
        len(ranked) - len(kept),
        len(controls),
        options.control - len(controls),
        parts,
    )


def _check(archive: Archive, options: ChoiceOptions) -> None:
    for name in options.camera:
        if name not in archive.cameras:
            meant = did_you_mean(name, archive.cameras)
            raise UsageError(f"--camera: there is no camera {name!r:.120}{meant}")
    for day in options.day:
        try:
            if date.fromisoformat(day).isoformat() != day:
                raise ValueError  # rows are looked up by this spelling, too
        except ValueError:
            raise UsageError(f"--day takes a day such as 2026-03-01, got {day!r:.80}") from None


def _within(row: Row, options: ChoiceOptions, days: set[date]) -> bool:
    return (not options.camera or row["camera"] in options.camera) and (not days or row["day"] in days)


def rank(row: Row) -> tuple[Any, ...]:
    """Return what events are ordered by: how far above the threshold of their camera, then by time."""
    return (round(row["high"] - row["score"], 9), str(row["start_utc"] or ""), row["camera"], *_place(row))


def _place(row: Row) -> tuple[Any, ...]:
    return (row["video_id"], row["start_s"], row["event_id"])


def fold(ranked: Sequence[Row], within_s: float) -> dict[str, str]:
    """Return the id of the event that each is folded below: the strongest of a run of near duplicates.

    Events of a camera are a run where each begins at most ``within_s`` seconds after the end of those before, and
    where one goes on with another that was cut; without times, events of one video.

    Args:
        ranked: in the order in which they are shown.
        within_s: 0: only what touches.
    """
    by_clock: dict[str, list[Row]] = defaultdict(list)
    for row in ranked:
        by_clock[f"camera {row['camera']}" if row["start_utc"] else f"video {row['content_id']}"].append(row)
    place = {row["event_id"]: number for number, row in enumerate(ranked)}
    found: dict[str, str] = {}
    for rows in by_clock.values():
        runs: list[list[str]] = []
        reach = -np.inf
        for row in sorted(rows, key=lambda r: _span(r)[0]):
            start_s, end_s = _span(row)
            if start_s > reach + within_s:
                runs.append([])
            runs[-1].append(row["event_id"])
            reach = max(reach, end_s)
        for run in runs:
            found |= dict.fromkeys(run, min(run, key=place.__getitem__))
    return found


def _span(row: Row) -> tuple[float, float]:
    if row["start_utc"]:
        return row["start_utc"].timestamp(), row["end_utc"].timestamp()
    return float(row["start_s"]), float(row["end_s"])


def event_parts(archive: Archive) -> dict[str, list[tuple[float, float, str]]]:
    """Return where events lie in each video, by time."""
    found: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for row in archive.events:
        for part in row["parts"] or ():
            found[part["video_id"]].append((float(part["start_s"]), float(part["end_s"]), str(row["event_id"])))
    return {video_id: sorted(parts) for video_id, parts in found.items()}


@dataclass(frozen=True)
class Run:
    """Footage that was scored and has no event."""

    row: Row
    """``scored`` row that it is cut from."""
    start_s: float
    end_s: float

    def slots(self, length_s: float) -> int:
        """Return how many control spans of this length it has; what is shorter is one."""
        return max(1, int((self.end_s - self.start_s) / length_s))


def quiet_runs(rows: Iterable[Row], parts: Mapping[str, Sequence[tuple[float, float, str]]]) -> list[Run]:
    """Return scored footage without events, at least ``LEAST_CONTROL_S`` long each.

    Args:
        rows: of which those of kind ``scored`` count.
        parts: where events lie, by video.
    """
    found = []
    for row in rows:
        if row["kind"] != "scored":
            continue
        at = float(row["start_s"])
        for start_s, end_s, _ in [*parts.get(row["video_id"], ()), (np.inf, np.inf, "")]:
            upto = min(start_s, float(row["end_s"]))
            if upto - at >= LEAST_CONTROL_S:
                found.append(Run(row, at, upto))
            at = max(at, end_s)
            if at >= row["end_s"]:
                break
    return found


def control_spans(
    archive: Archive,
    options: ChoiceOptions,
    days: set[date],
    parts: Mapping[str, Sequence[tuple[float, float, str]]],
) -> list[Shown]:
    """Draw spans without an event, as many of each camera as can be; the same seed draws the same."""
    rows = (row for row in archive.rows if _within(row, options, days))
    by_camera: dict[str, list[Run]] = defaultdict(list)
    for run in quiet_runs(rows, parts):
        by_camera[str(run.row["camera"])].append(run)
    cameras = sorted(by_camera)
    totals = {camera: sum(run.slots(options.control_s) for run in by_camera[camera]) for camera in cameras}
    wanted = share_out(options.control, totals)
    found = []
    for camera in cameras:
        order = random.Random(f"{options.seed} {camera}")
        ends = np.cumsum([run.slots(options.control_s) for run in by_camera[camera]])
        for slot in sorted(order.sample(range(totals[camera]), wanted[camera])):
            found.append(_control(archive, by_camera[camera], ends, slot, options.control_s))
    return found


def share_out(count: int, most: Mapping[str, int]) -> dict[str, int]:
    """Share a number out as evenly as the most of each allows; what is left over goes to the first by name."""
    given = dict.fromkeys(most, 0)
    left = min(count, sum(most.values()))
    while left:
        open_ones = sorted(name for name in most if given[name] < most[name])
        each = max(1, left // len(open_ones))
        for name in open_ones:
            more = min(each, most[name] - given[name], left)
            given[name] += more
            left -= more
    return given


def _control(archive: Archive, runs: Sequence[Run], ends: npt.NDArray[np.int64], slot: int, length_s: float) -> Shown:
    number = int(np.searchsorted(ends, slot, side="right"))
    run = runs[number]
    place = slot - (int(ends[number - 1]) if number else 0)
    start_s = run.start_s + place * length_s
    end_s = min(run.end_s, start_s + length_s)
    row, settings = run.row, archive.settings_of(str(run.row["camera"]))
    text = f"control\0{row['camera']}\0{row['content_id']}\0{start_s:.3f}"
    begin = row["start_utc"] and row["start_utc"] - timedelta(seconds=row["start_s"])
    made = {
        **row,
        "kind": "control",
        "event_id": hashlib.sha256(text.encode()).hexdigest()[:16],
        "start_s": start_s,
        "end_s": end_s,
        "start_utc": begin and begin + timedelta(seconds=start_s),
        "end_utc": begin and begin + timedelta(seconds=end_s),
        "high": settings.high,
        "low": settings.low_level,
        "continues": False,
        "boxes": None,
        "parts": None,
    }
    return Shown(made, "control", made["event_id"])


def _mixed(events: Sequence[Shown], controls: Sequence[Shown], seed: int) -> list[Shown]:
    """Put control spans at random places between the events, whose own order stays."""
    order = random.Random(f"{seed} order")
    mixed = list(events)
    for control in order.sample(list(controls), len(controls)):
        mixed.insert(order.randint(0, len(mixed)), control)
    return mixed
