"""Times of frames whose packets have no presentation stamps: from a rate, or from the places of packets in an AVI."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from wsvad.video.stamps import NONE, Stamps, median_step

NANOSECOND = 1e-9
_MAX_RUNS = 20_000


@dataclass(frozen=True)
class Timeline:
    """Start times of frames in runs of equal steps, in nanoseconds after frame 0."""

    runs: tuple[tuple[int, int, int], ...]
    """``(first frame, its time, step)``, in order."""

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
        """Return ``(frame, seconds)`` of steps between runs that are longer than ``longer_s``."""
        found = []
        for first, start, _ in self.runs[1:]:
            seconds = (start - self.time(first - 1)) * NANOSECOND
            if seconds > longer_s:
                found.append((first, seconds))
        return found


def from_rate(rate: Fraction) -> Timeline:
    """Return the timeline of a constant rate in frames per second."""
    return Timeline(((0, 0, round(1_000_000_000 / rate)),))


def from_decode_stamps(dts: Stamps, depth: int, unit: Fraction) -> Timeline | None:
    """Return the timeline of an AVI, whose stamps are the places of packets; places that hold nothing are time.

    An encoder that holds ``depth`` pictures back writes frame ``n`` at the place of frame ``n - depth``, so that the
    step before frame ``n`` is the one before packet ``n + depth``.

    Args:
        dts: decode stamps of the frames' packets in the order of the file.
        depth: pictures that the decoder holds back.
        unit: seconds of a stamp.

    Returns:
        ``None`` where stamps are missing, do not rise, or step by other than whole usual steps in too many places.
    """
    if len(dts) < 2 or bool((dts == NONE).any()) or bool((np.diff(dts) <= 0).any()):
        return None
    usual = median_step(dts)
    steps = np.concatenate((np.diff(dts)[depth:], np.full(min(depth, len(dts) - 1), usual)))
    breaks = (np.flatnonzero(steps != usual) + 1).tolist()
    if len(breaks) > _MAX_RUNS:
        return None
    scale = 1_000_000_000 * unit
    times = np.concatenate(([0.0], np.cumsum(steps)))
    step = round(usual * scale)
    return Timeline(tuple((frame, round(Fraction(float(times[frame])) * scale), step) for frame in (0, *breaks)))
