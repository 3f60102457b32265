"""Long videos in overlapping windows: which clips a model sees at once, and which of them take their score from it."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

WINDOWS = {"pooled": 4096, "cuboids": 1024}
"""Clips that a model sees at once by default: 43 and 11 minutes at 25 frames/s and stride 16, under 1 GB of memory."""


class Window(NamedTuple):
    """Half-open ranges over the positions of a video's clips."""

    start: int
    """First position that the model sees."""
    stop: int
    keep_start: int
    """First position that takes its score from this window."""
    keep_stop: int


def windows(num_clips: int, size: int) -> list[Window]:
    """Cut ``num_clips`` positions into windows of ``size``, each half over the one before it.

    Every position is kept once, in the window whose middle is nearest to it (of two as near, the earlier), so all but
    those near an end of the video have at least ``size // 4`` clips on both sides. The last window ends with the video
    and so overlaps more. A video of at most ``size`` clips is one window.

    Args:
        num_clips: T, at least 1.
        size: at least 2.
    """
    if num_clips <= size:
        return [Window(0, num_clips, 0, num_clips)]
    starts = [*range(0, num_clips - size, size // 2), num_clips - size]
    edges = [0, *((a + b + size - 1) // 2 + 1 for a, b in pairwise(starts)), num_clips]
    return [Window(s, s + size, edges[i], edges[i + 1]) for i, s in enumerate(starts)]
