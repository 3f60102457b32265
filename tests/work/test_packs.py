"""Packs of small units, and the tracker's attempts of units whose worker was lost."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from wsvad.work.packs import MAX_UNITS, make_packs
from wsvad.work.tracker import UnitTracker


@dataclass(frozen=True)
class _Unit:
    unit_id: str
    num_clips: int


@given(st.lists(st.integers(1, 200), max_size=300), st.integers(0, 500), st.integers(1, 9))
def test_packs_hold_every_unit_once_and_are_bounded(sizes, most, workers):
    """In order. A unit above the limit is a pack of its own, and no pack is closed while the next unit would fit."""
    units = [_Unit(str(n), size) for n, size in enumerate(sizes)]
    packs = make_packs(units, most, workers)
    assert [u for pack in packs for u in pack] == units
    limit = min(most, sum(sizes) / (8 * workers))
    clips = [sum(u.num_clips for u in pack) for pack in packs]
    assert all(
        len(pack) <= MAX_UNITS and (total <= limit or len(pack) == 1) for pack, total in zip(packs, clips, strict=True)
    )
    for pack, total, after in zip(packs, clips, packs[1:], strict=False):
        assert len(pack) == MAX_UNITS or total + after[0].num_clips > limit


def test_short_videos_share_rows_and_long_ones_have_their_own():
    """2,000 videos of 5 clips have 64 per row; units of ten minutes one; in a small job every worker gets some."""
    assert {len(pack) for pack in make_packs([_Unit("", 5)] * 2000, 1000, 2)} == {64, 2000 % 64}
    assert {len(pack) for pack in make_packs([_Unit("", 937)] * 100, 64, 2)} == {1}
    assert len(make_packs([_Unit("", 5)] * 64, 1000, 4)) == 32


def _finish(board, *names, number=1):
    board.finish(number, [{"unit_id": name, "clips": 3} for name in names])


def test_only_the_running_unit_counts_an_attempt():
    """If a pack's worker is lost repeatedly, finished units are kept and the running one is given up."""
    board, pack = UnitTracker(), ["a", "b", "c"]
    assert board.begin(1, pack, 2) == (False, [None] * 3, [False] * 3)
    _finish(board, "a")
    first = board.begin(1, pack, 2)
    assert (first.restarted, [r and r["unit_id"] for r in first.receipts]) == (True, ["a", None, None])
    assert first.given_up == [False] * 3, "b has used one of two attempts"
    assert board.begin(1, pack, 2).given_up == [False, True, False]
    assert board.begin(1, pack, 2).given_up == [False, True, False], "the attempt counts for c"
    assert board.begin(1, pack, 2).given_up == [False, True, True]
    assert board.read() == {"a": 3}


def test_attempts_are_counted_per_round():
    """With a limit of one the second start is refused. A new round resets the counts; late receipts are ignored."""
    board = UnitTracker()
    assert board.begin(1, ["a"], 1).given_up == [False]
    assert board.begin(1, ["a"], 1).given_up == [True]
    assert board.begin(2, ["a", "b"], 2) == (False, [None] * 2, [False] * 2)
    _finish(board, "a", number=1)
    assert board.begin(2, ["a", "b"], 2).receipts == [None, None]
