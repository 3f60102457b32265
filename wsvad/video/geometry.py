"""Geometry from a decoded frame to model views: squash, centre crop, ten crops, and boxes back in the source frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wsvad.errors import UsageError
from wsvad.video.names import GeometryKind

Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Geometry:
    """How a frame is converted to square views of ``size`` pixels.

    ``squash`` resizes the whole frame without keeping the aspect ratio, so that a 7x7 grid over the view covers every
    pixel. ``center`` resizes the shorter side to ``resize`` and takes the centre. ``ten-crop`` resizes in the same way
    and takes, in this order: top left, top right, bottom left, bottom right, centre, then the mirror images of these.
    """

    kind: GeometryKind = "squash"
    size: int = 224
    """Side of a view in pixels, at least 1."""
    resize: int = 256
    """Shorter side after resizing in pixels, at least ``size``; ignored by ``squash``."""

    def __post_init__(self) -> None:
        if self.kind not in ("squash", "center", "ten-crop"):
            raise UsageError(f"geometry must be 'squash', 'center' or 'ten-crop', got {self.kind!r}")
        if self.size < 1:
            raise UsageError(f"crop size must be at least 1 pixel, got {self.size}")
        if self.kind != "squash" and self.resize < self.size:
            raise UsageError(f"resize must be at least the crop size {self.size}, got {self.resize}")

    @property
    def views(self) -> int:
        """Number of views per clip: 10 for ``ten-crop``, else 1."""
        return 10 if self.kind == "ten-crop" else 1

    def scaled(self, width: int, height: int) -> tuple[int, int]:
        """Return the ``(width, height)`` to which an upright frame is resized before any crop."""
        if self.kind == "squash":
            return self.size, self.size
        if width <= height:
            return self.resize, max(self.resize, round(height * self.resize / width))
        return max(self.resize, round(width * self.resize / height)), self.resize

    def delivered(self, width: int, height: int) -> tuple[int, int]:
        """Return the ``(width, height)`` of the frames that the decoder returns for a video of this size."""
        return self.scaled(width, height) if self.kind == "ten-crop" else (self.size, self.size)

    def offsets(self, width: int, height: int) -> tuple[tuple[int, int], ...]:
        """Return the ``(left, top)`` of each distinct crop in a resized frame of this size (without mirrors)."""
        right, bottom = width - self.size, height - self.size
        centre = (right // 2, bottom // 2)
        if self.kind != "ten-crop":
            return (centre,)
        return ((0, 0), (right, 0), (0, bottom), (right, bottom), centre)

    def crops(self, frames_THWC: Frames) -> Frames:
        """Return the views ``[views, T, size, size, 3]`` of decoder frames ``[T, H, W, 3]``; same dtype, copied."""
        height, width = frames_THWC.shape[1:3]
        if min(height, width) < self.size:
            raise UsageError(f"expected frames of at least {self.size}x{self.size} pixels, got {width}x{height}")
        plain = [
            frames_THWC[:, top : top + self.size, left : left + self.size] for left, top in self.offsets(width, height)
        ]
        mirrored = [view[:, :, ::-1] for view in plain] if self.kind == "ten-crop" else []
        return np.stack(plain + mirrored)

    def box_of(self, view: int, width: int, height: int) -> tuple[float, float, float, float]:
        """Return ``(x1, y1, x2, y2)`` of a view in pixels of the upright source frame. Mirrors have the same box.

        ``width`` and ``height`` are those of the video as displayed. Raises IndexError for an invalid view.
        """
        if not 0 <= view < self.views:
            raise IndexError(f"view must be from 0 to {self.views - 1}, got {view}")
        if self.kind == "squash":
            return 0.0, 0.0, float(width), float(height)
        scaled_width, scaled_height = self.scaled(width, height)
        left, top = self.offsets(scaled_width, scaled_height)[view % 5]
        x_scale, y_scale = width / scaled_width, height / scaled_height
        return left * x_scale, top * y_scale, (left + self.size) * x_scale, (top + self.size) * y_scale
