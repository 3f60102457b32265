"""What verdicts say of a model: precision, an estimate of recall, thresholds, how far reviewers agree."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from wsvad.events.units import DAY_S
from wsvad.metrics.agreement import cohen_kappa, fleiss_kappa
from wsvad.rates import LEVEL, binomial_interval
from wsvad.review.attaching import Attachments
from wsvad.review.choosing import event_parts, quiet_runs
from wsvad.review.reading import Archive
from wsvad.review.verdicts import Verdict

LEAST_JUDGED = 10
"""Judged events of a camera below which no threshold is suggested."""
OUTCOMES = ("true", "false", "unsure")


@dataclass(frozen=True)
class Share:
    """A share with its exact interval."""

    count: int
    of: int
    value: float | None
    """None: nothing was judged."""
    low: float
    high: float

    @classmethod
    def make(cls, count: int, of: int, level: float = LEVEL) -> Share:
        """Compute it."""
        return cls(count, of, count / of if of else None, *binomial_interval(count, of, level))


@dataclass(frozen=True)
class Recall:
    """How many events are found of those that there are, as far as random spans tell."""

    value: float | None
    low: float | None
    """End of an interval of at least 95 %; both are bounds that hold for all cameras at once."""
    high: float | None
    found: float
    """True events among those published, as precision estimates them."""
    missed: float | None
    """Spans with something true in them in all footage without an event, as the sample estimates."""
    controls: int
    """Random spans that were judged true or false."""
    controls_true: int
    reason: str = ""
    """Why there is no value, or what it is not of."""


@dataclass(frozen=True)
class Suggestion:
    """A threshold for a camera, of the events that were judged."""

    camera: str
    now: float
    high: float | None
    """None: none can be suggested."""
    judged: int
    false_a_day: float | None
    """At the suggested threshold, as judged events tell."""
    true_lost: int
    """Judged true events below it."""
    reason: str


@dataclass(frozen=True)
class Agreement:
    """Of several reviewers of the same events."""

    reviewers: tuple[str, ...]
    events: int
    """Judged by at least two."""
    same: int
    """Of those: judged the same by all."""
    kappa: float | None
    kind: str
    """``cohen`` of two reviewers, ``fleiss`` of more."""


def outcome(said: Iterable[str]) -> str:
    """Return what reviewers say together: what most say; ``disputed`` where as many say true as false."""
    counts = Counter(said)
    if counts["true"] == counts["false"]:
        return "disputed" if counts["true"] else "unsure"
    return "true" if counts["true"] > counts["false"] else "false"


def outcomes(attachments: Attachments) -> dict[str, str]:
    """Return what is said of each event that was judged."""
    return {
        event_id: outcome(attached.said for attached in by.values()) for event_id, by in attachments.by_event.items()
    }


def precision(said: Mapping[str, str], event_ids: Iterable[str] | None = None) -> Share:
    """Return how many judged events are true; what is disputed or unsure does not count."""
    wanted = list(said if event_ids is None else event_ids)
    counts = Counter(said[event_id] for event_id in wanted if event_id in said)
    return Share.make(counts["true"], counts["true"] + counts["false"])


def recall(archive: Archive, attachments: Attachments, said: Mapping[str, str]) -> Recall:
    """Estimate recall from random spans without an event, camera by camera.

    Footage without an event of each camera is taken to be so many spans as long as those that were judged, of which
    the share that was judged true has something in it. Cameras without judged spans are left out, with their events.
    Bounds: exact intervals of each camera and of precision, at levels that together give at least 95 %.
    """
    controls = _judged_controls(_still_quiet(attachments.controls, archive.events))
    if not controls:
        return Recall(
            None, None, None, 0.0, None, 0, 0, "no random span was judged; `wsvad review --control` shows some"
        )
    events: dict[str, list[str]] = defaultdict(list)
    for row in archive.events:
        events[str(row["camera"])].append(str(row["event_id"]))
    quiet: dict[str, float] = defaultdict(float)
    for run in quiet_runs(archive.rows, event_parts(archive)):
        quiet[str(run.row["camera"])] += run.end_s - run.start_s
    level = 1 - (1 - LEVEL) / (len(controls) + 1)
    missed = np.zeros(3)
    ids: list[str] = []
    for camera, spans in controls.items():
        true = sum(true for true, _ in spans)
        spans_there = quiet[camera] / max(1e-9, float(np.mean([length for _, length in spans])))
        missed += spans_there * np.array([true / len(spans), *binomial_interval(true, len(spans), level)])
        ids += events[camera]
    good = precision(said, ids)
    low, high = binomial_interval(good.count, good.of, level)
    count = sum(map(len, controls.values()))
    true_count = sum(true for spans in controls.values() for true, _ in spans)
    if good.value is None:
        return Recall(
            None, None, None, 0.0, float(missed[0]), count, true_count, "no event of these cameras was judged"
        )
    found = good.value * len(ids)
    left_out = sorted(set(events) - controls.keys())
    reason = f"without {', '.join(left_out)}, of which no random span was judged" if left_out else ""
    return Recall(
        _of(found, missed[0]), _of(low * len(ids), missed[2]), _of(high * len(ids), missed[1]), found,
        float(missed[0]), count, true_count, reason,
    )  # fmt: skip


def _of(found: float, missed: float) -> float | None:
    return float(found / (found + missed)) if found + missed > 0 else None


def _still_quiet(controls: Iterable[Verdict], events: Iterable[Mapping[str, Any]]) -> list[Verdict]:
    """Return verdicts of random spans without an event now: what a later model has found there is no miss."""
    parts: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in events:
        for part in row["parts"] or ():
            parts[part["content_id"]].append((part["start_s"], part["end_s"]))
    return [v for v in controls if not any(start < v.end_s and end > v.start_s for start, end in parts[v.content_id])]


def _judged_controls(verdicts: Iterable[Verdict]) -> dict[str, list[tuple[bool, float]]]:
    """Whether each span was judged true, and its length, by camera."""
    said: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        said[str(verdict.event_id)].append(verdict)
    found: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    for records in said.values():
        together = outcome(v.verdict for v in records)
        if together in ("true", "false"):
            found[records[0].camera].append((together == "true", records[0].end_s - records[0].start_s))
    return dict(sorted(found.items()))


def suggest_thresholds(archive: Archive, said: Mapping[str, str]) -> list[Suggestion]:
    """Suggest for each camera the lowest threshold, from the present one up, that keeps its budget of false events.

    Events that were not judged are taken to be false as often as those that were. What is below the present threshold
    was never shown, so nothing lower can be suggested.
    """
    scored: dict[str, float] = defaultdict(float)
    by_camera: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in archive.rows:
        if row["kind"] == "scored":
            scored[str(row["camera"])] += row["end_s"] - row["start_s"]
        elif row["kind"] == "event":
            by_camera[str(row["camera"])].append(row)
    return [_suggest(camera, rows, said, archive, scored[camera] / DAY_S) for camera, rows in sorted(by_camera.items())]


def _suggest(
    camera: str, rows: Sequence[Mapping[str, Any]], said: Mapping[str, str], archive: Archive, days: float
) -> Suggestion:
    now = archive.settings_of(camera).high
    budget = archive.cameras[camera].budget if camera in archive.cameras else 1.0
    known = [(float(r["score"]), said.get(r["event_id"])) for r in rows]
    judged = [(score, what) for score, what in known if what in ("true", "false")]
    if len(judged) < LEAST_JUDGED or not days:
        why = f"{len(judged)} events were judged, at least {LEAST_JUDGED} are needed"
        return Suggestion(camera, now, None, len(judged), None, 0, why)
    # as it is printed: rounded down, it would let in again what it is meant to leave out
    higher = (math.floor(score * 1e6 + 1) / 1e6 for score, what in judged if what == "false")
    for high in sorted({now, *(high for high in higher if now < high <= 1)}):
        above = [what for score, what in judged if score >= high]
        share = above.count("false") / len(above) if above else 0.0
        rate = share * sum(score >= high for score, _ in known) / days
        if rate <= budget:
            lost = sum(what == "true" and score < high for score, what in judged)
            kept = "the present one keeps the budget" if high == now else f"for {budget:g} false events a day"
            return Suggestion(camera, now, high, len(judged), round(rate, 6), lost, kept)
    why = f"no threshold up to 1 keeps the budget of {budget:g} false events a day"
    return Suggestion(camera, now, None, len(judged), None, 0, why)


def agreement(attachments: Attachments) -> Agreement | None:
    """Return how far reviewers agree on events that at least two judged; None where there is no such event."""
    both = {e: {r: a.said for r, a in by.items()} for e, by in attachments.by_event.items() if len(by) >= 2}
    if not both:
        return None
    people = tuple(sorted({reviewer for by in both.values() for reviewer in by}))
    same = sum(len(set(by.values())) == 1 for by in both.values())
    if len(people) == 2:
        first, second = ([by[person] for by in both.values()] for person in people)
        return Agreement(people, len(both), same, cohen_kappa(first, second), "cohen")
    counts = [[list(by.values()).count(what) for what in OUTCOMES] for by in both.values()]
    return Agreement(people, len(both), same, fleiss_kappa(counts), "fleiss")


def plain(value: Any) -> Any:
    """Return a figure as JSON values."""
    return None if value is None else asdict(value)
