"""Clip arithmetic: which frames belong to which clip. Frame numbers start at 0; frame ranges are half-open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wsvad.errors import UsageError

LastClip = Literal["pad", "drop"]


@dataclass(frozen=True)
class ClipSpec:
    """How videos are divided into clips.

    With the defaults, a video of ``n`` frames has ``ceil(n / 16)`` clips. A last clip that extends beyond the end is
    padded by repeating the video's last frame (``last="pad"``) or dropped (``last="drop"``).
    """

    length: int = 16
    """Frames per clip, at least 1 (I3D: 16)."""
    stride: int = 16
    """Frames between the starts of consecutive clips, at least 1."""
    last: LastClip = "pad"
    """Whether to pad or drop a last clip with fewer than ``length`` frames."""

    def __post_init__(self) -> None:
        if self.length < 1:
            raise UsageError(f"clip length must be at least 1 frame, got {self.length}")
        if self.stride < 1:
            raise UsageError(f"clip stride must be at least 1 frame, got {self.stride}")
        if self.last not in ("pad", "drop"):
            raise UsageError(f"last clip must be 'pad' or 'drop', got {self.last!r}")

    def count(self, num_frames: int) -> int:
        """Return the number of clips of a video with ``num_frames`` frames.

        A clip starts at a frame of the video and is partial if it extends beyond the end. A partial clip exists only if
        it adds a frame that no full clip contains: 16 frames at stride 8 have one clip.
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
        """Return ``(start_frame, end_frame)`` of a clip, half-open; ``end_frame`` excludes padding."""
        start = clip * self.stride
        return start, min(start + self.length, num_frames)
