"""Shared memory for clips between the decode child and the reader, and the clips that lie in it."""

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


class SlotPlace(NamedTuple):
    """Where things lie in a slot: the frames, ``[length, height, width, 3]``, then the flow, ``[..., 2]``, if any."""

    length: int
    height: int
    width: int
    flow: bool

    @property
    def slot_bytes(self) -> int:
        """Bytes of a slot."""
        return self.length * self.height * self.width * (5 if self.flow else 3)

    def views(self, memory: Frames, slot: int) -> tuple[Frames, Frames | None]:
        """Return frames and flow in a slot of a ring's memory, seen as bytes."""
        pixels = self.length * self.height * self.width
        taken = memory[slot * self.slot_bytes : (slot + 1) * self.slot_bytes]
        frames = taken[: pixels * 3].reshape(*self[:3], 3)
        return frames, taken[pixels * 3 :].reshape(*self[:3], 2) if self.flow else None


class Ring:
    """``slots`` clips of at most ``slot_bytes`` bytes in memory that both processes map.

    The size is sealed, so that a child which an attacker controls cannot shrink it under the parent's feet.
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
        """Return the slots that hold nothing that anyone uses."""
        with self._lock:
            return sorted(self._free)

    def occupy(self, slot: int) -> None:
        """Note that the child filled a slot. Raises ValueError for a slot that was not free."""
        with self._lock:
            if slot not in self._free:
                raise ValueError(f"slot {slot!r} is not free")
            self._free.remove(slot)

    def free(self, slot: int) -> None:
        """Give a slot back."""
        with self._lock:
            self._free.add(slot)

    def views(self, slot: int, place: SlotPlace) -> tuple[Frames, Frames | None]:
        """Return frames and flow of the clip in a slot as read-only views."""
        memory: Frames = np.frombuffer(self._memory, dtype=np.uint8)
        memory.flags.writeable = False
        return place.views(memory, slot)

    def close(self) -> None:
        """Give up the descriptor; the memory goes when the last view of it does."""
        self._close()


class Clip:
    """One clip of a video. ``frames_THWC`` is valid until ``release``, or the end of the ``with`` block."""

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
        """Number of the clip in its video."""
        self.start_frame, self.end_frame = span
        """True frame span, half-open; shorter than the clip where the end was padded."""
        self.start_s, self.end_s = seconds
        """Presentation start of the first and end of the last frame, seconds after frame 0."""
        self.frames_THWC = frames_THWC
        """``[T, H, W, 3]`` uint8 RGB in shared memory, read-only; padding repeats the last frame."""
        self.flow_THWC = flow_THWC
        """``[T, H, W, 2]`` uint8 displacement (x, y) to the next frame, as ``wsvad.video.flow`` defines it, in the same
        memory; None where no flow was asked for."""
        self._on_release: Callable[[], None] | None = on_release

    def release(self) -> None:
        """Give the memory back to the decoder; the frames must not be used after. May be called twice."""
        if self._on_release is not None:
            on_release, self._on_release = self._on_release, None
            on_release()

    def __enter__(self) -> Clip:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
