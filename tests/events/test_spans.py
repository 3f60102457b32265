"""Event detection equals the reference implementation, and the events of a day depend only on scores near the day."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events import reference
from wsvad.errors import UsageError
from wsvad.events.config import CUT_S, EventSettings
from wsvad.events.smoothing import smooth
from wsvad.events.spans import find_events

PLAIN = EventSettings(high=0.5, low=0.3, gap_s=0, smooth_s=0, min_length_s=0)
SCORES = st.sampled_from([0.0, 0.25, 0.3, 0.4, 0.5, 0.6, 1.0])


@st.composite
def series(draw, most=60):
    """Clips with gaps and overlaps; times are multiples of a quarter second, which floats represent exactly."""
    count = draw(st.integers(0, most))
    steps = draw(st.lists(st.sampled_from([0, 1, 4, 4, 4, 8, 60, 2400, 6000]), min_size=count, max_size=count))
    lengths = draw(st.lists(st.sampled_from([0, 4, 4, 8, 3000, 9000]), min_size=count, max_size=count))
    start = np.cumsum(np.array([draw(st.integers(0, 20000)), *steps])[:count], dtype=np.float64) / 4
    times = np.stack((start, start + np.array(lengths, dtype=np.float64) / 4), axis=1)
    return times.reshape(-1, 2), np.array(draw(st.lists(SCORES, min_size=count, max_size=count)))


SETTINGS = st.builds(
    EventSettings,
    high=st.sampled_from([0.5, 0.6]),
    low=st.sampled_from([None, 0.3, 0.5]),
    gap_s=st.sampled_from([0.0, 1.0, 10.0, 600.0]),
    smooth_s=st.sampled_from([0.0, 2.0, 30.0]),
    min_length_s=st.sampled_from([0.0, 1.0, 20.0]),
)


@given(series(), SETTINGS)
def test_events_equal_the_reference_implementation(given_series, settings):
    """Indices, times and peak. Cases in which a mean is within rounding error of a threshold are skipped."""
    times, scores = given_series
    expected, means = reference.events(times.tolist(), scores.tolist(), settings)
    np.testing.assert_allclose(smooth(times[:, 0], scores, settings.smooth_s), means, atol=1e-12)
    near = [m for m in means for level in (settings.high, settings.low_level) if 0 < abs(m - level) < 1e-9]
    found = find_events(times, scores, settings)
    if not near:
        assert [(s.first, s.last, s.start_s, s.end_s, s.continues) for s in found] == expected
    for span in found:
        inside = smooth(times[:, 0], scores, settings.smooth_s)[span.first : span.last]
        assert span.score == inside.max() >= settings.high
        assert span.peak == span.first + int(np.argmax(inside))
        assert inside[0] >= settings.high
        assert inside[-1] >= settings.low_level
        assert span.end_s - span.start_s >= settings.min_length_s


@given(series(), SETTINGS)
def test_events_do_not_share_clips(given_series, settings):
    """They are in chronological order and, unless they continue a split event, farther apart than the gap."""
    times, scores = given_series
    found = find_events(times, scores, settings)
    for one, other in pairwise(found):
        assert one.last <= other.first
        assert one.start_s <= other.start_s
        if not other.continues and one.start_s // CUT_S == other.start_s // CUT_S:
            assert other.start_s - one.end_s > settings.gap_s


@st.composite
def long_series(draw):
    """A camera that records for hours around 36,000 s: clips of 30 s, some of them missing."""
    start = 30.0 * np.arange(1200)
    runs = draw(st.lists(st.tuples(st.integers(1, 400), SCORES), min_size=1, max_size=12))
    scores = np.concatenate([np.full(length, score) for length, score in runs])[:1200]
    scores = np.concatenate((scores, np.full(1200 - len(scores), runs[-1][1])))
    kept = np.ones(1200, np.bool_)
    for at in draw(st.lists(st.integers(0, 1199), max_size=6)):
        kept[at : at + draw(st.integers(1, 30))] = False
    return np.stack((start, start + 30), axis=1)[kept], scores[kept]


@given(long_series(), SETTINGS, st.sampled_from([7, 10, 14]))
def test_events_do_not_depend_on_scores_beyond_their_reach(given_series, settings, hour):
    """Events that start within an hour are identical bit for bit when computed from the scores around it."""
    times, scores = given_series
    low, high = hour * CUT_S, (hour + 1) * CUT_S
    whole = [s for s in find_events(times, scores, settings) if low <= s.start_s < high]
    near = (times[:, 1] > low - settings.reach_s) & (times[:, 0] < high + settings.reach_s)
    offset = int(np.argmax(near)) if near.any() else 0
    local = [s for s in find_events(times[near], scores[near], settings) if low <= s.start_s < high]
    assert [s._replace(first=s.first + offset, last=s.last + offset, peak=s.peak + offset) for s in local] == whole


def spans(scores, settings=PLAIN, step=1.0):
    """Return start and end of the events of clips of one second."""
    start = step * np.arange(len(scores))
    return [(s.start_s, s.end_s) for s in find_events(np.stack((start, start + 1), axis=1), scores, settings)]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], []),
        ([0.4, 0.4], []),
        ([0.5], [(0, 1)]),
        ([0.4, 0.6, 0.4, 0.2, 0.4], [(1, 3)]),  # opens at high, closes below low, low alone opens nothing
        ([0.6, 0.2, 0.6], [(0, 1), (2, 3)]),
        ([0.3, 0.5, 0.3], [(1, 3)]),  # exactly at a level counts
    ],
)
def test_hysteresis(scores, expected):
    """Times in seconds."""
    assert spans(scores) == expected


def test_gaps_merge_before_short_events_are_dropped():
    """A merged event may exceed the minimum duration."""
    scores = [0.6, 0.0, 0.6, 0.0, 0.0, 0.6]
    settings = {"high": 0.5, "low": 0.3, "smooth_s": 0}
    assert spans(scores, EventSettings(**settings, gap_s=1, min_length_s=0)) == [(0, 3), (5, 6)]
    assert spans(scores, EventSettings(**settings, gap_s=1, min_length_s=2)) == [(0, 3)]
    assert spans(scores, EventSettings(**settings, gap_s=2, min_length_s=2)) == [(0, 6)]


def test_missing_footage_is_not_zero():
    """A short gap does not close an event, a longer one does; smoothing averages over existing clips."""
    settings = EventSettings(high=0.5, low=0.3, gap_s=5, smooth_s=0, min_length_s=0)
    times = np.array([[0, 1], [1, 2], [7, 8], [14, 15]])
    assert [(s.start_s, s.end_s) for s in find_events(times, [0.6, 0.4, 0.4, 0.6], settings)] == [(0, 8), (14, 15)]
    np.testing.assert_array_equal(smooth([0, 1, 10], [0.5, 0.5, 0.5], 3), [0.5, 0.5, 0.5])


def test_constant_high_scores_are_split_at_full_hours():
    """Five hours above high from 00:30 on; less than a full hour is not split."""
    clips = np.full(5 * 3600, 0.9)
    start = 1800 + np.arange(len(clips), dtype=np.float64)
    found = find_events(np.stack((start, start + 1), axis=1), clips, PLAIN)
    assert [(s.start_s / 1800, s.end_s / 1800, s.continues) for s in found] == [
        (1, 2, False), (2, 4, True), (4, 6, True), (6, 8, True), (8, 10, True), (10, 11, True)
    ]  # fmt: skip
    short = find_events(np.stack((start, start + 1), axis=1)[:5000], clips[:5000], PLAIN)
    assert [(s.start_s, s.end_s) for s in short] == [(1800, 6800)]


def test_smoothing_kernel_is_triangular():
    """One clip of 1 among zeros, a second apart, half width 2 s: weights 0.5, 1, 0.5."""
    np.testing.assert_allclose(smooth([0, 1, 2, 3, 4], [0, 0, 1, 0, 0], 2), [0, 1 / 4, 1 / 2, 1 / 4, 0])


@given(st.lists(st.floats(0, 5), min_size=1, max_size=50), st.floats(0, 1, width=32), st.floats(0.1, 100))
def test_smoothing_leaves_equal_scores_unchanged(steps, score, width):
    """Bit for bit: rounding must not move scores across a threshold."""
    start = np.cumsum(steps)
    np.testing.assert_array_equal(smooth(start, np.full(len(start), score), width), score)


@pytest.mark.parametrize(
    ("times", "scores"),
    [([[0, 1]], [0.5, 0.5]), ([[1, 2], [0, 1]], [0.5, 0.5]), ([[0, 1]], [np.nan]), ([[1, 0]], [0.5])],
)
def test_invalid_series_are_rejected(times, scores):
    """Different lengths, descending times, scores that are not finite."""
    with pytest.raises(UsageError, match="expected"):
        find_events(times, scores, PLAIN)


@pytest.mark.parametrize(
    "wrong", [{"high": 1.5}, {"high": 0.5, "low": 0.6}, {"gap_s": 601}, {"smooth_s": 1e9}, {"min_length_s": 4000}]
)
def test_invalid_settings_are_rejected(wrong):
    """The message names the option."""
    with pytest.raises(UsageError, match="--" + next(reversed(wrong)).removesuffix("_s").replace("_", "-")):
        EventSettings(**wrong)
