"""Clip arithmetic: which frames make which clip. Frames are numbered from 0, spans are half-open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wsvad.errors import UsageError

LastClip = Literal["pad", "drop"]


@dataclass(frozen=True)
class ClipSpec:
    """How a video is cut into clips.

    With the defaults a video of ``n`` frames has ``ceil(n / 16)`` clips. A last clip that runs past the end is kept
    and padded by repeating its last frame (``last="pad"``), or left out (``last="drop"``).
    """

    length: int = 16
    """Frames in a clip, at least 1 (I3D: 16)."""
    stride: int = 16
    """Frames from the start of one clip to the start of the next, at least 1."""
    last: LastClip = "pad"
    """What becomes of a last clip with fewer frames than ``length``."""

    def __post_init__(self) -> None:
        if self.length < 1:
            raise UsageError(f"clip length must be at least 1 frame, got {self.length}")
        if self.stride < 1:
            raise UsageError(f"clip stride must be at least 1 frame, got {self.stride}")
        if self.last not in ("pad", "drop"):
            raise UsageError(f"last clip must be 'pad' or 'drop', got {self.last!r}")

    def count(self, num_frames: int) -> int:
        """Return how many clips a video of ``num_frames`` frames has.

        A clip exists where its start is a frame of the video; it is partial where it runs past the end. A clip that
        adds no frame that an earlier clip did not hold whole is not made: 16 frames at stride 8 are one clip.
        """
        if num_frames <= 0:
            return 0
        whole = 0 if num_frames < self.length else (num_frames - self.length) // self.stride + 1
        if self.last == "drop":
            return whole
        covered = 0 if whole == 0 else (whole - 1) * self.stride + self.length
        starts_inside = whole * self.stride < num_frames
        return whole + (1 if covered < num_frames and starts_inside else 0)

    def span(self, clip: int, num_frames: int) -> tuple[int, int]:
        """Return ``(start_frame, end_frame)`` of a clip; ``end_frame`` is the true end, before any padding."""
        start = clip * self.stride
        return start, min(start + self.length, num_frames)
