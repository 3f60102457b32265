"""Times of frames whose packets have no presentation timestamps: from a rate, or from packet positions in an AVI."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from wsvad.video.timestamps import NONE, Stamps, median_step

NANOSECOND = 1e-9
_MAX_RUNS = 20_000


@dataclass(frozen=True)
class Timeline:
    """Start times of frames in runs of equal steps, in nanoseconds after frame 0."""

    runs: tuple[tuple[int, int, int], ...]
    """``(first frame, its time, step)``, ascending."""

    def time(self, frame: int) -> int:
        """Return the start of a frame in nanoseconds."""
        first, start, step = self.runs[max(0, bisect_right(self.runs, frame, key=lambda run: run[0]) - 1)]
        return start + (frame - first) * step

    def seconds(self, frame: int) -> float:
        """Return the start of a frame in seconds."""
        return self.time(frame) * NANOSECOND

    def end(self, num_frames: int) -> int:
        """Return the end of the last frame in nanoseconds."""
        return self.time(num_frames - 1) + self.usual_step

    @property
    def usual_step(self) -> int:
        """Step of the first run."""
        return self.runs[0][2]

    def pauses(self, longer_s: float) -> list[tuple[int, float]]:
        """Return ``(frame, seconds)`` for each step between runs that is longer than ``longer_s``."""
        found = []
        for first, start, _ in self.runs[1:]:
            seconds = (start - self.time(first - 1)) * NANOSECOND
            if seconds > longer_s:
                found.append((first, seconds))
        return found


def from_rate(rate: Fraction) -> Timeline:
    """Return the timeline of a constant rate in frames per second."""
    return Timeline(((0, 0, round(1_000_000_000 / rate)),))


def from_decode_stamps(dts: Stamps, depth: int, tick_s: Fraction) -> Timeline | None:
    """Return the timeline of an AVI, whose timestamps are packet positions; empty positions count as time.

    An encoder that holds back ``depth`` pictures writes frame ``n`` at the position of frame ``n - depth``. The step
    before frame ``n`` is therefore the step before packet ``n + depth``.

    Args:
        dts: Decode timestamps of the frames' packets in file order.
        depth: Number of pictures that the decoder holds back.
        tick_s: Seconds per timestamp unit.

    Returns:
        The timeline, or ``None`` if timestamps are missing or do not increase, or if the step differs from the usual
        one too often.
    """
    if len(dts) < 2 or bool((dts == NONE).any()) or bool((np.diff(dts) <= 0).any()):
        return None
    usual = median_step(dts)
    steps = np.concatenate((np.diff(dts)[depth:], np.full(min(depth, len(dts) - 1), usual)))
    breaks = (np.flatnonzero(steps != usual) + 1).tolist()
    if len(breaks) > _MAX_RUNS:
        return None
    scale = 1_000_000_000 * tick_s
    times = np.concatenate(([0.0], np.cumsum(steps)))
    step = round(usual * scale)
    return Timeline(tuple((frame, round(Fraction(float(times[frame])) * scale), step) for frame in (0, *breaks)))
