"""What changed between two nights: events that were kept, moved, are new, or are gone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Change = Literal["kept", "moved", "new", "gone"]


class EventSpan(NamedTuple):
    """Where an event lies."""

    clock: str
    """What its times are of: a camera, or a single video where nobody said when it began."""
    start_s: float
    end_s: float


@dataclass(frozen=True)
class EventChange:
    """One event before, now, or both."""

    change: Change
    before: EventSpan | None
    now: EventSpan | None


def compare_events(before: Iterable[EventSpan], now: Iterable[EventSpan]) -> list[EventChange]:
    """Match the events of two nights on the same clock, one to one, those that share most first.

    Two events can be the same where they overlap; the pair with the highest temporal IoU goes first. A pair with the
    same start and end was kept, any other moved; what found no partner is new or gone. Events of no length match
    where both have the same place.

    Args:
        before: events of the earlier night or model.
        now: events of the later one.

    Returns:
        Every event of both once, in the order of clocks and times.
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
        found += sorted([*both, *gone, *fresh], key=_place)
    return found


def _pair(old: EventSpan, new: EventSpan) -> EventChange:
    return EventChange("kept" if old == new else "moved", old, new)


def _place(change: EventChange) -> tuple[float, float, str]:
    event = change.now or change.before
    assert event is not None
    return event.start_s, event.end_s, change.change


def _overlaps(old: Sequence[EventSpan], new: Sequence[EventSpan]) -> list[tuple[int, int, float]]:
    """Pairs that overlap, with their temporal IoU; both lists are in the order of starts."""
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
