"""Where in the picture: the 7x7 grid of cuboids against boxes of the truth.

Axes: T clips, K cuboids (49, row-major), M boxes. Boxes are ``x1, y1, x2, y2``, half-open, in pixels of the video as it
is displayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wsvad.manifest.records import Box
from wsvad.metrics.ranking import Floats
from wsvad.metrics.truth import Bools
from wsvad.scores.grid import cells

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Grid:
    """The cuboid scores of one video with the truth in the same pixels."""

    scores_TK: Floats
    spans_T2: Ints
    """Frames of each clip, half-open."""
    cells_K4: Floats
    """The box that each cuboid sees."""
    boxes_M4: Floats
    box_spans_M2: Ints
    tracks_M: Ints
    """Which boxes are one object; -1 where the truth does not say."""
    num_frames: int

    @property
    def owned_T2(self) -> Ints:
        """Frames that each clip answers for: up to the next clip's start where clips overlap, each frame once."""
        owned = self.spans_T2.copy()
        owned[:-1, 1] = np.minimum(owned[:-1, 1], owned[1:, 0])
        return owned

    def boxes_in(self, clip: int | np.integer[Any]) -> Bools:
        """Whether each box holds in any frame of a clip, ``[M]``; a table for all clips would not fit long videos."""
        start, end = self.spans_T2[clip]
        return np.asarray((self.box_spans_M2[:, 0] < end) & (start < self.box_spans_M2[:, 1]))


def make_grid(
    scores_TK: npt.ArrayLike,
    spans_T2: npt.ArrayLike,
    view: tuple[float, float, float, float],
    boxes: Sequence[Box],
    num_frames: int,
) -> Grid:
    """Put scores and boxes side by side; boxes are in the pixels of ``view``."""
    scores = np.asarray(scores_TK, dtype=np.float64)
    corners = np.array([box[2:6] for box in boxes], dtype=np.float64).reshape(-1, 4)
    return Grid(
        scores,
        np.asarray(spans_T2, dtype=np.int64).reshape(-1, 2),
        cells(view, scores.shape[1]),
        corners,
        np.array([box[:2] for box in boxes], dtype=np.int64).reshape(-1, 2),
        np.array([-1 if box.track is None else box.track for box in boxes], dtype=np.int64),
        num_frames,
    )


def intersections(a_P4: Floats, b_Q4: Floats) -> Floats:
    """Return the area ``[P, Q]`` that each box of one list shares with each of the other."""
    low = np.maximum(a_P4[:, None, :2], b_Q4[None, :, :2])
    high = np.minimum(a_P4[:, None, 2:], b_Q4[None, :, 2:])
    return np.asarray(np.prod(np.clip(high - low, 0, None), axis=2))


def areas(boxes_P4: Floats) -> Floats:
    """Return the area of each box."""
    return np.asarray((boxes_P4[:, 2] - boxes_P4[:, 0]) * (boxes_P4[:, 3] - boxes_P4[:, 1]))


def iou(a_P4: Floats, b_Q4: Floats) -> Floats:
    """Return intersection over union ``[P, Q]`` of each box of one list with each of the other, in [0, 1]."""
    shared = intersections(a_P4, b_Q4)
    union = areas(a_P4)[:, None] + areas(b_Q4)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def region_truth(grid: Grid, min_overlap: float = 0.0) -> Bools:
    """Say of every cuboid of every clip whether it holds an anomaly; ``[T, K]``.

    A cuboid is anomalous if, in any frame of its clip, a box of the truth overlaps its cell: the shared area is above
    0, and at least ``min_overlap`` of the smaller of the two (a small object within a cell counts in full, and so does
    a cell within a large box). The papers give no rule; 0 is the plain reading of "overlaps".
    """
    shared_KM = intersections(grid.cells_K4, grid.boxes_M4)
    smaller_KM = np.minimum(areas(grid.cells_K4)[:, None], areas(grid.boxes_M4)[None, :])
    overlaps_KM = (shared_KM > 0) & (shared_KM >= min_overlap * smaller_KM)
    truth_TK = np.zeros(grid.scores_TK.shape, np.bool_)
    for clip, truth_K in enumerate(truth_TK):
        truth_K[:] = overlaps_KM[:, grid.boxes_in(clip)].any(axis=1)
    return truth_TK


def reaches_everywhere(grid: Grid) -> bool:
    """Whether every box of the truth, and there is one, reaches every cuboid, so that no place could be wrong."""
    reached_KM = intersections(grid.cells_K4, grid.boxes_M4) > 0
    return bool(reached_KM.size) and bool(reached_KM.all())


def pointing(scores_K: Floats, truth_K: Bools) -> float:
    """Does the strongest cuboid hit? 1 or 0, and the share of hits among equally strong ones.

    The pointing game of Zhang et al. 2016 (Excitation Backprop), on cells instead of pixels.
    """
    return float(np.mean(truth_K[scores_K == scores_K.max()]))


def tight_box_iou(grid: Grid, clip: int | np.integer[Any], level: float) -> float:
    """Intersection over union, in [0, 1], of the box around flagged cells and the box around the truth in a clip.

    Flagged are the cells that score at least ``level``; where none does the value is 0. 1 means the same box.
    """
    found = grid.cells_K4[grid.scores_TK[clip] >= level]
    if not len(found):
        return 0.0
    truth = grid.boxes_M4[grid.boxes_in(clip)]
    return float(iou(_around(found), _around(truth))[0, 0])


def _around(boxes_P4: Floats) -> Floats:
    return np.concatenate((boxes_P4[:, :2].min(axis=0), boxes_P4[:, 2:].max(axis=0)))[None]
