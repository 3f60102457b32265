"""Illumination-invariant similarity of two small grey pictures of a scene, and the amount of detail in one.

Axes: H rows, W columns, N pictures.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Grey = npt.NDArray[np.uint8]


def similarity(a_HW: Grey, b_HW: Grey) -> float:
    """Return the cosine between the gradients of two pictures, in [-1, 1]; 0 if one of them is flat.

    Position and direction of edges do not depend on illumination: half or a tenth of the light gives at least 0.98.
    Pictures of different cameras give about 0.
    """
    a, b = _gradients(a_HW), _gradients(b_HW)
    norm = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / norm if norm else 0.0


def detail(grey_HW: Grey) -> float:
    """Return the root mean square of the gradient, in grey levels per pixel; 0 for a flat picture."""
    return float(np.sqrt((_gradients(grey_HW) ** 2).sum(axis=0).mean()))


def _gradients(grey_HW: Grey) -> Floats:
    """Return the vertical and horizontal gradients, ``[2, H, W]``."""
    down, across = np.gradient(grey_HW.astype(np.float64))
    return np.stack([down, across])
