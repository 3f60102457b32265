"""Shared memory for clips, between the decode child and the reader."""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

import numpy as np

from wsvad.video.geometry import Frames


class SlotLayout(NamedTuple):
    """Layout of a slot: the frames, ``[length, height, width, 3]``, then the flow, ``[..., 2]``, if any."""

    length: int
    height: int
    width: int
    flow: bool

    @property
    def slot_bytes(self) -> int:
        """Size of a slot in bytes."""
        return self.length * self.height * self.width * (5 if self.flow else 3)

    def views(self, memory: Frames, slot: int) -> tuple[Frames, Frames | None]:
        """Return the frames and the flow of a slot as views of a ring's memory (uint8)."""
        pixels = self.length * self.height * self.width
        taken = memory[slot * self.slot_bytes : (slot + 1) * self.slot_bytes]
        frames = taken[: pixels * 3].reshape(*self[:3], 3)
        return frames, taken[pixels * 3 :].reshape(*self[:3], 2) if self.flow else None


class Ring:
    """``slots`` slots of ``slot_bytes`` bytes each, in memory that both processes map.

    The size is sealed, so that a compromised child cannot shrink the memory while the parent uses it.
    """

    def __init__(self, slots: int, slot_bytes: int) -> None:
        self.slots = slots
        self.slot_bytes = slot_bytes
        self.fd = os.memfd_create("wsvad-clips", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, slots * slot_bytes)
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        self._close = weakref.finalize(self, os.close, self.fd)
        self._memory = mmap.mmap(self.fd, slots * slot_bytes)
        self._lock = threading.Lock()
        self._free = set(range(slots))

    def free_slots(self) -> list[int]:
        """Return the unused slots."""
        with self._lock:
            return sorted(self._free)

    def occupy(self, slot: int) -> None:
        """Mark a slot as filled by the child. Raises ValueError if it was not free."""
        with self._lock:
            if slot not in self._free:
                raise ValueError(f"slot {slot!r} is not free")
            self._free.remove(slot)

    def free(self, slot: int) -> None:
        """Mark a slot as free."""
        with self._lock:
            self._free.add(slot)

    def views(self, slot: int, layout: SlotLayout) -> tuple[Frames, Frames | None]:
        """Return the frames and the flow of the clip in a slot as read-only views."""
        memory: Frames = np.frombuffer(self._memory, dtype=np.uint8)
        memory.flags.writeable = False
        return layout.views(memory, slot)

    def close(self) -> None:
        """Close the descriptor; the memory is freed with the last view of it."""
        self._close()


class Clip:
    """One clip of a video. ``frames_THWC`` is valid until ``release``, or until the end of the ``with`` block."""

    def __init__(
        self,
        clip: int,
        span: tuple[int, int],
        seconds: tuple[float, float],
        frames_THWC: Frames,
        on_release: Callable[[], None],
        flow_THWC: Frames | None = None,
    ) -> None:
        self.clip = clip
        """Index of the clip in its video."""
        self.start_frame, self.end_frame = span
        """Frame span, half-open, without padding; shorter than the clip if its end was padded."""
        self.start_s, self.end_s = seconds
        """Presentation start of the first frame and end of the last, in seconds after frame 0."""
        self.frames_THWC = frames_THWC
        """``[T, H, W, 3]`` uint8 RGB in shared memory, read-only; padding repeats the last frame."""
        self.flow_THWC = flow_THWC
        """``[T, H, W, 2]`` uint8 displacement (x, y) to the next frame, as defined in ``wsvad.video.flow``, in the same
        memory; None if flow was not requested."""
        self._on_release: Callable[[], None] | None = on_release

    def release(self) -> None:
        """Return the memory to the decoder; do not use the frames afterwards. May be called twice."""
        if self._on_release is not None:
            on_release, self._on_release = self._on_release, None
            on_release()

    def __enter__(self) -> Clip:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
