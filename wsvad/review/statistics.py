"""Statistics of verdicts: precision, an estimate of recall, suggested thresholds, and inter-rater agreement."""

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
from wsvad.review.choice import event_parts, eventless_runs
from wsvad.review.matching import MatchedVerdicts
from wsvad.review.reading import Archive
from wsvad.review.verdicts import Verdict

MIN_JUDGED = 10
"""Minimum number of judged events of a camera to suggest a threshold."""
OUTCOMES = ("true", "false", "unsure")


@dataclass(frozen=True)
class Proportion:
    """A proportion with its exact confidence interval."""

    count: int
    of: int
    value: float | None
    """The proportion; None: ``of`` is 0."""
    low: float
    high: float

    @classmethod
    def make(cls, count: int, of: int, level: float = LEVEL) -> Proportion:
        """Return the proportion with its interval at ``level``."""
        return cls(count, of, count / of if of else None, *binomial_interval(count, of, level))


@dataclass(frozen=True)
class Recall:
    """Estimate of recall from verdicts on random control spans."""

    value: float | None
    low: float | None
    """Lower end of a confidence interval of at least 95 %, simultaneous for all cameras."""
    high: float | None
    """Upper end of the interval."""
    found: float
    """Estimated number of true events among the published ones, from precision."""
    missed: float | None
    """Estimated number of true spans in all footage without events, from the control spans."""
    controls: int
    """Number of control spans judged true or false."""
    controls_true: int
    """Number of control spans judged true."""
    reason: str = ""
    """Why there is no value, or which cameras it excludes."""


@dataclass(frozen=True)
class Suggestion:
    """A suggested threshold for a camera."""

    camera: str
    now: float
    """Current threshold."""
    high: float | None
    """Suggested threshold; None: none can be suggested."""
    judged: int
    false_a_day: float | None
    """Estimated number of false events per day at the suggested threshold."""
    true_lost: int
    """Number of events judged true below the suggested threshold."""
    reason: str


@dataclass(frozen=True)
class Agreement:
    """Agreement of several reviewers on the same events."""

    reviewers: tuple[str, ...]
    events: int
    """Number of events judged by at least two reviewers."""
    same: int
    """Number of those events that all reviewers judged the same."""
    kappa: float | None
    kind: str
    """``cohen`` for two reviewers, ``fleiss`` for more."""


def majority_verdict(judgements: Iterable[str]) -> str:
    """Return the majority of verdicts; ``disputed`` if ``true`` and ``false`` are equally frequent, else ``unsure``."""
    counts = Counter(judgements)
    if counts["true"] == counts["false"]:
        return "disputed" if counts["true"] else "unsure"
    return "true" if counts["true"] > counts["false"] else "false"


def majority_verdicts(matches: MatchedVerdicts) -> dict[str, str]:
    """Return the majority verdict of each judged event."""
    return {
        event_id: majority_verdict(match.value for match in by.values()) for event_id, by in matches.by_event.items()
    }


def precision(judgements: Mapping[str, str], event_ids: Iterable[str] | None = None) -> Proportion:
    """Return the fraction of judged events that are true; disputed and unsure events are excluded."""
    wanted = list(judgements if event_ids is None else event_ids)
    counts = Counter(judgements[event_id] for event_id in wanted if event_id in judgements)
    return Proportion.make(counts["true"], counts["true"] + counts["false"])


def recall(archive: Archive, matches: MatchedVerdicts, judgements: Mapping[str, str]) -> Recall:
    """Estimate recall from random control spans, separately for each camera.

    The footage without events of a camera is treated as a number of spans with the mean length of its judged control
    spans; the fraction of them judged true is taken as missed events. Cameras without judged control spans are excluded
    together with their events. Bounds combine exact intervals of each camera and of precision, at levels that give at
    least 95 % together.
    """
    controls = _judged_controls(_still_eventless(matches.controls, archive.events))
    if not controls:
        return Recall(
            None, None, None, 0.0, None, 0, 0, "no control span was judged; add some with `wsvad review --control`"
        )
    events: dict[str, list[str]] = defaultdict(list)
    for row in archive.events:
        events[str(row["camera"])].append(str(row["event_id"]))
    quiet: dict[str, float] = defaultdict(float)
    for run in eventless_runs(archive.rows, event_parts(archive)):
        quiet[str(run.row["camera"])] += run.end_s - run.start_s
    level = 1 - (1 - LEVEL) / (len(controls) + 1)
    missed = np.zeros(3)
    ids: list[str] = []
    for camera, spans in controls.items():
        true = sum(true for true, _ in spans)
        spans_there = quiet[camera] / max(1e-9, float(np.mean([length for _, length in spans])))
        missed += spans_there * np.array([true / len(spans), *binomial_interval(true, len(spans), level)])
        ids += events[camera]
    good = precision(judgements, ids)
    low, high = binomial_interval(good.count, good.of, level)
    count = sum(map(len, controls.values()))
    true_count = sum(true for spans in controls.values() for true, _ in spans)
    if good.value is None:
        return Recall(
            None, None, None, 0.0, float(missed[0]), count, true_count, "no event of these cameras was judged"
        )
    found = good.value * len(ids)
    left_out = sorted(set(events) - controls.keys())
    reason = f"excludes {', '.join(left_out)}, without judged control spans" if left_out else ""
    return Recall(
        _of(found, missed[0]), _of(low * len(ids), missed[2]), _of(high * len(ids), missed[1]), found,
        float(missed[0]), count, true_count, reason,
    )  # fmt: skip


def _of(found: float, missed: float) -> float | None:
    return float(found / (found + missed)) if found + missed > 0 else None


def _still_eventless(controls: Iterable[Verdict], events: Iterable[Mapping[str, Any]]) -> list[Verdict]:
    """Return the control spans that have no event now; where a later model found an event, nothing is missed."""
    parts: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in events:
        for part in row["parts"] or ():
            parts[part["content_id"]].append((part["start_s"], part["end_s"]))
    return [v for v in controls if not any(start < v.end_s and end > v.start_s for start, end in parts[v.content_id])]


def _judged_controls(verdicts: Iterable[Verdict]) -> dict[str, list[tuple[bool, float]]]:
    """Return whether each span was judged true, and its length, by camera."""
    judgements: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        judgements[str(verdict.event_id)].append(verdict)
    found: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    for records in judgements.values():
        together = majority_verdict(v.verdict for v in records)
        if together in ("true", "false"):
            found[records[0].camera].append((together == "true", records[0].end_s - records[0].start_s))
    return dict(sorted(found.items()))


def suggest_thresholds(archive: Archive, judgements: Mapping[str, str]) -> list[Suggestion]:
    """Suggest for each camera the lowest threshold, at or above the current one, that keeps its false event budget.

    Events that were not judged are assumed to be false as often as judged ones. Scores below the current threshold were
    never shown, so no lower threshold can be suggested.
    """
    scored: dict[str, float] = defaultdict(float)
    by_camera: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in archive.rows:
        if row["kind"] == "scored":
            scored[str(row["camera"])] += row["end_s"] - row["start_s"]
        elif row["kind"] == "event":
            by_camera[str(row["camera"])].append(row)
    return [
        _suggest(camera, rows, judgements, archive, scored[camera] / DAY_S)
        for camera, rows in sorted(by_camera.items())
    ]


def _suggest(
    camera: str, rows: Sequence[Mapping[str, Any]], judgements: Mapping[str, str], archive: Archive, days: float
) -> Suggestion:
    now = archive.settings_of(camera).high
    budget = archive.cameras[camera].budget if camera in archive.cameras else 1.0
    known = [(float(r["score"]), judgements.get(r["event_id"])) for r in rows]
    judged = [(score, what) for score, what in known if what in ("true", "false")]
    if len(judged) < MIN_JUDGED or not days:
        why = f"{len(judged)} events were judged, but at least {MIN_JUDGED} are needed"
        return Suggestion(camera, now, None, len(judged), None, 0, why)
    # rounded up to the printed precision: rounded down, the threshold would include the event it should exclude
    higher = (math.floor(score * 1e6 + 1) / 1e6 for score, what in judged if what == "false")
    for high in sorted({now, *(high for high in higher if now < high <= 1)}):
        above = [what for score, what in judged if score >= high]
        share = above.count("false") / len(above) if above else 0.0
        rate = share * sum(score >= high for score, _ in known) / days
        if rate <= budget:
            lost = sum(what == "true" and score < high for score, what in judged)
            kept = "the current threshold keeps the budget" if high == now else f"keeps {budget:g} false events per day"
            return Suggestion(camera, now, high, len(judged), round(rate, 6), lost, kept)
    why = f"no threshold up to 1 keeps the budget of {budget:g} false events per day"
    return Suggestion(camera, now, None, len(judged), None, 0, why)


def agreement(matches: MatchedVerdicts) -> Agreement | None:
    """Return the agreement on events judged by at least two reviewers; ``None`` if there are none."""
    both = {e: {r: a.value for r, a in by.items()} for e, by in matches.by_event.items() if len(by) >= 2}
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
    """Return a statistic as JSON values."""
    return None if value is None else asdict(value)
