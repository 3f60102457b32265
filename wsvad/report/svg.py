"""Helpers for HTML and SVG. All external values must go through ``text``."""

from __future__ import annotations

import html

import numpy as np
import numpy.typing as npt

from wsvad.text import printable


def text(value: object) -> str:
    """Escape a value for an element or a quoted attribute; control characters are replaced with escapes."""
    return html.escape(printable(str(value)), quote=True)


def number(value: float | None, digits: int = 3) -> str:
    """Format a metric; a dash if it is missing."""
    return "–" if value is None else f"{value:.{digits}f}"


def count(value: int, noun: str) -> str:
    """Format a count with its noun, e.g. ``1,200 frames`` or ``1 frame``."""
    return f"{value:,} {noun.removesuffix('s') if value == 1 else noun}"


def clock(seconds: float) -> str:
    """Format a duration as ``0:07``, ``12:30`` or ``1:02:03``."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def thin(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], most: int = 400) -> list[tuple[float, float]]:
    """Reduce a curve to at most about ``most`` points, evenly spaced along it, including the first and the last."""
    if len(x) > most:
        length = np.concatenate(([0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))))
        kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], most)))
        kept = np.union1d(kept, [0, len(x) - 1])
        x, y = x[kept], y[kept]
    return [(float(a), float(b)) for a, b in zip(x, y, strict=True)]


def points(pairs: list[tuple[float, float]]) -> str:
    """Format coordinates for the ``points`` attribute of ``polyline``."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)
