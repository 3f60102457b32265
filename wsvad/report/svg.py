"""Small words of HTML and SVG. Everything that is not ours goes through ``text``."""

from __future__ import annotations

import html

import numpy as np
import numpy.typing as npt

from wsvad.text import printable


def text(value: object) -> str:
    """Make a value safe inside of an element and of a quoted attribute; control characters become escapes."""
    return html.escape(printable(str(value)), quote=True)


def number(value: float | None, digits: int = 3) -> str:
    """A figure for people; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def count(value: int, noun: str) -> str:
    """``1,200 frames``; the noun loses its s for one."""
    return f"{value:,} {noun.removesuffix('s') if value == 1 else noun}"


def clock(seconds: float) -> str:
    """``0:07``, ``12:30``, ``1:02:03``."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def thin(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], most: int = 400) -> list[tuple[float, float]]:
    """Keep at most about ``most`` points of a curve, spread along it; the first and the last stay."""
    if len(x) > most:
        way = np.concatenate(([0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))))
        kept = np.unique(np.searchsorted(way, np.linspace(0, way[-1], most)))
        kept = np.union1d(kept, [0, len(x) - 1])
        x, y = x[kept], y[kept]
    return [(float(a), float(b)) for a, b in zip(x, y, strict=True)]


def points(pairs: list[tuple[float, float]]) -> str:
    """Coordinates as ``polyline`` wants them."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)
