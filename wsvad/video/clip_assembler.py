"""Assemble decoded frames into clips, in the decode child.

Handles clips that overlap or leave gaps, the padded last clip, and the record of missing frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from wsvad.clips import ClipSpec
from wsvad.video.flow import ZERO_FLOW
from wsvad.video.geometry import Frames


class ClipTimes(NamedTuple):
    """Number, frame span (half-open, without padding) and presentation times of a complete clip."""

    clip: int
    start_frame: int
    end_frame: int
    start_s: float
    end_s: float


Emit = Callable[[ClipTimes, tuple[Frames, ...], tuple[Frames, ...]], None]
"""Callback for a complete clip: its times, its frames and its flow.

Frames and flow are each one or two consecutive pieces of a ring buffer (flow is empty if it was not requested). The
buffers are reused after the call.
"""


@dataclass
class _Pending:
    clip: int
    start_frame: int
    end_frame: int


class ClipAssembler:
    """Cuts the frames of the clips ``[first_clip, last_clip)`` into clips and records missing frames.

    Frames arrive in ascending order: write the picture to ``slot``, then call ``added``. A clip is emitted once the
    next frame is known, because its start is the end of the clip's last frame. With ``flow``, call ``add_flow`` for a
    frame when the next frame is known, before ``close``.
    """

    def __init__(
        self,
        spec: ClipSpec,
        num_frames: int,
        clips: tuple[int, int],
        width: int,
        height: int,
        emit: Emit,
        *,
        flow: bool = False,
    ) -> None:
        self._spec = spec
        self._num_frames = num_frames
        self._last_clip = min(clips[1], spec.count(num_frames))
        self._emit = emit
        self._ring = np.zeros((spec.length, height, width, 3), dtype=np.uint8)
        self._flow = np.zeros((spec.length, height, width, 2), dtype=np.uint8) if flow else None
        self._last_flow = -1
        self._starts: dict[int, float] = {}
        self._pending: list[_Pending] = []
        self.start = clips[0] * spec.stride
        self.stop = spec.span(self._last_clip - 1, num_frames)[1] if self._last_clip > clips[0] else self.start
        self.missing: list[tuple[int, int]] = []
        self.decoded = 0
        self._first_clip = clips[0]
        self._next = self.start
        self._run_start = self.start

    @property
    def done(self) -> bool:
        """True if no further frame can change what is emitted."""
        return self._next >= self.stop and not self._pending

    def slot(self, number: int) -> Frames:
        """Return the buffer for the picture of frame ``number``, ``[height, width, 3]``. Call ``close`` first."""
        position = number % self._spec.length
        return self._ring[position : position + 1].reshape(self._ring.shape[1:])

    def wants_flow(self, number: int) -> bool:
        """Return True if a clip of the range may contain the flow of frame ``number``."""
        return self.start <= number < self.stop and number % self._spec.stride < self._spec.length

    def add_flow(self, number: int, flow_HWC: Frames) -> None:
        """Store the flow from frame ``number`` to the next frame, ``[height, width, 2]``."""
        assert self._flow is not None
        self._flow[number % self._spec.length] = flow_HWC
        self._last_flow = number

    def close(self, end_s: float) -> None:
        """Emit the clips whose last frame is stored; ``end_s`` is the presentation end of that frame."""
        for clip in self._pending:
            self._complete_flow(clip)
            times = ClipTimes(clip.clip, clip.start_frame, clip.end_frame, self._starts[clip.start_frame], end_s)
            span = (clip.start_frame, clip.end_frame)
            flow = () if self._flow is None else self._pieces(self._flow, *span)
            self._emit(times, self._pieces(self._ring, *span), flow)
        self._pending.clear()

    def added(self, number: int, start_s: float) -> None:
        """Record that the picture of frame ``number`` is in its slot and starts at ``start_s``."""
        if number > self._next:
            self._lost(self._next, number)
        self._next = number + 1
        self.decoded += 1
        self._starts[number] = start_s
        self._starts.pop(number - self._spec.length, None)
        self._complete(self._next)

    def finish(self, end_s: float) -> None:
        """Emit the complete clips and record the remaining frames as missing. No frames may follow."""
        self.close(end_s)
        if self._next < self.stop:
            self._lost(self._next, self.stop)
            self._next = self.stop

    def _lost(self, start: int, stop: int) -> None:
        self.missing.append((start, stop))
        self._run_start = stop

    def _complete(self, end: int) -> None:
        """Queue the clip that ends before frame ``end`` unless one of its frames is missing."""
        length, stride = self._spec.length, self._spec.stride
        clip, rest = divmod(end - length, stride)
        if rest or clip < 0:
            clip = -1
        if end == self._num_frames and clip < 0 and self._spec.last == "pad":
            clip = self._spec.count(self._num_frames) - 1
        if not self._first_clip <= clip < self._last_clip:
            return
        start_frame, end_frame = self._spec.span(clip, self._num_frames)
        if end_frame == end and start_frame >= self._run_start:
            self._pending.append(_Pending(clip, start_frame, end_frame))

    def _complete_flow(self, clip: _Pending) -> None:
        """Set the flow of a clip's last frame if no frame followed it: the previous flow, or zero motion."""
        last = clip.end_frame - 1
        if self._flow is None or self._last_flow == last:
            return
        before = self._flow[(last - 1) % self._spec.length] if last > clip.start_frame else ZERO_FLOW
        self._flow[last % self._spec.length] = before

    def _pieces(self, ring: Frames, start: int, end: int) -> tuple[Frames, ...]:
        length = self._spec.length
        first, count = start % length, end - start
        head = ring[first : min(first + count, length)]
        return (head,) if len(head) == count else (head, ring[: count - len(head)])
