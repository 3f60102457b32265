"""Masks and regions, compared with pixel and pairwise reference implementations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsvad.cameras.config import Mask
from wsvad.events.boxes import masked_cells, regions, unmasked_scores
from wsvad.scores.grid import cells

VIEW = (0.0, 0.0, 70.0, 70.0)
CELLS = cells(VIEW)
_SHARE = st.integers(0, 70)


@st.composite
def masks(draw):
    """Rectangles in whole pixels of a 70x70 frame."""
    made = []
    for _ in range(draw(st.integers(0, 4))):
        (x1, x2), (y1, y2) = (sorted(draw(st.tuples(_SHARE, _SHARE).filter(lambda p: p[0] != p[1]))) for _ in "xy")
        made.append(Mask(x1 / 70, y1 / 70, x2 / 70, y2 / 70))
    return made


@given(masks())
def test_a_cell_is_masked_if_half_of_its_pixels_are(given_masks):
    """Compared with a count of pixels; overlapping masks count once."""
    under = np.zeros((70, 70), np.bool_)
    for x1, y1, x2, y2 in given_masks:
        under[round(y1 * 70) : round(y2 * 70), round(x1 * 70) : round(x2 * 70)] = True
    counted = under.reshape(7, 10, 7, 10).sum(axis=(1, 3)).ravel()
    found = masked_cells(given_masks, CELLS, 70, 70)
    np.testing.assert_array_equal(found[counted != 50], (counted > 50)[counted != 50])


def groups(strong):
    """Group cells that share a side, by merging pairs until nothing changes."""
    number = {k: k for k in strong}
    for _ in strong:
        for a in strong:
            for b in strong:
                if abs(a // 7 - b // 7) + abs(a % 7 - b % 7) == 1:
                    number[a] = number[b] = min(number[a], number[b])
    return [[k for k in strong if number[k] == n] for n in set(number.values())]


@given(st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.6, 0.9]), min_size=49, max_size=49), st.sampled_from([0.5, 0.95]))
def test_regions_are_connected_cells(scores, low):
    """Each region has the bounding box of its cells in pixels; the strongest comes first."""
    strong = [k for k in range(49) if scores[k] >= min(low, max(scores))]
    expected = []
    for group in groups(strong):
        rows, columns = [k // 7 for k in group], [k % 7 for k in group]
        box = (10 * min(columns), 10 * min(rows), 10 * max(columns) + 10, 10 * max(rows) + 10)
        expected.append((*map(float, box), max(scores[k] for k in group)))
    found = regions(scores, CELLS, low)
    assert sorted(found) == sorted(expected)
    assert [r.score for r in found] == sorted((r.score for r in found), reverse=True)
    assert found[0].score == max(scores)


def test_masked_cells_have_no_region_and_no_score():
    """The strongest cell is masked, so the next one counts."""
    scores = np.full(49, 0.1)
    scores[[0, 30]] = 0.9, 0.6
    masked = masked_cells([Mask(0, 0, 0.2, 0.2)], CELLS, 70, 70)
    assert np.flatnonzero(masked).tolist() == [0]
    (region,) = regions(scores, CELLS, 0.5, masked)
    assert region == pytest.approx((20, 40, 30, 50, 0.6))
    assert unmasked_scores(scores[None], masked) == pytest.approx(0.6)
