"""Statistics of verdicts, compared with hand calculations and simulations."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from tests.review.verdict_records import verdict
from wsvad.cameras.config import Camera
from wsvad.events.config import EventSettings
from wsvad.rates import binomial_interval
from wsvad.review.matching import match_verdicts
from wsvad.review.statistics import (
    agreement,
    majority_verdict,
    majority_verdicts,
    precision,
    recall,
    suggest_thresholds,
)


def event(number: int, score: float, camera: str = "front") -> dict[str, Any]:
    """Return an event of 4 s in its own video."""
    part = {"content_id": f"{number:x}", "start_s": 2.0, "end_s": 6.0, "video_id": f"{camera}/{number}.mp4"}
    return {"kind": "event", "event_id": f"{number:016x}", "camera": camera, "score": score, "parts": [part]}


def archive(rows: list[dict[str, Any]], budget: float = 1.0) -> Any:
    """Return the part of an archive that statistics use: a day of footage per camera in videos of one hour."""
    names = sorted({row["camera"] for row in rows})
    footage = [
        {"kind": "scored", "camera": n, "video_id": f"{n}/{h}.mp4", "start_s": 0.0, "end_s": 3600.0}
        for n in names
        for h in range(24)
    ]
    settings = EventSettings(high=0.5)
    return SimpleNamespace(
        events=rows,
        rows=[*rows, *footage],
        cameras={name: Camera(name=name, budget=budget) for name in names},
        settings_of=lambda camera: settings,
    )


def judged(rows: list[dict[str, Any]], judgements: str) -> Any:
    """Return verdicts on these events, one letter each: t, f, u."""
    words = {"t": "true", "f": "false", "u": "unsure"}
    return [
        verdict(words[letter], event_id=row["event_id"], content_id=row["parts"][0]["content_id"], camera=row["camera"])
        for row, letter in zip(rows, judgements, strict=False)
    ]


def test_precision_of_decided_events() -> None:
    """Unsure and disputed events are excluded."""
    rows = [event(n, 0.9) for n in range(6)]
    found = match_verdicts([*judged(rows, "ttfuf"), verdict("true", event_id=rows[4]["event_id"], content_id="4",
                                                    reviewer="bob")], rows)  # fmt: skip
    judgements = majority_verdicts(found)
    assert [judgements[row["event_id"]] for row in rows[:5]] == ["true", "true", "false", "unsure", "disputed"]
    share = precision(judgements)
    assert (share.count, share.of, share.value) == (2, 3, pytest.approx(2 / 3))
    assert (share.low, share.high) == binomial_interval(2, 3)
    assert majority_verdict(["true", "true", "false"]) == "true"
    assert majority_verdict(["unsure", "false"]) == "false"


def test_recall_from_control_spans() -> None:
    """10 true events, and 1 of 40 control spans of 10 s in a day: 216 of 8,636 such spans are anomalous."""
    rows = [event(n, 0.9) for n in range(10)]
    spans = [
        verdict("true" if n == 0 else "false", kind="control", event_id=f"{100 + n:016x}", start_s=10.0, end_s=20.0)
        for n in range(40)
    ]
    found = match_verdicts([*judged(rows, "t" * 10), *spans], rows)
    estimate = recall(archive(rows), found, majority_verdicts(found))
    assert (estimate.controls, estimate.controls_true, estimate.found) == (40, 1, 10.0)
    assert estimate.missed == pytest.approx((86400 - 40) / 10 / 40)
    assert estimate.value == pytest.approx(10 / (10 + 215.9))
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.value is not None
    assert estimate.low < estimate.value < estimate.high
    nothing = match_verdicts(judged(rows, "t" * 10), rows)
    assert recall(archive(rows), nothing, majority_verdicts(nothing)).value is None


def test_coverage_of_recall_intervals() -> None:
    """Simulation: at least 95 % of 200 reviews of two cameras have the true recall in their interval."""
    rng = np.random.default_rng(1)
    rows = [event(n, 0.9, camera) for camera in ("front", "yard") for n in range(24)]
    for number, one in enumerate(rows):
        one["event_id"], one["parts"][0]["content_id"] = f"{number:016x}", f"{number:x}"
    rates = {"front": 0.004, "yard": 0.02}
    spans = (86400 - 24 * 4) / 10
    truth = 0.8 * 48 / (0.8 * 48 + sum(rate * spans for rate in rates.values()))
    held = 0
    for _ in range(200):
        judgements = "".join("t" if t else "f" for t in rng.random(48) < 0.8)
        controls = [
            verdict("true" if rng.random() < rate else "false", kind="control", camera=camera,
                    event_id=f"{10_000 * len(camera) + n:016x}", start_s=10.0, end_s=20.0)
            for camera, rate in rates.items() for n in range(150)
        ]  # fmt: skip
        found = match_verdicts([*judged(rows, judgements), *controls], rows)
        estimate = recall(archive(rows), found, majority_verdicts(found))
        held += (estimate.low or 0.0) <= truth <= (estimate.high or 1.0)
    assert held >= 190


def test_suggested_thresholds_keep_the_budget() -> None:
    """20 judged events in a day, the 10 weaker ones false: a budget of 2 false events excludes 8 of them."""
    rows = [event(n, 0.5 + n / 100) for n in range(20)]
    found = match_verdicts(judged(rows, "f" * 10 + "t" * 10), rows)
    (one,) = suggest_thresholds(archive(rows, budget=2), majority_verdicts(found))
    assert one.high == pytest.approx(0.57, abs=1e-5)
    assert (one.judged, one.false_a_day, one.true_lost) == (20, 2.0, 0)
    (same,) = suggest_thresholds(archive(rows, budget=10), majority_verdicts(found))
    assert (same.high, same.reason) == (0.5, "the current threshold keeps the budget")
    few = match_verdicts(judged(rows, "tf"), rows)
    (none,) = suggest_thresholds(archive(rows), majority_verdicts(few))
    assert (none.high, none.reason) == (None, "2 events were judged, but at least 10 are needed")


@pytest.mark.parametrize("score", [0.8712344169616699, 0.8999999761581421, 1.0])
def test_printed_threshold_keeps_the_budget(score: float) -> None:
    """Rounded down, the threshold would include a false event; above 1 there is no threshold."""
    rows = [event(n, score) for n in range(10)] + [event(n + 10, 1.0) for n in range(2)]
    (one,) = suggest_thresholds(
        archive(rows, budget=0.5), majority_verdicts(match_verdicts(judged(rows, "f" * 10 + "tt"), rows))
    )
    if score == 1.0:
        assert one.high is None
        assert "0.5 false events" in one.reason
        return
    assert one.high is not None
    assert score < one.high <= min(1.0, score + 2e-6)
    assert (one.false_a_day, one.true_lost) == (0.0, 0)


def test_control_spans_with_an_event_now() -> None:
    """Where a new model found an event, nothing is missed; spans in other content are ignored."""
    rows = [event(n, 0.9) for n in range(2)]
    judgements = [verdict("true", event_id=r["event_id"], content_id=r["parts"][0]["content_id"]) for r in rows]
    spans = [
        verdict("false" if n else "true", kind="control", event_id=f"{n:015x}f", video_id="front/1.mp4", content_id="1",
                start_s=10.0 * n, end_s=10.0 * n + 10)
        for n in range(10)
    ]  # fmt: skip
    found = recall(archive(rows), (at := match_verdicts([*judgements, *spans], rows)), majority_verdicts(at))
    assert (found.controls, found.controls_true, found.value) == (9, 0, 1.0)


def test_agreement_of_reviewers() -> None:
    """Cohen's kappa for two, Fleiss' kappa for three; events judged by one reviewer do not count."""
    rows = [event(n, 0.9) for n in range(4)]
    first = judged(rows, "ttff")

    def by(name: str, judgements: str) -> list[Any]:
        return [
            verdict(v.verdict, event_id=v.event_id, content_id=v.content_id, reviewer=name)
            for v in judged(rows, judgements)
        ]

    assert agreement(match_verdicts(first, rows)) is None
    two = agreement(match_verdicts([*first, *by("bob", "tft")], rows))
    assert two is not None
    assert (two.reviewers, two.events, two.same, two.kind) == (("ann", "bob"), 3, 1, "cohen")
    assert two.kappa == pytest.approx(cohen_kappa_score(list("ttf"), list("tft")))
    three = agreement(match_verdicts([*first, *by("bob", "ttff"), *by("eve", "ttff")], rows))
    assert three is not None
    assert (three.kappa, three.kind) == (1.0, "fleiss")
