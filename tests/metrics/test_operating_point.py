"""Event metrics at one operating point, by hand and compared with naive implementations."""

from __future__ import annotations

import numpy as np
import pytest

from wsvad.metrics.bootstrap import draw
from wsvad.metrics.events import Footage
from wsvad.metrics.operating_point import IOUS, PointCounts

ONE = np.ones((1, 1))


def point(*videos: tuple[list, float, list]) -> PointCounts:
    """Return counts of videos with true events, seconds of footage and predicted events."""
    events = [np.array(found, float).reshape(-1, 2) for *_, found in videos]
    return PointCounts.of([Footage.of(truth, length) for truth, length, _ in videos], events)


def whole(counts: PointCounts, statistic) -> float:
    """Return the value over all videos."""
    return float(statistic(np.ones((1, len(counts.truths_V))))[0])


def test_matches_at_each_iou() -> None:
    """IoU of 10/100, 30/100 and 50/100 just reach 0.1, 0.3 and 0.5; 9/100 reaches none."""
    for shared, paired in ((9, [0, 0, 0]), (10, [1, 0, 0]), (29, [1, 0, 0]), (30, [1, 1, 0]), (50, [1, 1, 1])):
        counts = point(([(0, 100)], 500.0, [(0, shared)]))
        assert counts.paired_VI.tolist() == [paired], shared


def test_precision_recall_and_f1_by_hand() -> None:
    """Of two true events, one is predicted as two halves, of which one counts, one is missed; two events are false."""
    counts = point(([(0, 100), (300, 400)], 3600.0, [(0, 50), (50, 100), (600, 700)]), ([], 3600.0, [(0, 10)]))
    place = IOUS.index(0.5)
    assert whole(counts, counts.precision(place).value) == 1 / 4
    assert whole(counts, counts.recall(place).value) == 1 / 2
    assert whole(counts, counts.f1(place).value) == pytest.approx(2 * (1 / 4) * (1 / 2) / (1 / 4 + 1 / 2))
    assert counts.false_V.tolist() == [1, 1]
    assert whole(counts, counts.missed.value) == 1 / 2


def test_matching_does_not_depend_on_the_order_of_events() -> None:
    """The long event matches both true events, the short one only the first: both are matched in any order."""
    truth, events = [(0, 10), (12, 22)], [(0, 22), (0, 9)]
    for order in (events, events[::-1]):
        assert point((truth, 100.0, order)).paired_VI[0].tolist() == [2, 2, 1]


@pytest.mark.parametrize(
    ("events", "delays"),
    [
        ([(15, 30)], [5]),
        ([(0, 30)], [0]),  # it starts earlier
        ([(10, 12)], [0]),
        ([(18, 25), (12, 14)], [2]),  # the earliest one counts
        ([(12, 12.5), (18, 25)], [8]),  # half a second detects nothing
        ([(19.5, 40)], []),
        ([], []),
        ([(8, 70)], [0, 0]),  # one event covers both
    ],
)
def test_delay_from_onset_by_hand(events: list, delays: list) -> None:
    """For true events from 10 s to 20 s and from 60 s to 65 s."""
    counts = point(([(10, 20), (60, 65)], 100.0, events))
    assert counts.delays[0].tolist() == delays
    assert whole(counts, counts.missed.value) == 1 - len(delays) / 2


def test_the_resampled_median_delay_equals_that_of_copied_videos() -> None:
    """For even and odd numbers of delays, and none."""
    rng = np.random.default_rng(0)
    videos = []
    for n in range(7):
        truth = [(100 * k, 100 * k + 50) for k in range(n % 4)]
        videos.append((truth, 1000.0, [(a + int(rng.integers(0, 48)), b) for a, b in truth if rng.random() < 0.7]))
    counts, weights = point(*videos), draw(np.zeros(7), 200, 0)
    expected = []
    for row in weights.astype(int):
        every = np.concatenate([np.tile(d, times) for d, times in zip(counts.delays, row, strict=True)])
        expected.append(np.median(every) if every.size else np.nan)
    np.testing.assert_allclose(counts.median_delay()(weights), expected)
    assert len(set(expected)) > 5


def test_metrics_without_true_and_predicted_events_are_undefined() -> None:
    """NaN, not 0 or 1; with only one of the two, F1 is 0."""
    none = point(([], 100.0, []))
    for statistic in (none.precision(0).value, none.recall(0).value, none.f1(0).value, none.missed.value):
        assert np.isnan(statistic(ONE)).all()
    assert np.isnan(none.median_delay()(ONE)).all()
    assert point(([(0, 9)], 100.0, [])).f1(0).value(ONE).tolist() == [0]
    assert point(([], 100.0, [(0, 9)])).f1(0).value(ONE).tolist() == [0]


def test_a_video_of_one_frame() -> None:
    """A prediction of 80 ms is clipped to 40 ms of footage."""
    counts = point(([(0, 0.04)], 0.04, [(0, 0.08)]))
    assert counts.paired_VI.tolist() == [[1, 1, 1]]
    assert counts.false_V.tolist() == [0]
