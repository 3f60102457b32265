"""How summaries, reports and scores display themselves in a notebook."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from html import escape

from rich.console import Console

_WIDTH = 120
_CODE = '<pre style="white-space:pre-wrap;line-height:1.3;font-family:monospace">{code}</pre>'


class NotebookView(ABC):
    """Base class of objects that a notebook displays as they are printed on a terminal."""

    @abstractmethod
    def show(self, console: Console) -> None:
        """Print the object."""

    def _repr_html_(self) -> str:
        """Return what :meth:`show` prints, as HTML; notebooks call this."""
        console = Console(record=True, file=io.StringIO(), width=_WIDTH, force_jupyter=False)
        self.show(console)
        return console.export_html(inline_styles=True, code_format=_CODE)


def curve_html(title: str, values_T: Sequence[float], *, width: int = 640, height: int = 80) -> str:
    """Return a curve of values in [0, 1] as HTML with an inline SVG.

    Args:
        title: text above the curve.
        values_T: one value per clip; a value that is not in [0, 1] is drawn at the border.
        width: of the picture, in pixels.
        height: of the picture, in pixels.
    """
    clipped = [min(max(float(value), 0.0), 1.0) for value in values_T]
    step = width / max(len(clipped), 1)
    points = " ".join(
        f"{x:.1f},{height * (1 - value):.1f}"
        for number, value in enumerate(clipped)
        for x in (number * step, (number + 1) * step)
    )
    return (
        f'<div style="font-family:sans-serif;font-size:13px">{escape(title)}</div>'
        f'<svg width="{width}" height="{height}" viewBox="0 -1 {width} {height + 2}" role="img" '
        f'aria-label="{escape(title)}"><rect width="{width}" height="{height}" fill="none" stroke="#ccc"/>'
        f'<polyline points="{points}" fill="none" stroke="#2456b3" stroke-width="1.5"/></svg>'
    )
