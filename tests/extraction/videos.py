"""Small videos for tests, rendered with PyAV: a textured square that moves over noise."""

from __future__ import annotations

import zlib
from pathlib import Path

import av
import numpy as np


def write_video(
    path: Path, frames: int, *, codec: str = "libx264", size: tuple[int, int] = (160, 120), fps: int = 25
) -> None:
    """Write a video of that many frames; the same arguments and name give the same pictures."""
    width, height = size
    rng = np.random.default_rng(zlib.crc32(path.name.encode()))
    background = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    patch = rng.integers(0, 255, (height // 4, width // 4, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = 12
        for number in range(frames):
            picture = background.copy()
            x = (3 * number) % (width - patch.shape[1])
            picture[10 : 10 + patch.shape[0], x : x + patch.shape[1]] = patch
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
