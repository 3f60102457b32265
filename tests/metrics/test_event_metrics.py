"""Event metrics of scored videos: by hand, with planted events, and with reasons of undefined metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tests.evaluation.data import gathered, planted, record, scores
from wsvad.events.config import EventSettings
from wsvad.metrics.event_definitions import CURVE_DEFINITIONS, EVENT_DEFINITIONS, POINT_DEFINITIONS
from wsvad.metrics.event_metrics import NO_TRUTH, EventMetrics
from wsvad.metrics.metric import Metric, Resamples
from wsvad.metrics.options import MetricOptions

PLAIN = EventSettings(gap_s=0, smooth_s=0, min_length_s=0)
CLIP_S = 16 / 25


def event_metrics(videos: list, settings: EventSettings = PLAIN, resamples: int = 100) -> EventMetrics:
    """Return the event metrics of videos with clips of 0.64 s."""
    results = gathered(videos).results
    return EventMetrics(results, settings, Resamples.of(results, MetricOptions(resamples=resamples)))


def by_hand() -> list:
    """Return two videos of 64 s and one of 32 s; the true event is clips 10 to 20, detected from clip 15 on."""
    first, second = np.zeros(100), np.zeros(100)
    first[15:20] = 0.9
    first[50:52] = 0.6
    second[3:5] = 0.7
    return [
        (record("a", [(160, 320)], label=1), scores(first)),
        (record("n", label=0), scores(second)),
        (record("b", label=1), scores(np.full(50, 0.8))),
    ]


def test_event_metrics_by_hand() -> None:
    """At 0.5: one detecting event, one false event in each video; the third video is excluded."""
    found = event_metrics(by_hand())
    hours = 200 * CLIP_S / 3600
    assert found.left_out == ["b"]
    assert found.true_events == 1
    assert found.hours == pytest.approx(hours)
    at = {name: metric.value for name, metric in found.at(0.5).items()}
    assert list(at) == list(POINT_DEFINITIONS)
    assert at["false_events_per_hour"] == pytest.approx(2 / hours)
    assert at["event_precision@0.5iou"] == pytest.approx(1 / 3)  # 5 of 10 clips: just enough
    assert at["event_recall@0.5iou"] == 1.0
    assert at["event_f1@0.5iou"] == pytest.approx(0.5)
    assert at["delay_s"] == pytest.approx(5 * CLIP_S)
    assert at["never_detected"] == 0.0
    over = {name: metric.value for name, metric in found.over_thresholds().items()}
    assert list(over) == list(CURVE_DEFINITIONS)
    assert over == {
        name: 1.0 if "recall" in name else 0.0 for name in CURVE_DEFINITIONS
    }  # detected before any false event
    bound = found.bounds()["event_recall@1/hour"]
    assert (bound.threshold, bound.false_events) == (pytest.approx(0.9), 0)
    assert bound.per_hour_below == pytest.approx(stats.gamma.ppf(0.95, 1) / hours)
    assert not bound.proves(1.0)


def test_the_false_event_rate_has_a_poisson_interval() -> None:
    """Two in 128 s: 0.2422 to 7.2247 in that time."""
    rate = event_metrics(by_hand()).at(0.5)["false_events_per_hour"]
    assert np.array([rate.low, rate.high]) * 200 * CLIP_S / 3600 == pytest.approx([0.2422, 7.2247], abs=1e-4)
    assert rate.counts == {"videos": 2, "true_events": 1, "predicted_events": 3, "false_events": 2}


def test_planted_events_are_found_in_signal_but_not_in_noise() -> None:
    """Of events of 3 clips among 12, all are found, or about as many as by chance."""
    plain = event_metrics(
        planted(1.0, videos=20), EventSettings(gap_s=0, smooth_s=0, min_length_s=0, high=0.5, low=0.5)
    )
    assert [m.value for m in plain.over_thresholds().values()] == [1.0, 1.0, 0.0, 0.0]
    assert plain.at(0.5)["event_f1@0.5iou"].value == 1.0
    assert plain.at(0.5)["delay_s"].value == 0.0
    noise = event_metrics(planted(0.0, videos=20)).over_thresholds()
    assert noise["event_recall@0.1/hour"].value < 0.2
    assert noise["p_miss@0.02tfa"].value > 0.7


def test_intervals_contain_the_value_and_depend_on_the_seed() -> None:
    """For every metric with an interval."""

    def every() -> dict[str, Metric]:
        found = event_metrics(planted(0.4, videos=30), resamples=200)
        return found.over_thresholds() | found.at(0.55)

    first = every()
    assert list(first) == list(EVENT_DEFINITIONS)
    for name, metric in first.items():
        assert metric.low is not None, name
        assert metric.low <= metric.value <= metric.high, name
    assert every() == first


@pytest.mark.parametrize(
    ("videos", "reasons"),
    [
        ([(record("n", label=0), scores([0.1, 0.9])), (record("m", label=0), scores([0.2]))], {"*": NO_TRUTH}),
        ([(record("a", label=1), scores([0.1, 0.9]))], {"*": NO_TRUTH, "false_events_per_hour": "there is no footage"}),
        (
            [(record("a", [(0, 32)], label=1), scores([0.1, 0.2]))],
            {
                "p_miss@0.02tfa": "no time without a true event",
                "nAUDC@0.2tfa": "no time without a true event",
                "event_precision@0.1iou": "no event is predicted",
                "delay_s": "no true event is detected",
            },
        ),
    ],
)
def test_undefined_metrics_have_a_reason(videos: list, reasons: dict[str, str]) -> None:
    """They are not NaN or 0; the false event rate needs no true events."""
    found = event_metrics(videos)
    every = found.over_thresholds() | found.at(0.5)
    free = {"false_events_per_hour"} - reasons.keys()
    for name in (every.keys() if "*" in reasons else reasons.keys()) - free:
        assert (every[name].value, every[name].reason) == (None, reasons.get(name, reasons.get("*"))), name
    assert all(every[name].value is not None for name in free)


def test_no_threshold_if_the_highest_score_exceeds_the_rate() -> None:
    """Two false events at the only score."""
    found = event_metrics([(record("a", [(0, 16)], label=1), scores([0.2, 0, 0.2, 0, 0.2]))])
    bound = found.bounds()["event_recall@1/hour"]
    assert (bound.threshold, bound.false_events) == (None, 0)
    assert found.over_thresholds()["event_recall@1/hour"].value == 0.0


def test_the_documentation_contains_the_definitions() -> None:
    """Title, text, unit and source of every metric, verbatim."""
    docs = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    for name, what in EVENT_DEFINITIONS.items():
        assert f"### `{name}`: {what.title}\n" in docs
        assert f"{what.text} *Unit:* {what.unit}. *Source:* {what.source}." in docs
