"""Drawing on arrays: round-ended strokes, shadows, value noise, and the digits of a camera's clock.

A canvas is ``[height, width, 3]`` float32, RGB in 0..255. Coordinates are pixels, x to the right and y down, with pixel
centres at integers. Everything is clipped at the borders of the canvas.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.float32]
Field = NDArray[np.float32]
Color = tuple[float, float, float]

_LIGHT = (-0.5, -0.8)  # from the upper left, so that limbs look round

# 3 x 5 pixels per glyph, one octal digit per row.
_GLYPHS = {
    "0": 0o75557, "1": 0o26227, "2": 0o71747, "3": 0o71717, "4": 0o55711, "5": 0o74717, "6": 0o74757, "7": 0o71122,
    "8": 0o75757, "9": 0o75717, ":": 0o02020, " ": 0o00000, "C": 0o74447, "A": 0o75755, "M": 0o57755, "-": 0o00700,
}  # fmt: skip


def stroke(canvas: Canvas, a: tuple[float, float], b: tuple[float, float], radius: float, color: Color) -> None:
    """Draw a round-ended stroke from ``a`` to ``b``, anti-aliased and lit from the upper left."""
    height, width = canvas.shape[:2]
    reach = radius + 1.0
    left, right = max(0, int(min(a[0], b[0]) - reach)), min(width, int(max(a[0], b[0]) + reach) + 2)
    top, bottom = max(0, int(min(a[1], b[1]) - reach)), min(height, int(max(a[1], b[1]) + reach) + 2)
    if left >= right or top >= bottom:
        return
    x, y = _axis(left, right, a[0]), _axis(top, bottom, a[1])[:, None]
    along_x, along_y = b[0] - a[0], b[1] - a[1]
    length2 = max(along_x * along_x + along_y * along_y, 1e-6)
    # The nearest point on the stroke's axis, and the offset (x, y) of every pixel from it. This runs thousands of times
    # per second of video on small arrays: in place, and without np.clip, whose overhead exceeds its work.
    t: Field = x * np.float32(along_x / length2) + y * np.float32(along_y / length2)
    np.maximum(t, 0.0, out=t)
    np.minimum(t, 1.0, out=t)
    x = x - t * np.float32(along_x)
    y = y - t * np.float32(along_y)
    cover = (radius + 0.5) - np.sqrt(x * x + y * y)
    np.maximum(cover, 0.0, out=cover)
    np.minimum(cover, 1.0, out=cover)
    bright = 0.24 / max(radius, 0.5)
    shade = x * (_LIGHT[0] * bright) + y * (_LIGHT[1] * bright)
    shade += 1.0
    region = canvas[top:bottom, left:right]
    lit = shade[:, :, None] * np.array(color, np.float32)
    lit -= region
    lit *= cover[:, :, None]
    region += lit


def _axis(start: int, stop: int, origin: float) -> Field:
    """Return the pixels ``start .. stop`` relative to ``origin``."""
    pixels = np.arange(start, stop, dtype=np.float32)
    pixels -= origin
    return pixels


def shadow(canvas: Canvas, centre: tuple[float, float], radii: tuple[float, float], strength: float) -> None:
    """Darken a soft ellipse by up to ``strength`` (0..1) at its centre."""
    height, width = canvas.shape[:2]
    left, right = max(0, int(centre[0] - radii[0])), min(width, int(centre[0] + radii[0]) + 2)
    top, bottom = max(0, int(centre[1] - radii[1])), min(height, int(centre[1] + radii[1]) + 2)
    if left >= right or top >= bottom:
        return
    x = _axis(left, right, centre[0]) / max(radii[0], 0.5)
    y = _axis(top, bottom, centre[1])[:, None] / max(radii[1], 0.5)
    dark = strength * (1.0 - x * x - y * y)
    np.maximum(dark, 0.0, out=dark)
    canvas[top:bottom, left:right] *= (1.0 - dark)[:, :, None]


def lettering(words: str, *, zoom: int = 2) -> Field:
    """Return digits, ``:``, ``-`` and ``CAM`` as a mask, ``[7 * zoom, (4 * letters + 1) * zoom, 1]`` of 0 and 1.

    Raises:
        KeyError: A character without a glyph.
    """
    rows = [
        [(_GLYPHS[c] >> (3 * (4 - row))) >> (2 - column) & 1 for c in words for column in range(3)] for row in range(5)
    ]
    bits = np.asarray(rows, np.float32).reshape(5, len(words), 3)
    spaced = np.pad(bits, ((1, 1), (0, 0), (0, 1))).reshape(7, -1)
    mask: Field = np.pad(np.kron(spaced, np.ones((zoom, zoom), np.float32)), ((0, 0), (zoom, 0)))[..., None]
    return mask


def stamp(canvas: Canvas, at: tuple[int, int], mask: Field, color: Color) -> None:
    """Draw a text mask on a darkened background with its upper left corner ``at``, clipped to the canvas."""
    region = canvas[at[1] : at[1] + mask.shape[0], at[0] : at[0] + mask.shape[1]]
    mask = mask[: region.shape[0], : region.shape[1]]
    region *= 0.45 * (1 - mask)
    region += mask * np.asarray(color, np.float32)


def value_noise(table: Field, u: Field, v: Field) -> Field:
    """Return smooth noise at the points ``(u, v)``: the random ``table`` (0..1, tiled), interpolated."""
    u0, v0 = np.floor(u), np.floor(v)
    fu, fv = u - u0, v - v0
    fu, fv = fu * fu * (3 - 2 * fu), fv * fv * (3 - 2 * fv)
    i, j = u0.astype(np.int64) % table.shape[0], v0.astype(np.int64) % table.shape[1]
    i1, j1 = (i + 1) % table.shape[0], (j + 1) % table.shape[1]
    near = table[i, j] * (1 - fu) + table[i1, j] * fu
    far = table[i, j1] * (1 - fu) + table[i1, j1] * fu
    blended: Field = near * (1 - fv) + far * fv
    return blended
