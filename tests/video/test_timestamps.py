"""Timestamps are repaired where single ones are wrong, and kept everywhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsvad.video.timestamps import FINER, NONE, RepairedClock, order_by_stamps, repair, without_outliers

DAY = 86_400 * 25


def clock_of(stamps: list[int | None]) -> RepairedClock:
    """Repair timestamps of 1/25 s in file order."""
    raw = np.array([NONE if s is None else s for s in stamps], dtype=np.int64)
    clock = repair(without_outliers(raw, DAY), list(range(len(raw))), DAY)
    assert clock is not None
    return clock


def times_of(stamps: list[int | None]) -> list[float]:
    """Return the repaired times in timestamp units."""
    clock = clock_of(stamps)
    return (clock.times / clock.scale).tolist()


@pytest.mark.parametrize(
    ("stamps", "times"),
    [
        ([0, 1, 2, 3], [0, 1, 2, 3]),
        ([0, 5, 6, 50], [0, 5, 6, 50]),  # pauses are kept
        ([0, 10, 10, 30, 40], [0, 10, 20, 30, 40]),  # one repeated
        ([0, 10, 10, 10, 40, 50], [0, 10, 20, 30, 40, 50]),  # two repeated
        ([0, 10, None, 30, 40], [0, 10, 20, 30, 40]),  # one missing
        ([None, 10, 20, 30, None], [0, 10, 20, 30, 40]),  # at the ends
        ([0, 10, 20, 15, 40, 50], [0, 10, 20, 30, 40, 50]),  # one too early
        ([0, 1, 1, 2, 3], [0, 1, 1.5, 2, 3]),  # no room between neighbours in whole ticks
        ([*range(1000, 1040), *range(40)], [*range(1000, 1080)]),  # set back
        ([0, 1, 2, *range(40 * DAY, 40 * DAY + 20)], list(range(23))),  # set ahead by days
        ([0, *range(40 * DAY, 40 * DAY + 20)], list(range(40 * DAY - 1, 40 * DAY + 20))),  # one astray
        ([0, 1, 2, 3, None, None, 50, 51, 52], [0, 1, 2, 3, 4, 5, 50, 51, 52]),  # the pause is in front of a stamp
        ([0, 1, 2, 3000, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6]),  # one too late, by less than a day
        ([0, 1, 2, 3000, 3001, 5, 6, 7, 8, 9], list(range(10))),  # two
        ([3000, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]),  # the first
        ([n // 25 * 25 for n in range(100)], list(range(100))),  # a clock in whole seconds
        ([*range(40), *[40] * 60, *range(100, 140)], list(range(140))),  # a clock that stands for a while
    ],
    ids=str,
)  # fmt: skip
def test_repaired_times(stamps: list[int | None], times: list[float]) -> None:
    """Each case with the times a person would assign."""
    assert times_of(stamps) == pytest.approx(times)


@pytest.mark.parametrize(
    "stamps",
    [
        [7] * 100,
        [*range(1000, 900, -1)],
        [n * 7919 % 1000 for n in range(100)],
        [n if n % 2 else n + 40 * DAY for n in range(100)],
    ],
    ids=["equal", "falling", "random", "two clocks"],
)
def test_unusable_timestamps_give_no_clock(stamps: list[int]) -> None:
    """Times then follow from the rate, or from a guess that is reported as one."""
    raw = np.array(stamps, dtype=np.int64)
    assert repair(without_outliers(raw, DAY), list(range(len(raw))), DAY) is None


def test_a_jump_is_recorded_with_its_frame_and_step() -> None:
    """The clock is set ahead by 30 days at frame 3, and back at frame 23."""
    clock = clock_of([0, 1, 2, *range(30 * DAY, 30 * DAY + 20), *range(3, 40)])
    assert [(frame, round(step)) for frame, step in clock.jumps] == [(3, 30 * DAY - 3), (23, -30 * DAY - 17)]
    assert (np.diff(clock.times) == FINER).all()


def test_valid_timestamps_are_unchanged() -> None:
    """They keep their own unit."""
    stamps = np.array([0, 40, 80, 160, 120], dtype=np.int64)
    clock = repair(stamps, [0, 1, 2, 4, 3], 1e9)
    assert clock is not None
    assert (clock.scale, clock.shifts, clock.replaced, clock.jumps) == (1, [], [], [])
    assert clock.times is stamps


def test_order_by_timestamps() -> None:
    """By timestamp within a recording, recordings one after the other; undetermined without distinct timestamps."""
    key = np.array([1, 0, 0, 0, 1, 0, 0, 0], dtype=bool)
    stamps = np.array([0, 3, 1, 2, 0, 3, 1, 2], dtype=np.int64)
    assert order_by_stamps(stamps, key, reorders=True) == [0, 2, 3, 1, 4, 6, 7, 5]
    assert order_by_stamps(np.arange(8), key, reorders=True) == list(range(8))
    for wrong in (NONE, 2):
        unclear = stamps.copy()
        unclear[1] = wrong
        assert order_by_stamps(unclear, key, reorders=True) is None
    missing = np.arange(8)
    missing[3] = NONE
    assert order_by_stamps(missing, key, reorders=False) == list(range(8))
    assert order_by_stamps(missing, key, reorders=True) is None


@pytest.mark.parametrize(
    "stamps",
    [
        [7] * 60,
        [*range(60, 0, -1)],
        [*range(100, 130), *range(30)],  # the clock is set back between two key frames
        [0, 3, 1, 2, 6, 1004, 1005, *range(1007, 1060)],  # and ahead, behind a frame that is shown later
        [*range(30), 3000, *range(31, 60)],  # one astray
    ],
    ids=["equal", "falling", "back", "ahead", "astray"],
)
def test_timestamps_that_no_encoder_writes_do_not_order_frames(stamps: list[int]) -> None:
    """Then only a decode determines the order; without reordering and with ascending timestamps, file order does."""
    key = np.zeros(len(stamps), dtype=bool)
    key[0] = True
    raw = np.array(stamps, dtype=np.int64)
    assert order_by_stamps(raw, key, reorders=True, pause=50) is None
    equal = stamps == [7] * 60
    assert order_by_stamps(raw, key, reorders=False, pause=50) == (list(range(60)) if equal else None)


def test_a_pause_before_a_key_frame_keeps_the_order() -> None:
    """Recordings triggered by motion have such pauses."""
    key = np.array([1, 0, 0, 0, 1, 0, 0, 0], dtype=bool)
    stamps = np.array([0, 3, 1, 2, 900, 903, 901, 902], dtype=np.int64)
    assert order_by_stamps(stamps, key, reorders=True, pause=50) == [0, 2, 3, 1, 4, 6, 7, 5]


@given(
    st.lists(st.integers(1, 50), min_size=3, max_size=60),
    st.dictionaries(st.integers(0, 59), st.one_of(st.none(), st.integers(-(10**12), 10**12)), max_size=20),
)
def test_times_always_increase_and_valid_steps_are_kept(steps: list[int], wrong: dict[int, int | None]) -> None:
    """Whatever single timestamps are, every frame has a distinct time, later than the previous one."""
    raw = np.cumsum(steps)
    stamps = np.array(
        [NONE if i in wrong and wrong[i] is None else wrong.get(i, s) for i, s in enumerate(raw.tolist())]
    )
    clock = repair(without_outliers(stamps, DAY), list(range(len(stamps))), DAY)
    if clock is None:
        assert (stamps != NONE).sum() < 2 or len(wrong) > 1
        return
    assert (np.diff(clock.times) > 0).all()
    if not wrong.keys() & set(range(len(raw))):
        assert (clock.times == raw).all()
