"""Positions of cuboids in the picture: map the 7x7 grid of a model to pixels of the displayed video.

Axes: K cuboids (49, row by row from the top left). Boxes are ``x1, y1, x2, y2``, half-open.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from wsvad.video.geometry import Geometry
from wsvad.video.names import GeometryKind

Floats = npt.NDArray[np.float64]


def view_of(features_config: Mapping[str, Any], width: int, height: int) -> tuple[float, float, float, float] | None:
    """Return the box of the displayed video that the grid covers, or ``None`` if it is unknown or crops were averaged.

    Imported features, whose configuration has no geometry, have no known view.
    """
    for kind in get_args(GeometryKind):
        if kind == features_config.get("geometry"):
            geometry = Geometry(kind)
            return geometry.box_of(0, width, height) if geometry.views == 1 else None
    return None


def cells(view: tuple[float, float, float, float], count: int = 49) -> Floats:
    """Divide a view ``(x1, y1, x2, y2)`` into a square grid; return ``[count, 4]``, row by row from the top left."""
    side = math.isqrt(count)
    x, y = np.linspace(view[0], view[2], side + 1), np.linspace(view[1], view[3], side + 1)
    row, column = np.divmod(np.arange(side * side), side)
    return np.stack((x[column], y[row], x[column + 1], y[row + 1]), axis=1)
