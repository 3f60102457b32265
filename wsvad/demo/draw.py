"""Drawing with arrays: round-ended strokes, shadows, value noise, and the digits of a camera's clock.

A canvas is ``[height, width, 3]`` float32, RGB in 0..255; coordinates are pixels, x to the right and y down, with
pixel centres at whole numbers. Everything is clipped at the borders of the canvas.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.float32]
Field = NDArray[np.float32]
Color = tuple[float, float, float]

_LIGHT = (-0.5, -0.8)  # from the upper left, so that limbs look round

# 3 x 5 pixels a glyph, one row an octal digit.
_GLYPHS = {
    "0": 0o75557, "1": 0o26227, "2": 0o71747, "3": 0o71717, "4": 0o55711, "5": 0o74717, "6": 0o74757, "7": 0o71122,
    "8": 0o75757, "9": 0o75717, ":": 0o02020, " ": 0o00000, "C": 0o74447, "A": 0o75755, "M": 0o57755, "-": 0o00700,
}  # fmt: skip


def stroke(canvas: Canvas, a: tuple[float, float], b: tuple[float, float], radius: float, color: Color) -> None:
    """Draw the round-ended stroke from ``a`` to ``b``, anti-aliased and lit from the upper left."""
    height, width = canvas.shape[:2]
    reach = radius + 1.0
    left, right = max(0, int(min(a[0], b[0]) - reach)), min(width, int(max(a[0], b[0]) + reach) + 2)
    top, bottom = max(0, int(min(a[1], b[1]) - reach)), min(height, int(max(a[1], b[1]) + reach) + 2)
    if left >= right or top >= bottom:
        return
    x = np.arange(left, right, dtype=np.float32)[None, :] - np.float32(a[0])
    y = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(a[1])
    along_x, along_y = b[0] - a[0], b[1] - a[1]
    length2 = along_x * along_x + along_y * along_y
    if length2 > 1e-6:
        t = np.clip(x * (along_x / length2) + y * (along_y / length2), 0.0, 1.0, dtype=np.float32)
        x, y = x - t * np.float32(along_x), y - t * np.float32(along_y)
    distance = np.sqrt(x * x + y * y)
    cover = np.clip(radius + 0.5 - distance, 0.0, 1.0)[..., None]
    shade = 1.0 + (x * _LIGHT[0] + y * _LIGHT[1]) * np.float32(0.24 / max(radius, 0.5))
    region = canvas[top:bottom, left:right]
    region += cover * (np.asarray(color, np.float32) * shade[..., None] - region)


def shadow(canvas: Canvas, centre: tuple[float, float], radii: tuple[float, float], strength: float) -> None:
    """Darken a soft ellipse by up to ``strength`` (0..1) at its centre."""
    height, width = canvas.shape[:2]
    left, right = max(0, int(centre[0] - radii[0])), min(width, int(centre[0] + radii[0]) + 2)
    top, bottom = max(0, int(centre[1] - radii[1])), min(height, int(centre[1] + radii[1]) + 2)
    if left >= right or top >= bottom:
        return
    x = (np.arange(left, right, dtype=np.float32)[None, :] - np.float32(centre[0])) / max(radii[0], 0.5)
    y = (np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(centre[1])) / max(radii[1], 0.5)
    canvas[top:bottom, left:right] *= 1.0 - strength * np.clip(1.0 - (x * x + y * y), 0.0, 1.0)[..., None]


def text(canvas: Canvas, at: tuple[int, int], words: str, color: Color, *, zoom: int = 2) -> None:
    """Write digits, ``:``, ``-`` and ``CAM`` with their upper left corner ``at``, on a dark ground.

    Raises:
        KeyError: a character that has no glyph.
    """
    rows = [
        [(_GLYPHS[c] >> (3 * (4 - row))) >> (2 - column) & 1 for c in words for column in range(3)] for row in range(5)
    ]
    bits = np.asarray(rows, np.float32).reshape(5, len(words), 3)
    spaced = np.pad(bits, ((1, 1), (0, 0), (0, 1))).reshape(7, -1)
    mask = np.pad(np.kron(spaced, np.ones((zoom, zoom), np.float32)), ((0, 0), (zoom, 0)))[..., None]
    region = canvas[at[1] : at[1] + mask.shape[0], at[0] : at[0] + mask.shape[1]]
    mask = mask[: region.shape[0], : region.shape[1]]
    region *= 0.45 * (1 - mask)
    region += mask * np.asarray(color, np.float32)


def value_noise(table: Field, u: Field, v: Field) -> Field:
    """Smooth noise at the points ``(u, v)``: the random ``table`` (0..1, repeated without end), interpolated."""
    u0, v0 = np.floor(u), np.floor(v)
    fu, fv = u - u0, v - v0
    fu, fv = fu * fu * (3 - 2 * fu), fv * fv * (3 - 2 * fv)
    i, j = u0.astype(np.int64) % table.shape[0], v0.astype(np.int64) % table.shape[1]
    i1, j1 = (i + 1) % table.shape[0], (j + 1) % table.shape[1]
    near = table[i, j] * (1 - fu) + table[i1, j] * fu
    far = table[i, j1] * (1 - fu) + table[i1, j1] * fu
    blended: Field = near * (1 - fv) + far * fv
    return blended
