"""Matching of verdicts to events, including verdicts on events of an earlier model in the same footage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wsvad.review.verdicts import Verdict, order

MIN_OVERLAP = 0.5
"""Minimum overlap, as a fraction of the shorter of two spans, to match them."""


@dataclass(frozen=True)
class MatchedVerdict:
    """A verdict matched to an event."""

    verdict: Verdict
    reattached: bool
    """Whether it was matched by overlap, because it was given for another event."""

    @property
    def value(self) -> str:
        """Verdict on the event: ``true`` for a missed span that has an event now."""
        return "true" if self.verdict.verdict == "missed" else self.verdict.verdict

    def to_dict(self) -> dict[str, Any]:
        """Return the record for the page."""
        plain = self.verdict.to_dict()
        return plain | {"verdict": self.value, "reattached": True} if self.reattached else plain


@dataclass
class MatchedVerdicts:
    """All current verdicts by what they refer to."""

    by_event: dict[str, dict[str, MatchedVerdict]] = field(default_factory=lambda: defaultdict(dict))
    """By event id, then by reviewer."""
    controls: list[Verdict] = field(default_factory=list)
    """Verdicts on random control spans."""
    missed: list[Verdict] = field(default_factory=list)
    """Spans marked as missed that have no event now."""
    lost: list[Verdict] = field(default_factory=list)
    """Verdicts on events without a matching event now."""


def match_verdicts(verdicts: Iterable[Verdict], rows: Iterable[Mapping[str, Any]]) -> MatchedVerdicts:
    """Match verdicts to events.

    A verdict belongs to the event with its id if the content is the same, otherwise to the event in the same content
    with the largest overlap, if it is at least half of the shorter span. If a reviewer judged several earlier events
    that are now one, ``true`` takes precedence.

    Args:
        verdicts: as returned by ``wsvad.review.verdicts.current_verdicts``.
        rows: rows of kind ``event``.
    """
    spans: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    contents: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for part in row["parts"] or ():
            spans[part["content_id"]].append((float(part["start_s"]), float(part["end_s"]), row["event_id"]))
            contents[row["event_id"]].add(part["content_id"])
    found = MatchedVerdicts()
    for verdict in sorted(verdicts, key=order):
        if verdict.kind == "control":
            found.controls.append(verdict)
            continue
        direct = verdict.event_id is not None and verdict.content_id in contents.get(verdict.event_id, ())
        event_id = verdict.event_id if direct else best(verdict, spans.get(verdict.content_id, ()))
        if event_id is None:
            (found.missed if verdict.kind == "missed" else found.lost).append(verdict)
            continue
        there = found.by_event[event_id].get(verdict.reviewer)
        new = MatchedVerdict(verdict, not direct)
        if there is None or _rank(new) >= _rank(there):
            found.by_event[event_id][verdict.reviewer] = new
    return found


def _rank(match: MatchedVerdict) -> tuple[bool, bool]:
    """Return the precedence: verdicts on the event itself first, then ``true`` over other values."""
    return not match.reattached, match.value == "true"


def best(verdict: Verdict, spans: Iterable[tuple[float, float, str]]) -> str | None:
    """Return the id of the event with the largest overlap with a verdict's span; ``None`` if none is large enough."""
    most, found = 0.0, None
    for start_s, end_s, event_id in spans:
        shared = min(end_s, verdict.end_s) - max(start_s, verdict.start_s)
        shorter = min(end_s - start_s, verdict.end_s - verdict.start_s)
        same = shorter <= 0 and start_s <= verdict.start_s <= end_s
        if same or (shared > most and shared >= MIN_OVERLAP * shorter):
            most, found = max(shared, most), event_id
    return found
