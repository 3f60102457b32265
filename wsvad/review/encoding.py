"""Makes a short clip of pictures that the decoder's process gave: raw pixels in, a file that browsers play out.

Nothing of a stored video is opened here: FFmpeg only encodes pixels, which are ours.
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
"""Encoder, container, and ticks a second of its time stamps."""
_OPTIONS = {
    "vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "34", "b": "0", "lag-in-frames": "0", "row-mt": "1"},
    "h264": {"preset": "veryfast", "crf": "25", "bf": "0"},
}
TYPES = {"vp9": 'video/webm; codecs="vp9"', "h264": "video/mp4"}
"""Media type of each kind of clip."""
SUFFIXES = {"vp9": "webm", "h264": "mp4"}
_KEY_EVERY = 48
"""Frames between key frames at most, so that a player can jump."""


class ClipEncoder:
    """Encodes pictures one after the other; each is shown at the time that it had in the source.

    Args:
        codec: of the clip.
        width: of its pictures, in pixels.
        height: likewise; odd ones lose their last row or column where the codec asks for it.
        start_s: time of the first picture in the source.
    """

    def __init__(self, codec: Codec, width: int, height: int, start_s: float) -> None:
        encoder, container, self._ticks = _ENCODERS[codec]
        self._width, self._height = max(2, width // 2 * 2), max(2, height // 2 * 2)
        self._start_s = start_s
        self._last = -1
        self._file = io.BytesIO()
        # without the flag a file has a random id, and the same pictures never give the same bytes
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
        """Time in the source of each picture."""

    def add(self, picture_HWC: npt.NDArray[np.uint8], start_s: float) -> None:
        """Add a picture ``[H, W, 3]``, shown from this time of the source on; one that comes too soon is left out."""
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
        """Return the file. It is not to be added to any more."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._file.getvalue()

    def discard(self) -> None:
        """Give the encoder up."""
        self._container.close()
