"""The score of every clip is taken from the window with the nearest centre."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsvad.models.windows import Window, windows


@pytest.mark.parametrize(
    ("num_clips", "size", "expected"),
    [
        (1, 4, [(0, 1, 0, 1)]),
        (4, 4, [(0, 4, 0, 4)]),
        (5, 4, [(0, 4, 0, 3), (1, 5, 3, 5)]),
        (8, 4, [(0, 4, 0, 3), (2, 6, 3, 5), (4, 8, 5, 8)]),
        (9, 4, [(0, 4, 0, 3), (2, 6, 3, 5), (4, 8, 5, 7), (5, 9, 7, 9)]),
    ],
)
def test_windows_by_hand(num_clips, size, expected):
    """``(start, stop, keep_start, keep_stop)``."""
    assert windows(num_clips, size) == [Window(*w) for w in expected]


@given(num_clips=st.integers(1, 300), size=st.integers(2, 40))
def test_each_clip_is_scored_once_in_its_most_central_window(num_clips, size):
    """Compared with the definition, clip by clip; a quarter of a window is on both sides except near the ends."""
    cut = windows(num_clips, size)
    assert [w.keep_start for w in cut[1:]] == [w.keep_stop for w in cut[:-1]]
    assert (cut[0].keep_start, cut[-1].keep_stop) == (0, num_clips)
    for window in cut:
        assert window.stop - window.start == min(size, num_clips)
        for clip in range(window.keep_start, window.keep_stop):
            off = {w: abs(2 * clip - (w.start + w.stop - 1)) for w in cut if w.start <= clip < w.stop}
            assert off[window] == min(off.values())
            assert clip - window.start >= size // 4 or window.start == 0
            assert window.stop - 1 - clip >= size // 4 or window.stop == num_clips
