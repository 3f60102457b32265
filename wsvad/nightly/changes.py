"""Changes between the events of two nightly runs: events that were kept, moved, added or removed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Change = Literal["kept", "moved", "new", "gone"]


class EventSpan(NamedTuple):
    """The camera and time span of an event."""

    clock: str
    """Clock of the times: that of a camera, or that of a single video whose recording time is unknown."""
    start_s: float
    end_s: float


@dataclass(frozen=True)
class EventChange:
    """An event of the earlier run, the later run, or both."""

    change: Change
    before: EventSpan | None
    now: EventSpan | None


def compare_events(before: Iterable[EventSpan], now: Iterable[EventSpan]) -> list[EventChange]:
    """Match the events of two nightly runs one to one, on the same clock, by temporal IoU.

    Only events that overlap can match. Pairs are formed greedily, the highest temporal IoU first. A pair with equal
    start and end is ``kept``, any other pair ``moved``. Unmatched events are ``new`` or ``gone``. Events of zero length
    match if their times are equal.

    Args:
        before: events of the earlier run or model.
        now: events of the later run or model.

    Returns:
        Every event of both runs once, ordered by clock and time.
    """
    clocks: dict[str, tuple[list[EventSpan], list[EventSpan]]] = defaultdict(lambda: ([], []))
    for side, events in enumerate((before, now)):
        for event in events:
            clocks[event.clock][side].append(event)
    found: list[EventChange] = []
    for clock in sorted(clocks):
        old, new = (sorted(side) for side in clocks[clock])
        pairs = sorted(_overlaps(old, new), key=lambda pair: (-pair[2], pair[0], pair[1]))
        partner: dict[int, int] = {}
        taken: set[int] = set()
        for i, j, _ in pairs:
            if i not in partner and j not in taken:
                partner[i] = j
                taken.add(j)
        both = [_pair(old[i], new[j]) for i, j in partner.items()]
        gone = [EventChange("gone", old[i], None) for i in range(len(old)) if i not in partner]
        fresh = [EventChange("new", None, new[j]) for j in range(len(new)) if j not in taken]
        found += sorted([*both, *gone, *fresh], key=_sort_key)
    return found


def _pair(old: EventSpan, new: EventSpan) -> EventChange:
    return EventChange("kept" if old == new else "moved", old, new)


def _sort_key(change: EventChange) -> tuple[float, float, str]:
    event = change.now or change.before
    assert event is not None
    return event.start_s, event.end_s, change.change


def _overlaps(old: Sequence[EventSpan], new: Sequence[EventSpan]) -> list[tuple[int, int, float]]:
    """Return index pairs of overlapping events with their temporal IoU; both inputs are sorted by start."""
    found = []
    first = 0
    longest = max((event.end_s - event.start_s for event in new), default=0.0)
    for i, event in enumerate(old):
        while first < len(new) and new[first].start_s + longest < event.start_s:
            first += 1
        for j in range(first, len(new)):
            other = new[j]
            if other.start_s > event.end_s:
                break
            shared = min(event.end_s, other.end_s) - max(event.start_s, other.start_s)
            if shared > 0:
                union = max(event.end_s, other.end_s) - min(event.start_s, other.start_s)
                found.append((i, j, shared / union))
            elif event == other:
                found.append((i, j, 1.0))
    return found
