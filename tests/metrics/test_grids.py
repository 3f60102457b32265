"""The grid of cuboids and ground-truth boxes. Frames have 70x70 pixels, so a cell has 10x10."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from wsvad.manifest.records import Box
from wsvad.metrics.grids import iou, make_grid, pointing, region_truth, tight_box_iou
from wsvad.scores.grid import cells

VIEW = (0.0, 0.0, 70.0, 70.0)
SPANS = [(0, 16), (16, 32), (32, 40)]


def test_cells_are_row_major() -> None:
    """Cell 0 is the top left one, 6 the top right one, 48 the bottom right one; they tile the view."""
    found = cells((10.0, 20.0, 80.0, 160.0))
    assert found[0].tolist() == [10, 20, 20, 40]
    assert found[6].tolist() == [70, 20, 80, 40]
    assert found[48].tolist() == [70, 140, 80, 160]


@pytest.mark.parametrize(
    ("box", "min_overlap", "clip", "positive"),
    [
        (Box(0, 1, 0, 0, 10, 10), 0.0, 0, [0]),  # exactly one cell: half-open, the neighbours touch only
        (Box(0, 1, 0, 0, 10.5, 10), 0.0, 0, [0, 1]),
        (Box(0, 1, 0, 0, 10.5, 10), 0.1, 0, [0]),  # 5 of 100 square pixels of cell 1 are too few
        (Box(15, 16, 65, 65, 70, 70), 0.0, 0, [48]),
        (Box(15, 16, 65, 65, 70, 70), 1.0, 0, [48]),  # a small box within a cell overlaps fully
        (Box(16, 17, 65, 65, 70, 70), 0.0, 0, []),  # starts where the clip ends
        (Box(16, 17, 65, 65, 70, 70), 0.0, 1, [48]),
        (Box(39, 99, 0, 0, 70, 10), 0.0, 2, [0, 1, 2, 3, 4, 5, 6]),
        (Box(0, 99, 0, 0, 70, 70), 1.0, 1, list(range(49))),
        (Box(0, 99, -50, -50, 0, 0), 0.0, 1, []),  # outside of the frame
    ],
)
def test_region_truth_by_hand(box: Box, min_overlap: float, clip: int, positive: list[int]) -> None:
    """A cuboid is anomalous if a box overlaps its cell in any frame of its clip."""
    grid = make_grid(np.zeros((3, 49)), SPANS, VIEW, [box], 40)
    assert np.flatnonzero(region_truth(grid, min_overlap)[clip]).tolist() == positive


@pytest.mark.parametrize(
    ("scores", "truth", "value"),
    [
        ([0.1, 0.9], [0, 1], 1.0),
        ([0.9, 0.1], [0, 1], 0.0),
        ([0.5, 0.5], [0, 1], 0.5),
        ([0.2, 0.2, 0.2], [1, 0, 0], 1 / 3),
    ],
)
def test_pointing_by_hand(scores: list[float], truth: list[int], value: float) -> None:
    """A constant map hits at chance level."""
    assert pointing(np.array(scores), np.array(truth, bool)) == pytest.approx(value)


@pytest.mark.parametrize(
    ("a", "b", "value"),
    [
        ([0, 0, 10, 10], [0, 0, 10, 10], 1.0),
        ([0, 0, 10, 10], [10, 0, 20, 10], 0.0),
        ([0, 0, 10, 10], [5, 0, 15, 10], 50 / 150),
        ([0, 0, 10, 10], [2, 2, 4, 4], 4 / 100),
    ],
)
def test_iou_by_hand(a: list[float], b: list[float], value: float) -> None:
    """Area of the intersection over area of the union."""
    assert iou(np.array([a], float), np.array([b], float))[0, 0] == pytest.approx(value)


@pytest.mark.parametrize(
    ("flagged", "value"),
    [([], 0.0), ([0], 100 / 400), ([0, 8], 1.0), ([0, 1, 7, 8], 1.0), ([48], 0.0), ([0, 10], 400 / 800)],
)
def test_tight_box_iou_by_hand(flagged: list[int], value: float) -> None:
    """The ground truth covers the 2x2 cells in the top left corner."""
    scores = np.zeros((3, 49))
    scores[0, flagged] = 0.8
    grid = make_grid(scores, SPANS, VIEW, [Box(0, 9, 0, 0, 20, 15), Box(3, 5, 0, 10, 20, 20)], 40)
    assert tight_box_iou(grid, 0, 0.5) == pytest.approx(value)


def test_memory_of_a_long_video_is_bounded() -> None:
    """One box in each of 20,000 frames: a table of clips and boxes would have 25 MB, with cells 1.2 GB."""
    frames = 20_000
    boxes = [Box(n, n + 1, 0, 0, 10, 10) for n in range(frames)]
    spans = [(start, start + 16) for start in range(0, frames, 16)]
    grid = make_grid(np.zeros((len(spans), 49)), spans, VIEW, boxes, frames)
    tracemalloc.start()
    truth = region_truth(grid)
    overlap = [tight_box_iou(grid, clip, 0.0) for clip in range(3)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert truth[:, 0].all()
    assert not truth[:, 1:].any()
    assert overlap == pytest.approx([1 / 49] * 3)
    assert peak < 150e6


def test_frames_of_overlapping_clips_are_assigned_once() -> None:
    """Up to the start of the next clip."""
    grid = make_grid(np.zeros((3, 49)), [(0, 16), (8, 24), (40, 56)], VIEW, [], 56)
    assert grid.owned_T2.tolist() == [[0, 8], [8, 24], [40, 56]]
