"""Choice of the events to show: filters, order, groups of near duplicates, and random control spans."""

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

MIN_CONTROL_S = 1.0
"""Minimum length of a control span in seconds."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class ReviewItem:
    """An item to review: an event or a control span."""

    row: Row
    kind: str
    """``event`` or ``control``."""
    group: str = ""
    """Id of the event that represents its group of near duplicates; its own id if it represents the group."""

    @property
    def event_id(self) -> str:
        """Id of the event or of the control span."""
        return str(self.row["event_id"])


@dataclass(frozen=True)
class Choice:
    """The items of a page."""

    items: tuple[ReviewItem, ...]
    """Items in the order of review."""
    events: int
    """Number of published events."""
    other: int
    """Number of events of other cameras or days than the requested ones."""
    below: int
    """Number of events excluded by ``--top``."""
    controls: int = 0
    """Number of control spans."""
    lacking: int = 0
    """Number of requested control spans for which there is no footage."""
    parts: Mapping[str, list[tuple[float, float, str]]] = field(default_factory=dict)
    """``(start_s, end_s, event_id)`` of all events in each video, including events that are not shown."""


def choose(archive: Archive, options: ChoiceOptions) -> Choice:
    """Choose the items to show.

    Raises:
        UsageError: an unknown camera, or an invalid day.
    """
    _check(archive, options)
    days = {date.fromisoformat(day) for day in options.day}
    wanted = [row for row in archive.events if _within(row, options, days)]
    ranked = sorted(wanted, key=rank)
    kept = ranked[: options.top] if options.top else ranked
    groups = fold(kept, options.fold_s)
    items = [ReviewItem(row, "event", groups[row["event_id"]]) for row in kept]
    parts = event_parts(archive)
    controls = control_spans(archive, options, days, parts) if options.control else []
    return Choice(
        tuple(_mixed(items, controls, options.seed)),
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
            hint = did_you_mean(name, archive.cameras)
            raise UsageError(f"--camera: unknown camera {name!r:.120}{hint}")
    for day in options.day:
        try:
            if date.fromisoformat(day).isoformat() != day:
                raise ValueError  # rows are also matched by this spelling
        except ValueError:
            raise UsageError(f"--day must be a date such as 2026-03-01, got {day!r:.80}") from None


def _within(row: Row, options: ChoiceOptions, days: set[date]) -> bool:
    return (not options.camera or row["camera"] in options.camera) and (not days or row["day"] in days)


def rank(row: Row) -> tuple[Any, ...]:
    """Return the sort key of events: score above the threshold of the camera in descending order, then time."""
    return (round(row["high"] - row["score"], 9), str(row["start_utc"] or ""), row["camera"], *_place(row))


def _place(row: Row) -> tuple[Any, ...]:
    return (row["video_id"], row["start_s"], row["event_id"])


def fold(ranked: Sequence[Row], within_s: float) -> dict[str, str]:
    """Return, for each event, the id of the event that represents its group: the strongest of near duplicates.

    Events of a camera form a group if each begins at most ``within_s`` seconds after the end of the previous ones, or
    continues an event that was cut. Without recording times, groups are formed within a video.

    Args:
        ranked: events in the order of review.
        within_s: maximum gap in seconds; 0: only touching events.
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
    """Return the spans of events in each video, ordered by time."""
    found: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for row in archive.events:
        for part in row["parts"] or ():
            found[part["video_id"]].append((float(part["start_s"]), float(part["end_s"]), str(row["event_id"])))
    return {video_id: sorted(parts) for video_id, parts in found.items()}


@dataclass(frozen=True)
class Run:
    """A span of scored footage without events."""

    row: Row
    """The ``scored`` row that contains it."""
    start_s: float
    end_s: float

    def slots(self, length_s: float) -> int:
        """Return the number of control spans of this length that fit into it, at least 1."""
        return max(1, int((self.end_s - self.start_s) / length_s))


def eventless_runs(rows: Iterable[Row], parts: Mapping[str, Sequence[tuple[float, float, str]]]) -> list[Run]:
    """Return the spans of scored footage without events that are at least ``MIN_CONTROL_S`` long.

    Args:
        rows: rows of units; those of kind ``scored`` are used.
        parts: spans of events by video.
    """
    found = []
    for row in rows:
        if row["kind"] != "scored":
            continue
        at = float(row["start_s"])
        for start_s, end_s, _ in [*parts.get(row["video_id"], ()), (np.inf, np.inf, "")]:
            upto = min(start_s, float(row["end_s"]))
            if upto - at >= MIN_CONTROL_S:
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
) -> list[ReviewItem]:
    """Draw control spans, as evenly over the cameras as possible; deterministic for a given seed."""
    rows = (row for row in archive.rows if _within(row, options, days))
    by_camera: dict[str, list[Run]] = defaultdict(list)
    for run in eventless_runs(rows, parts):
        by_camera[str(run.row["camera"])].append(run)
    cameras = sorted(by_camera)
    totals = {camera: sum(run.slots(options.control_s) for run in by_camera[camera]) for camera in cameras}
    wanted = distribute_evenly(options.control, totals)
    found = []
    for camera in cameras:
        order = random.Random(f"{options.seed} {camera}")
        ends = np.cumsum([run.slots(options.control_s) for run in by_camera[camera]])
        for slot in sorted(order.sample(range(totals[camera]), wanted[camera])):
            found.append(_control(archive, by_camera[camera], ends, slot, options.control_s))
    return found


def distribute_evenly(count: int, limits: Mapping[str, int]) -> dict[str, int]:
    """Distribute ``count`` as evenly as the limits allow; the remainder goes to the first names in sorted order."""
    given = dict.fromkeys(limits, 0)
    left = min(count, sum(limits.values()))
    while left:
        open_ones = sorted(name for name in limits if given[name] < limits[name])
        each = max(1, left // len(open_ones))
        for name in open_ones:
            more = min(each, limits[name] - given[name], left)
            given[name] += more
            left -= more
    return given


def _control(
    archive: Archive, runs: Sequence[Run], ends: npt.NDArray[np.int64], slot: int, length_s: float
) -> ReviewItem:
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
    return ReviewItem(made, "control", made["event_id"])


def _mixed(events: Sequence[ReviewItem], controls: Sequence[ReviewItem], seed: int) -> list[ReviewItem]:
    """Insert control spans at random positions; the order of events is kept."""
    order = random.Random(f"{seed} order")
    mixed = list(events)
    for control in order.sample(list(controls), len(controls)):
        mixed.insert(order.randint(0, len(mixed)), control)
    return mixed
