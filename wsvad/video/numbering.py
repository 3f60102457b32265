"""Number decoded pictures, exactly even after a seek and after lost packets.

A decoder returns each picture with the ordinal of its packet. The classes of this module convert ordinals to frame
numbers: positions in the presentation order of a full decode.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple, Protocol

_MAX_AWAITED = 4096
"""Maximum number of packets whose picture is still expected; no codec delays more than 32."""


class Numbered(NamedTuple):
    """Number and time of a picture."""

    number: int
    start_s: float
    previous_end_s: float
    """Presentation end of the previous frame (of ``number - 1`` if that was decoded)."""


class Numbering(Protocol):
    """Receives every packet before it is decoded, and every picture that the decoder outputs."""

    def packet(self, ordinal: int, time: int | None, decode_time: int | None, duration: int) -> None:
        """Record a packet that should give one picture. Ordinals increase from 0; times are in ticks."""
        ...

    def refused(self, ordinal: int) -> None:
        """Record that the decoder refused this packet."""
        ...

    def picture(self, ordinal: int | None) -> Numbered | None:
        """Return the number and times of a picture, or None if they are unknown or the picture is late."""
        ...

    def last_end_s(self) -> float:
        """Return the presentation end of the last numbered frame, after the last picture."""
        ...

    def end_of_packets(self, complete: bool) -> None:
        """Record the end of the packets; ``complete`` is False if the file held fewer than its index claims."""
        ...


class TimestampNumbering:
    """Number = ``base`` + rank of the picture's time among the times of all packets from ``start`` on.

    Relies on properties that the index has checked: every packet has a time, no two are equal, decode timestamps do not
    decrease. A packet that gives no picture keeps its rank, so that later frames keep their numbers.
    """

    def __init__(
        self, base: int, start: int, first_timestamp: int, tick_s: Fraction, frame_s: float, last_step: int = 0
    ) -> None:
        self._next_number = base
        self._start = start
        self._first = first_timestamp
        self._tick_s = tick_s
        self._frame_s = frame_s
        self._last_step = last_step
        self._awaited: dict[int, tuple[int, int]] = {}
        self._times: list[int] = []
        self._last_time: int | None = None
        self._last_duration = 0
        self._last_decode_time: int | None = None
        self._certain_before: float = float("inf")

    def packet(self, ordinal: int, time: int | None, decode_time: int | None, duration: int) -> None:
        """Record a packet. Packets presented before ``start`` (leading pictures of an open GOP) get no number."""
        self._last_decode_time = decode_time
        if time is None or time < self._start:
            return
        if self._last_time is not None and time <= self._last_time:
            self._next_number += 1  # its picture comes too late and is lost, but later frames keep their numbers
            return
        insort(self._times, time)
        self._awaited[ordinal] = (time, duration)
        if len(self._awaited) > 2 * _MAX_AWAITED:
            self._awaited = dict(list(self._awaited.items())[-_MAX_AWAITED:])

    def refused(self, ordinal: int) -> None:
        """Do nothing: a lost packet keeps its rank."""

    def end_of_packets(self, complete: bool) -> None:
        """Record the end. After a truncation, unseen packets may precede pictures after the last decode timestamp."""
        if not complete:
            self._certain_before = -1 if self._last_decode_time is None else self._last_decode_time + 1

    def picture(self, ordinal: int | None) -> Numbered | None:
        """Return the number and times of a picture; None for one before ``start``, late, or uncertain."""
        if ordinal is None or ordinal not in self._awaited:
            return None
        time, duration = self._awaited.pop(ordinal)
        if (self._last_time is not None and time <= self._last_time) or time >= self._certain_before:
            return None
        position = bisect_left(self._times, time)
        number, following = self._next_number + position, self._times[0]
        del self._times[: position + 1]
        self._next_number = number + 1
        self._last_time, self._last_duration = time, duration
        return Numbered(number, self._seconds(time), self._seconds(following))

    def last_end_s(self) -> float:
        """Return the start of the next packet's picture, or the time of the last frame plus its duration."""
        if self._times:
            return self._seconds(self._times[0])
        if self._last_time is None:
            return 0.0
        shown = self._last_step or self._last_duration
        own = float(shown * self._tick_s) if shown > 0 else self._frame_s
        return self._seconds(self._last_time) + own

    def _seconds(self, time: int) -> float:
        return (time - self._first) * self._tick_s.numerator / self._tick_s.denominator


class OrderNumbering:
    """Number = number of pictures output before + number of earlier frames known to give no picture.

    Only for decodes from the start of a video that was fully decoded when it was indexed: every decode outputs the same
    pictures in the same order. ``seconds`` returns the start time of a frame.
    """

    def __init__(self, seconds: Callable[[int], float], lost: Sequence[int], uncertain: Sequence[int]) -> None:
        self._seconds = seconds
        self._lost = frozenset(lost)
        self._uncertain = frozenset(uncertain)
        self._awaited: set[int] = set()
        self._next = 0
        self._last_number = -1

    def packet(self, ordinal: int, time: int | None, decode_time: int | None, duration: int) -> None:
        """Record a packet that may give a picture."""
        self._awaited.add(ordinal)
        if len(self._awaited) > 2 * _MAX_AWAITED:
            self._awaited = set(sorted(self._awaited)[-_MAX_AWAITED:])

    def refused(self, ordinal: int) -> None:
        """Do nothing: lost frames are known from the index."""

    def end_of_packets(self, complete: bool) -> None:
        """Do nothing: pictures come out in order to the end."""

    def picture(self, ordinal: int | None) -> Numbered | None:
        """Return the number and times of a picture; None if it may be on either side of a lost frame."""
        if ordinal is None or ordinal not in self._awaited:
            return None
        self._awaited.discard(ordinal)
        while self._next in self._lost:
            self._next += 1
        number, self._next = self._next, self._next + 1
        if number in self._uncertain:
            return None
        previous_end_s = self._seconds(self._last_number + 1)
        self._last_number = number
        return Numbered(number, self._seconds(number), previous_end_s)

    def last_end_s(self) -> float:
        """Return the presentation end of the last numbered frame."""
        return self._seconds(self._last_number + 1)


class CountNumbering:
    """Number = number of pictures output before + number of packets known to be lost before.

    Only for decodes from the start of an AVI whose table lists more packets than can be read.

    If the stream reorders pictures, the position of a lost packet is known only to within the reordering depth.
    Therefore no number is given after a refused packet until the decoder is ``2 * depth`` packets further; from there
    on the number of lost packets is certain again.
    """

    def __init__(self, reorder_depth: int, fps: float) -> None:
        self._window = 2 * reorder_depth
        self._fps = fps
        self._packets = 0
        self._awaited: dict[int, int] = {}
        self._came_out = 0
        self._lost = 0
        self._uncertain_until = -1
        self._last_number = -1

    def packet(self, ordinal: int, time: int | None, decode_time: int | None, duration: int) -> None:
        """Record a packet; ``time`` is its index among the packets with pictures if the container states it."""
        position = self._packets if time is None else max(time, self._packets)
        for lost in range(self._packets, position):
            self._awaited[-1 - lost] = lost
            self.refused(-1 - lost)
        self._awaited[ordinal] = position
        self._packets = position + 1

    def refused(self, ordinal: int) -> None:
        """Give no numbers until the pictures are a whole reordering window past this packet."""
        if ordinal in self._awaited:
            self._uncertain_until = max(self._uncertain_until, self._awaited[ordinal] + self._window)

    def end_of_packets(self, complete: bool) -> None:
        """Do nothing: pictures come out in order to the end."""

    def picture(self, ordinal: int | None) -> Numbered | None:
        """Return the number and times of a picture, or None while they are uncertain."""
        if ordinal is None or ordinal not in self._awaited:
            return None
        index = self._awaited.pop(ordinal)
        for waiting, position in list(self._awaited.items()):
            if position >= index - self._window:
                break
            del self._awaited[waiting]
            self._lost += 1
        number = self._came_out + self._lost
        self._came_out += 1
        if self._window and index <= self._uncertain_until:
            return None
        if number <= self._last_number:
            return None
        previous_end_s = (self._last_number + 1) / self._fps
        self._last_number = number
        return Numbered(number, number / self._fps, previous_end_s)

    def last_end_s(self) -> float:
        """Return the end of the last numbered frame at the average rate."""
        return (self._last_number + 1) / self._fps
