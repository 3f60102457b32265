"""Encodes short clips from raw pixels that the decoder process delivered, in formats that browsers play.

No stored video is opened here: FFmpeg only encodes pixels of this process.
"""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

from wsvad.review.config import Codec

_ENCODERS = {"vp9": ("libvpx-vp9", "webm", 1000), "h264": ("libx264", "mp4", 90_000)}
"""Encoder, container, and time base in ticks per second."""
_OPTIONS = {
    "vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "34", "b": "0", "lag-in-frames": "0", "row-mt": "1"},
    "h264": {"preset": "veryfast", "crf": "25", "bf": "0"},
}
TYPES = {"vp9": 'video/webm; codecs="vp9"', "h264": "video/mp4"}
"""Media type of each codec."""
SUFFIXES = {"vp9": "webm", "h264": "mp4"}
_KEY_EVERY = 48
"""Maximum number of frames between key frames, which limits the delay of seeking."""


class ClipEncoder:
    """Encodes pictures in order; each keeps its presentation time from the source.

    Args:
        codec: codec of the clip.
        width: width of its pictures in pixels.
        height: height in pixels. Odd sizes lose their last row or column, as codecs require.
        start_s: time of the first picture in the source.
    """

    def __init__(self, codec: Codec, width: int, height: int, start_s: float) -> None:
        encoder, container, self._ticks = _ENCODERS[codec]
        self._width, self._height = max(2, width // 2 * 2), max(2, height // 2 * 2)
        self._start_s = start_s
        self._last = -1
        self._file = io.BytesIO()
        # without this flag the file contains a random id, so that equal pictures would give different bytes
        self._container = av.open(self._file, "w", format=container, options={"fflags": "+bitexact"})
        stream = self._container.add_stream(encoder, rate=30, options=_OPTIONS[codec])
        assert isinstance(stream, VideoStream)
        self._stream = stream
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = self._width, self._height, "yuv420p"
        context.time_base = Fraction(1, self._ticks)
        context.gop_size = _KEY_EVERY
        context.thread_count = 2
        self.times_s: list[float] = []
        """Time of each picture in the source, in seconds."""

    def add(self, picture_HWC: npt.NDArray[np.uint8], start_s: float) -> None:
        """Add a picture ``[H, W, 3]`` with its start time in the source; a picture that is too early is skipped."""
        tick = round((start_s - self._start_s) * self._ticks)
        if tick <= self._last:
            return
        self._last = tick
        cut = np.ascontiguousarray(picture_HWC[: self._height, : self._width])
        frame = av.VideoFrame.from_ndarray(cut, format="rgb24")
        frame.pts, frame.time_base = tick, Fraction(1, self._ticks)
        self._container.mux(self._stream.encode(frame))
        self.times_s.append(start_s)

    def finish(self) -> bytes:
        """Return the file. No more pictures can be added."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._file.getvalue()

    def discard(self) -> None:
        """Close the encoder without a result."""
        self._container.close()
