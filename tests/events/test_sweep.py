"""A sweep over thresholds gives the events at each threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsvad.events.config import EventSettings
from wsvad.events.spans import find_events
from wsvad.events.sweep import Sweep, with_high

SETTINGS = st.sampled_from(
    [
        EventSettings(),
        EventSettings(gap_s=0, smooth_s=0, min_length_s=0),
        EventSettings(high=0.5, low=0.1, gap_s=3, smooth_s=4, min_length_s=2),
        EventSettings(high=0.6, low=0.6),
    ]
)


@given(
    scores=st.lists(st.integers(0, 10), min_size=1, max_size=40), settings=SETTINGS, highs=st.lists(st.integers(0, 20))
)
def test_a_sweep_equals_event_detection_at_each_threshold(scores: list, settings: EventSettings, highs: list) -> None:
    """In any order of the thresholds, whatever is cached."""
    start = np.arange(len(scores)) * 1.5
    times, values = np.stack((start, start + 1.5), axis=1), np.array(scores) / 10
    swept = Sweep(times, values, settings)
    for high in highs:
        alone = find_events(times, values, with_high(settings, high / 20))
        assert swept.at(high / 20).tolist() == [[s.start_s, s.end_s] for s in alone]


@pytest.mark.parametrize(
    ("settings", "high", "low"),
    [
        (EventSettings(), 0.9, 0.72),
        (EventSettings(high=0.5, low=0.1), 0.8, 0.16),
        (EventSettings(high=0.5, low=0.5), 0.3, 0.3),
        (EventSettings(high=0.0, low=0.0), 0.3, 0.3),
    ],
)
def test_low_keeps_its_ratio_to_high(settings: EventSettings, high: float, low: float) -> None:
    """0.8 by default, else as given."""
    moved = with_high(settings, high)
    assert (moved.high, moved.low_level) == pytest.approx((high, low))
    assert (moved.gap_s, moved.smooth_s) == (settings.gap_s, settings.smooth_s)


def test_no_clips_have_no_events() -> None:
    """At any threshold."""
    assert Sweep(np.empty((0, 2)), [], EventSettings()).at(0.0).shape == (0, 2)
