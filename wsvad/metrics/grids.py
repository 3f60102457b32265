"""Spatial localisation: the 7x7 grid of cuboids and ground-truth boxes.

Axes: T clips, K cuboids (49, row-major), M boxes. Boxes are ``x1, y1, x2, y2``, half-open, in pixels of the displayed
video.
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
    """The cuboid scores of one video, and the ground truth in the same pixels."""

    scores_TK: Floats
    spans_T2: Ints
    """Frames of each clip, half-open."""
    cells_K4: Floats
    """Box of each cuboid."""
    boxes_M4: Floats
    box_spans_M2: Ints
    tracks_M: Ints
    """Track number of each box; -1 if unknown."""
    num_frames: int

    @property
    def owned_T2(self) -> Ints:
        """Frames assigned to each clip: up to the start of the next clip if clips overlap, so none counts twice."""
        owned = self.spans_T2.copy()
        owned[:-1, 1] = np.minimum(owned[:-1, 1], owned[1:, 0])
        return owned

    def boxes_in(self, clip: int | np.integer[Any]) -> Bools:
        """Return which boxes exist in any frame of a clip, ``[M]``; a table of all clips would be too large."""
        start, end = self.spans_T2[clip]
        return np.asarray((self.box_spans_M2[:, 0] < end) & (start < self.box_spans_M2[:, 1]))


def make_grid(
    scores_TK: npt.ArrayLike,
    spans_T2: npt.ArrayLike,
    view: tuple[float, float, float, float],
    boxes: Sequence[Box],
    num_frames: int,
) -> Grid:
    """Combine scores and boxes; boxes are in the pixels of ``view``."""
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
    """Return the intersection area of each pair of boxes, ``[P, Q]``."""
    low = np.maximum(a_P4[:, None, :2], b_Q4[None, :, :2])
    high = np.minimum(a_P4[:, None, 2:], b_Q4[None, :, 2:])
    return np.asarray(np.prod(np.clip(high - low, 0, None), axis=2))


def areas(boxes_P4: Floats) -> Floats:
    """Return the area of each box."""
    return np.asarray((boxes_P4[:, 2] - boxes_P4[:, 0]) * (boxes_P4[:, 3] - boxes_P4[:, 1]))


def iou(a_P4: Floats, b_Q4: Floats) -> Floats:
    """Return the intersection over union of each pair of boxes, ``[P, Q]`` in [0, 1]."""
    shared = intersections(a_P4, b_Q4)
    union = areas(a_P4)[:, None] + areas(b_Q4)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def region_truth(grid: Grid, min_overlap: float = 0.0) -> Bools:
    """Return which cuboids of each clip are anomalous, ``[T, K]``.

    A cuboid is anomalous if, in any frame of its clip, a ground-truth box overlaps its cell: the intersection is above
    0 and at least ``min_overlap`` of the smaller of the two (so a small object within a cell overlaps fully, as does a
    cell within a large box). The papers define no rule; 0 is the literal meaning of "overlaps".
    """
    shared_KM = intersections(grid.cells_K4, grid.boxes_M4)
    smaller_KM = np.minimum(areas(grid.cells_K4)[:, None], areas(grid.boxes_M4)[None, :])
    overlaps_KM = (shared_KM > 0) & (shared_KM >= min_overlap * smaller_KM)
    truth_TK = np.zeros(grid.scores_TK.shape, np.bool_)
    for clip, truth_K in enumerate(truth_TK):
        truth_K[:] = overlaps_KM[:, grid.boxes_in(clip)].any(axis=1)
    return truth_TK


def reaches_everywhere(grid: Grid) -> bool:
    """Return whether there are boxes and every box reaches every cuboid, so that localisation is trivial."""
    reached_KM = intersections(grid.cells_K4, grid.boxes_M4) > 0
    return bool(reached_KM.size) and bool(reached_KM.all())


def pointing(scores_K: Floats, truth_K: Bools) -> float:
    """Return 1 if the strongest cuboid is anomalous, else 0; among equally strong ones, the fraction that is.

    The pointing game of Zhang et al. 2016 (Excitation Backprop), on cells instead of pixels.
    """
    return float(np.mean(truth_K[scores_K == scores_K.max()]))


def tight_box_iou(grid: Grid, clip: int | np.integer[Any], level: float) -> float:
    """Return the IoU, in [0, 1], of the bounding boxes of flagged cells and of the ground truth in a clip.

    Cells that score at least ``level`` are flagged; if there are none the value is 0.
    """
    found = grid.cells_K4[grid.scores_TK[clip] >= level]
    if not len(found):
        return 0.0
    truth = grid.boxes_M4[grid.boxes_in(clip)]
    return float(iou(_bounding_box(found), _bounding_box(truth))[0, 0])


def _bounding_box(boxes_P4: Floats) -> Floats:
    return np.concatenate((boxes_P4[:, :2].min(axis=0), boxes_P4[:, 2:].max(axis=0)))[None]
