"""Conversion of frames to seconds: for clips with gaps, partial coverage and variable frame rate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.evaluation.data import gathered, record, scores
from wsvad.events.config import EventSettings
from wsvad.metrics.footage import clock_of, footage_of, seconds_of, sweep_of
from wsvad.scores.table import VideoScores

FPS = 25.0
PLAIN = EventSettings(gap_s=0, smooth_s=0, min_length_s=0)


def clips(spans: list[tuple[int, int]], times: list[tuple[float, float]], num_frames: int) -> VideoScores:
    """Return scores of clips with the given frames and presentation timestamps."""
    made = scores([0.5] * len(spans), num_frames=num_frames)
    frames, seconds = np.array(spans), np.array(times)
    return replace(made, start_frame=frames[:, 0], end_frame=frames[:, 1], start_s=seconds[:, 0], end_s=seconds[:, 1])


@pytest.mark.parametrize(
    ("spans", "times", "num_frames", "wanted"),
    [
        ([(0, 16), (16, 32)], [(0, 0.64), (0.64, 1.28)], 32, {0: 0, 8: 0.32, 16: 0.64, 32: 1.28}),
        ([(0, 16), (48, 64)], [(0, 1), (3, 4)], 64, {0: 0, 16: 1, 32: 2, 64: 4}),  # a gap
        ([(0, 10), (10, 20)], [(0, 1), (1, 4)], 20, {5: 0.5, 10: 1, 15: 2.5, 20: 4}),  # variable rate
        ([(0, 16), (8, 24)], [(0, 1.6), (0.8, 2.4)], 24, {8: 0.8, 16: 1.6, 24: 2.4}),  # overlapping clips
        ([(16, 32)], [(1.6, 3.2)], 64, {0: 0, 16: 1.6, 64: 6.4}),  # neither the first nor the last clip exists
        ([(0, 16)], [(100, 101.6)], 16, {0: 0, 16: 1.6}),  # a late first timestamp
        ([(0, 1)], [(0, 0.04)], 1, {0: 0, 1: 0.04}),
    ],
)
def test_seconds_of_frames(spans: list, times: list, num_frames: int, wanted: dict) -> None:
    """From the start of the video."""
    given = clips(spans, times, num_frames)
    clock = clock_of(given)
    assert clock is not None
    assert clock([*wanted]).tolist() == pytest.approx([*wanted.values()])
    assert seconds_of(given) == pytest.approx(float(clock(num_frames)))
    events = sweep_of(given, PLAIN).at(0.5)
    assert events[0, 0] == pytest.approx(float(clock(spans[0][0])))
    assert events[-1, 1] == pytest.approx(float(clock(spans[-1][1])))


@pytest.mark.parametrize("times", [[(0, 0), (0, 0)], [(0, float("nan")), (1, 2)], [(2, 1), (1, 0)]])
def test_clips_without_duration_have_no_clock(times: list) -> None:
    """And no footage: the video is excluded from event metrics without an error."""
    given = clips([(0, 16), (16, 32)], times, 32)
    assert clock_of(given) is None
    assert seconds_of(given) is None
    found = gathered([(record("n", label=0), given)]).results
    assert footage_of(found[0]) is None


def test_decreasing_timestamps_are_tolerated() -> None:
    """The clock stops until the timestamps catch up."""
    given = clips([(0, 10), (10, 20), (20, 30)], [(0, 1), (0.5, 2), (0.4, 3)], 30)
    assert len(sweep_of(given, PLAIN).at(0.5)) >= 1


@pytest.mark.parametrize(
    ("video", "truth"),
    [
        (record("n", label=0), []),
        (record("a", [(25, 50)], label=1), [[1, 2]]),
        (record("a", [(25, 50), (50, 75)], label=1), [[1, 3]]),
        (record("a", [(25, 5000)], label=1), [[1, 4]]),
        (record("a", label=1), None),  # anomalous somewhere
    ],
)
def test_true_events_of_a_video(video: object, truth: list | None) -> None:
    """In seconds, clipped to the video; None if unknown."""
    known = footage_of(gathered([(video, scores([0.5] * 7, num_frames=100))]).results[0])
    assert (None if known is None else known.truth_M2.tolist()) == truth
    assert known is None or known.seconds == 4.0
