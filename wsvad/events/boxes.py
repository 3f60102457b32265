"""Spatial location of events: masks over the grid of cuboids, and bounding boxes of connected cuboids.

Axes: K cuboids (49, in row-major order from the top left), T clips.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wsvad.cameras.config import Mask
from wsvad.scores.grid import Floats

Bools = npt.NDArray[np.bool_]
MASKED_FRACTION = 0.5
"""A cuboid is masked if masks cover at least this fraction of its area."""


class Region(NamedTuple):
    """Bounding box of a group of connected cuboids, in pixels of the displayed video, half-open."""

    x1: float
    y1: float
    x2: float
    y2: float
    score: float
    """Score of the strongest cuboid."""


def masked_cells(masks: Sequence[Mask], cells_K4: Floats, width: float, height: float) -> Bools:
    """Return which cuboids are masked, ``[K]``: those with at least half of their area covered by masks.

    Args:
        masks: corners as fractions of the frame's width and height.
        cells_K4: ``(x1, y1, x2, y2)`` of each cuboid, in pixels.
        width: frame width in pixels.
        height: frame height in pixels.
    """
    boxes_M4 = np.array(masks, np.float64).reshape(-1, 4) * (width, height, width, height)
    return np.array([_covered_fraction(cell, boxes_M4) >= MASKED_FRACTION for cell in cells_K4], np.bool_)


def _covered_fraction(cell: Floats, boxes_M4: Floats) -> float:
    """Return the fraction of a cell that the union of the boxes covers.

    The boxes may overlap, so the cell is split at all of their edges.
    """
    x = np.unique(np.clip([cell[0], cell[2], *boxes_M4[:, 0], *boxes_M4[:, 2]], cell[0], cell[2]))
    y = np.unique(np.clip([cell[1], cell[3], *boxes_M4[:, 1], *boxes_M4[:, 3]], cell[1], cell[3]))
    middle_x, middle_y = (x[:-1] + x[1:]) / 2, (y[:-1] + y[1:]) / 2
    under = np.zeros((len(middle_y), len(middle_x)), np.bool_)
    for x1, y1, x2, y2 in boxes_M4:
        under |= ((y1 <= middle_y) & (middle_y < y2))[:, None] & ((x1 <= middle_x) & (middle_x < x2))
    area = float((np.diff(y)[:, None] * np.diff(x) * under).sum())
    return area / float((cell[2] - cell[0]) * (cell[3] - cell[1]))


def unmasked_scores(cuboid_scores_TK: npt.ArrayLike, masked_K: Bools) -> npt.NDArray[np.float32]:
    """Return the score of each clip, ``[T]``: the maximum over its unmasked cuboids, as in the models."""
    return np.asarray(np.asarray(cuboid_scores_TK)[:, ~masked_K].max(axis=1), np.float32)


def regions(scores_K: npt.ArrayLike, cells_K4: Floats, low: float, masked_K: Bools | None = None) -> list[Region]:
    """Return the regions of one clip, strongest first: 4-connected cuboids with scores of at least ``low``.

    If the strongest cuboid is below ``low``, which smoothing over time makes possible, it is the only region.
    """
    scores = np.asarray(scores_K, np.float64)
    if masked_K is not None:
        scores = np.where(masked_K, -np.inf, scores)
    strong = {int(k) for k in np.flatnonzero(scores >= min(low, scores.max()))}
    side, found = math.isqrt(len(scores)), []
    while strong:
        group, waiting = [], [strong.pop()]
        while waiting:
            cell = waiting.pop()
            group.append(cell)
            near = _neighbours(cell, side) & strong
            strong -= near
            waiting += near
        x1, y1 = cells_K4[group, :2].min(axis=0).tolist()
        x2, y2 = cells_K4[group, 2:].max(axis=0).tolist()
        found.append(Region(x1, y1, x2, y2, float(scores[group].max())))
    return sorted(found, key=lambda r: (-r.score, r))


def _neighbours(cell: int, side: int) -> set[int]:
    row, column = divmod(cell, side)
    around = ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
    return {r * side + c for r, c in around if 0 <= r < side and 0 <= c < side}
