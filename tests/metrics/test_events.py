"""Event metrics over a falling threshold: by hand, and compared with a naive implementation of ActEV's definitions."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsvad.metrics.bootstrap import draw
from wsvad.metrics.events import EventCounts, Footage, score_levels

Event = tuple[float, float, float]
"""Start, end, score."""


def counted(videos: list[tuple[list, float, list[Event]]]) -> EventCounts:
    """Return counts of videos with fixed lists of events: true events, seconds of footage, events with scores."""

    def form(video: int, threshold: float) -> np.ndarray:
        kept = [(start, end) for start, end, score in videos[video][2] if score >= threshold]
        return np.array(kept, dtype=float).reshape(-1, 2)

    footage = [Footage.of(truth, length) for truth, length, _ in videos]
    return EventCounts.of(footage, form, score_levels([np.array([e[2] for e in events]) for _, _, events in videos]))


def once(statistic, counts: EventCounts) -> float:
    """Return the value over all videos."""
    return float(statistic(np.ones((1, len(counts.truths_V))))[0])


BY_HAND = [
    # one hour with two true events of 60 s; the second predicted event is a duplicate, the third is false
    ([(600, 660), (1200, 1260)], 3600.0, [(600, 660, 0.9), (630, 700, 0.8), (2000, 2100, 0.7), (1210, 1220, 0.6)]),
    # one hour without any
    ([], 3600.0, [(0, 36, 0.5)]),
]


def test_counts_by_hand() -> None:
    """At each threshold, for each video."""
    counts = counted(BY_HAND)
    assert counts.thresholds_L.tolist() == [0.9, 0.8, 0.7, 0.6, 0.5]
    assert counts.hits_VL.tolist() == [[1, 1, 1, 2, 2], [0, 0, 0, 0, 0]]
    assert counts.false_VL.tolist() == [[0, 0, 1, 1, 1], [0, 0, 0, 0, 1]]
    # 630-660 is predicted twice and true once, 660-700 predicted and not true; then 100 s; then 36 s
    assert counts.surplus_s_VL.tolist() == [[0, 70, 170, 170, 170], [0, 0, 0, 0, 36]]
    assert counts.truths_V.tolist() == [2, 0]
    assert counts.hours_V.tolist() == [1, 1]
    assert counts.normal_s_V.tolist() == [3480, 3600]


def test_recall_at_a_false_event_rate() -> None:
    """In 2 hours, 1 false event is 0.5 per hour, 2 are 1 per hour."""
    counts = counted(BY_HAND)
    found = {rate: once(counts.recall_at(rate), counts) for rate in (0.1, 0.49, 0.5, 1.0)}
    assert found == {0.1: 0.5, 0.49: 0.5, 0.5: 1.0, 1.0: 1.0}
    assert [int(counts.level_at(np.ones((1, 2)), rate)[0]) for rate in (0.49, 0.5, 0.99, 1.0)] == [1, 3, 3, 4]


def test_missed_events_at_a_false_alarm_time() -> None:
    """7080 s are normal: tfa is 0, 70, 170, 170, 206 of them; p_miss 1/2, 1/2, 1/2, 0, 0."""
    counts = counted(BY_HAND)
    share, missed = counts.curve()
    assert share == pytest.approx(np.array([0, 70, 170, 170, 206]) / 7080)
    assert missed.tolist() == [0.5, 0.5, 0.5, 0.0, 0.0]
    assert once(counts.miss_at(70 / 7080), counts) == 0.5
    assert once(counts.miss_at(100 / 7080), counts) == pytest.approx(0.5)  # between two points of 1/2
    assert once(counts.miss_at(170 / 7080), counts) == 0.0  # the last of two thresholds there
    assert once(counts.miss_at(0.2), counts) == 0.0
    assert once(counts.missed_area(0.2), counts) == pytest.approx(0.5 * (170 / 7080) / 0.2)


@pytest.mark.parametrize(
    ("events", "miss", "area"),
    [
        ([], 1.0, 1.0),
        ([(50, 60, 0.5)], 0.0, 0.0),  # detected without a false alarm
        ([(0, 1, 0.9), (50, 60, 0.5)], 0.0, (1 / 100) / 0.2),  # tfa 1/100 with p_miss 1, then with 0
        ([(0, 60, 0.5)], 1.0, 1 - 0.2 / 0.5 / 2),  # tfa 1/2 at once: no threshold before it; the line from (0, 1)
        ([(0, 10, 0.9), (50, 60, 0.8)], 1.0, (0.1 * 1.0) / 0.2),  # tfa 1/10, found at the same tfa: beyond 0.02
        ([(50, 60, 0.9), (0, 50, 0.1)], 0.0, 0.0),
    ],
)
def test_missed_events_at_the_ends_of_curves(events: list[Event], miss: float, area: float) -> None:
    """110 s of footage, of which 50 s to 60 s are true: 100 s are normal."""
    counts = counted([([(50, 60)], 110.0, events or [(200, 201, 0.5)])])
    assert once(counts.miss_at(0.02), counts) == miss
    assert once(counts.missed_area(0.2), counts) == pytest.approx(area)


def test_a_rate_that_falls_when_events_merge_is_not_an_operating_point() -> None:
    """Three false events per hour at 0.5, one event over them and the true one at 0.4: recall stays at 0."""
    found = {0.9: [], 0.5: [(0, 10), (20, 30), (40, 50)], 0.4: [(0, 3600)]}
    counts = EventCounts.of(
        [Footage.of([(1000, 1010)], 3600.0)], lambda _, t: np.array(found[t], float).reshape(-1, 2), np.array([*found])
    )
    assert counts.false_VL.tolist() == [[0, 3, 0]]
    assert once(counts.recall_at(1.0), counts) == 0.0
    assert once(counts.recall_at(3.0), counts) == 1.0


def test_true_events_are_merged_and_clipped() -> None:
    """Three that touch or overlap; one that extends beyond the end; one after the end."""
    known = Footage.of([(10, 20), (20, 30), (25, 28), (90, 120), (130, 140), (5, 5)], 100.0)
    assert known.truth_M2.tolist() == [[10, 30], [90, 100]]
    assert known.normal_s == 70.0
    assert known.clip(np.array([[95.0, 200.0], [100.0, 101.0]])).tolist() == [[95.0, 100.0]]


def test_a_video_of_one_frame() -> None:
    """40 ms, entirely anomalous: only metrics that need normal time are undefined."""
    counts = counted([([(0, 0.04)], 0.04, [(0, 0.04, 0.7)])])
    assert once(counts.recall_at(0.1), counts) == 1.0
    assert np.isnan(once(counts.miss_at(0.02), counts))
    assert np.isnan(once(counts.missed_area(0.2), counts))


def test_metrics_without_true_events_are_undefined() -> None:
    """NaN in resamples, not 0 or 1."""
    counts = counted([([], 100.0, [(0, 1, 0.5)])])
    assert all(np.isnan(once(f, counts)) for f in (counts.recall_at(1), counts.miss_at(0.02), counts.missed_area(0.2)))


VIDEO = st.tuples(
    st.lists(st.tuples(st.integers(0, 19), st.integers(1, 8)).map(lambda p: (p[0], p[0] + p[1])), max_size=3),
    st.just(20.0),
    st.lists(
        st.tuples(st.integers(0, 18), st.integers(1, 9), st.integers(0, 5)).map(
            lambda p: (float(p[0]), float(min(p[0] + p[1], 20)), p[2] / 5)
        ),
        max_size=4,
    ),
)


@given(
    videos=st.lists(VIDEO, min_size=1, max_size=3).filter(lambda v: any(t for t, _, _ in v) and any(e for *_, e in v))
)
def test_a_fixed_list_of_events_gives_actevs_metrics(videos: list) -> None:
    """Compared with one assignment of maximum total confidence for all thresholds, and a sweep over time."""
    counts = counted(videos)
    points = reference_points(videos)
    assert counts.thresholds_L.tolist() == [threshold for threshold, *_ in points]
    assert (counts.hits_VL.sum(axis=0) / counts.truths_V.sum()).tolist() == pytest.approx([p[1] for p in points])
    assert counts.false_VL.sum(axis=0).tolist() == [p[2] for p in points]
    if counts.normal_s_V.sum() > 0:
        share, missed = counts.curve()
        assert share == pytest.approx([p[3] for p in points])
        for wanted in (0.02, 0.2, 0.5):
            assert once(counts.miss_at(wanted), counts) == pytest.approx(reference_miss(share, missed, wanted))
            area = reference_area(share, missed, wanted)
            assert once(counts.missed_area(wanted), counts) == pytest.approx(area, abs=1e-3)


def reference_points(videos: list) -> list[tuple[float, float, int, float]]:
    """Return threshold, recall, false events and false alarm time, as defined in the evaluation plan."""
    truths = [true_events(truth, int(length)) for truth, length, _ in videos]
    matched = [best_assignment(t, events) for t, (_, _, events) in zip(truths, videos, strict=True)]
    points = []
    for threshold in sorted({score for *_, events in videos for *_, score in events}, reverse=True):
        hits = false = surplus = normal = 0
        for true, match, (_, length, events) in zip(truths, matched, videos, strict=True):
            there = [e for e in events if e[2] >= threshold]
            hits += sum(events[e][2] >= threshold for e in match)
            false += sum(not any(set(range(int(a), int(b))) & t for t in true) for a, b, _ in there)
            for second in range(int(length)):
                going = sum(start <= second < end for start, end, _ in there)
                surplus += max(0, going - sum(second in t for t in true))
                normal += not any(second in t for t in true)
        total = sum(map(len, truths))
        points.append((threshold, hits / total, false, surplus / normal if normal else 0.0))
    return points


def true_events(spans: list, length: int) -> list[set[int]]:
    """Return runs of seconds within any span."""
    inside = [any(start <= s < end for start, end in spans) for s in range(length)]
    runs: list[set[int]] = []
    for second, yes in enumerate(inside):
        if yes and second and inside[second - 1]:
            runs[-1].add(second)
        elif yes:
            runs.append({second})
    return runs


def best_assignment(truths: list[set[int]], events: list[Event]) -> list[int]:
    """Return the matched events of the assignment with the maximum sum of 1 + confidence, by enumeration."""
    allowed = {
        (t, e)
        for t, true in enumerate(truths)
        for e, (a, b, _) in enumerate(events)
        if true & set(range(int(a), int(b)))
    }
    best: tuple[float, list[int]] = (0.0, [])
    for size in range(1, min(len(truths), len(events)) + 1):
        for pairs in combinations(sorted(allowed), size):
            if len({t for t, _ in pairs}) == len({e for _, e in pairs}) == size:
                best = max(best, (sum(1 + events[e][2] for _, e in pairs), [e for _, e in pairs]), key=lambda b: b[0])
    return best[1]


def reference_miss(share: np.ndarray, missed: np.ndarray, wanted: float) -> float:
    """Find the first threshold beyond the wanted false alarm, and interpolate linearly."""
    last: tuple[float, float] | None = None
    for x, y in zip(share, missed, strict=True):
        if x > wanted + 1e-10:
            if last is None:
                return 1.0
            return last[1] if last[0] == wanted else last[1] + (y - last[1]) * (wanted - last[0]) / (x - last[0])
        last = (x, y)
    assert last is not None
    return last[1]


def reference_area(share: np.ndarray, missed: np.ndarray, end: float) -> float:
    """Return the mean of the curve through (0, 1) and the points, sampled at 100,000 positions."""
    places = (np.arange(100_000) + 0.5) / 100_000 * end
    return float(np.interp(places, np.concatenate(([0], share)), np.concatenate(([1], missed))).mean())


@pytest.mark.parametrize("seed", range(3))
def test_weighted_resamples_equal_copied_videos(seed: int) -> None:
    """For every metric, compared with a list in which videos are repeated."""
    rng = np.random.default_rng(seed)
    videos = []
    for n in range(6):
        starts = rng.integers(0, 900, 5)
        events = [(float(s), float(s + rng.integers(1, 60)), float(rng.integers(0, 8)) / 8) for s in starts]
        videos.append(([(100, 160), (500, 520)][: n % 3], 1000.0, events))
    counts, weights = counted(videos), draw([n % 3 > 0 for n in range(6)], 20, seed)
    statistics = (lambda c: c.recall_at(2.0), lambda c: c.miss_at(0.02), lambda c: c.missed_area(0.2))
    values = [statistic(counts)(weights) for statistic in statistics]
    for row, *got in zip(weights.astype(int), *values, strict=True):
        copied = counted([video for video, times in zip(videos, row, strict=True) for _ in range(times)])
        assert got == pytest.approx([once(statistic(copied), copied) for statistic in statistics])


def test_thresholds_are_subsampled() -> None:
    """300 of 10,000: the highest ten and both ends are kept."""
    scores = np.random.default_rng(0).permutation(10_000) / 10_000
    found = score_levels([scores[:5000], scores[5000:]])
    assert len(found) <= 300
    assert (np.diff(found) < 0).all()
    assert found[:10].tolist() == [(9999 - n) / 10_000 for n in range(10)]
    assert found[-1] == 0.0
    assert score_levels([]).size == 0
