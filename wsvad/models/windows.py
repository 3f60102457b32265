"""Division of long videos into overlapping windows, and the part of each window whose scores are used."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

WINDOWS = {"pooled": 4096, "cuboids": 1024}
"""Default number of clips per window: 43 and 11 minutes at 25 frames/s and stride 16, under 1 GB of memory."""


class Window(NamedTuple):
    """Half-open ranges of clip positions."""

    start: int
    """First position in the window."""
    stop: int
    keep_start: int
    """First position whose score is taken from this window."""
    keep_stop: int


def windows(num_clips: int, size: int) -> list[Window]:
    """Divide ``num_clips`` positions into windows of ``size`` that overlap the previous one by half.

    The score of a position is taken from the window whose centre is nearest (the earlier one on ties), so all positions
    except those near the ends of the video have at least ``size // 4`` clips of context on both sides. The last window
    ends with the video and overlaps more. A video of at most ``size`` clips is a single window.

    Args:
        num_clips: T, at least 1.
        size: window size, at least 2.
    """
    if num_clips <= size:
        return [Window(0, num_clips, 0, num_clips)]
    starts = [*range(0, num_clips - size, size // 2), num_clips - size]
    edges = [0, *((a + b + size - 1) // 2 + 1 for a, b in pairwise(starts)), num_clips]
    return [Window(s, s + size, edges[i], edges[i + 1]) for i, s in enumerate(starts)]
