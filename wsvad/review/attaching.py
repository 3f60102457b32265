"""Finds the events that verdicts are of, also after another model has found other ones in the same footage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wsvad.review.verdicts import Verdict, order

LEAST_SHARE = 0.5
"""Of the shorter of two spans that they must share to be of the same happening."""


@dataclass(frozen=True)
class Attached:
    """A verdict, and how it came to its event."""

    verdict: Verdict
    reattached: bool
    """By overlap: it was said of another event."""

    @property
    def said(self) -> str:
        """What it says of the event: a span that was missed and is found now is true."""
        return "true" if self.verdict.verdict == "missed" else self.verdict.verdict

    def to_dict(self) -> dict[str, Any]:
        """Return the record as the page shows it."""
        plain = self.verdict.to_dict()
        return plain | {"verdict": self.said, "reattached": True} if self.reattached else plain


@dataclass
class Attachments:
    """All verdicts that stand."""

    by_event: dict[str, dict[str, Attached]] = field(default_factory=lambda: defaultdict(dict))
    """By event id, by reviewer."""
    controls: list[Verdict] = field(default_factory=list)
    """Of random spans."""
    missed: list[Verdict] = field(default_factory=list)
    """Spans that reviewers marked and that have no event now."""
    lost: list[Verdict] = field(default_factory=list)
    """Of events that there are none like any more."""


def attach(standing: Iterable[Verdict], rows: Iterable[Mapping[str, Any]]) -> Attachments:
    """Give each verdict to the event that it is of.

    A verdict belongs to the event of its id where that lies in the same content, else to the one of the same content
    that it shares most time with, and at least half of the shorter of the two. Where a reviewer judged several earlier
    events that are one now, what is true in any of them is true.

    Args:
        standing: as ``wsvad.review.verdicts.standing`` returns them.
        rows: of kind ``event``.
    """
    spans: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    contents: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for part in row["parts"] or ():
            spans[part["content_id"]].append((float(part["start_s"]), float(part["end_s"]), row["event_id"]))
            contents[row["event_id"]].add(part["content_id"])
    found = Attachments()
    for verdict in sorted(standing, key=order):
        if verdict.kind == "control":
            found.controls.append(verdict)
            continue
        direct = verdict.event_id is not None and verdict.content_id in contents.get(verdict.event_id, ())
        event_id = verdict.event_id if direct else best(verdict, spans.get(verdict.content_id, ()))
        if event_id is None:
            (found.missed if verdict.kind == "missed" else found.lost).append(verdict)
            continue
        there = found.by_event[event_id].get(verdict.reviewer)
        new = Attached(verdict, not direct)
        if there is None or _rank(new) >= _rank(there):
            found.by_event[event_id][verdict.reviewer] = new
    return found


def _rank(attached: Attached) -> tuple[bool, bool]:
    """A verdict of the event itself wins; else one that says true."""
    return not attached.reattached, attached.said == "true"


def best(verdict: Verdict, spans: Iterable[tuple[float, float, str]]) -> str | None:
    """Return the id of the event that shares most with what a verdict is of; None: none shares enough."""
    most, found = 0.0, None
    for start_s, end_s, event_id in spans:
        shared = min(end_s, verdict.end_s) - max(start_s, verdict.start_s)
        shorter = min(end_s - start_s, verdict.end_s - verdict.start_s)
        same = shorter <= 0 and start_s <= verdict.start_s <= end_s
        if same or (shared > most and shared >= LEAST_SHARE * shorter):
            most, found = max(shared, most), event_id
    return found
