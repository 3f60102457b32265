"""Choose what frame numbers and times of a video come from, in the child: its stamps, its order, or a rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.stream import VideoStream

from wsvad.video.contract import Clock, Note, Reading
from wsvad.video.demux import table_places, unit_s
from wsvad.video.order import DecodedOrder, by_position, decoded_order
from wsvad.video.remote import RemoteFile
from wsvad.video.scanning import Packets, Scan, decode_once
from wsvad.video.stamps import JUMP_S, NONE, Stamps, mend, order_by_stamps, without_strays
from wsvad.video.timeline import Timeline, from_decode_stamps, from_rate

DEFAULT_RATE = Fraction(25)
_MAX_MENDED = 100_000
"""Single stamps that an index may hold; a file with more is read by the order of its pictures alone."""
_ELEMENTARY = frozenset({"h264", "hevc", "mpegvideo", "m4v", "mjpeg"})
"""Demuxers of streams without a container: no stamps, and a default as the rate."""
_ESTIMATES = _ELEMENTARY | {"mpegts", "mpeg", "flv"}
"""Demuxers whose rate of a stream without time stamps is a default or an estimate."""
_NEVER_REORDERS = frozenset({"mjpeg", "rawvideo", "ffv1", "huffyuv", "utvideo", "dvvideo", "prores", "dnxhd", "vp8"})

Allow = Callable[[float, float], None]


@dataclass
class FrameTimes:
    """Frames of a video in order of presentation, and their times."""

    clock: Clock
    num_frames: int
    ticks: Stamps = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """Of every frame's packet in the order of the file, in units of the time base / ``scale``; empty on the counting
    clocks."""
    scale: int = 1
    shifts: list[tuple[int, int]] = field(default_factory=list)
    mended: list[tuple[int, int]] = field(default_factory=list)
    seekable: bool = False
    timeline: Timeline = field(default_factory=lambda: from_rate(DEFAULT_RATE))
    """On the counting clocks."""
    rate: Fraction = DEFAULT_RATE
    """Likewise, in frames per second."""
    lost: list[int] = field(default_factory=list)
    uncertain: list[int] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)
    notes: list[Note] = field(default_factory=list)


class FullDecode:
    """Decodes the whole video, where only that tells the order of its frames."""

    def __init__(
        self, source: RemoteFile, number: int, max_pixels: int, beat: Callable[[], None], allow: Allow, found: Scan
    ) -> None:
        self._source, self._number, self._max_pixels = source, number, max_pixels
        self._beat, self._allow, self._found = beat, allow, found

    def order(self, ordinals: Stamps, doubtful: set[int]) -> DecodedOrder:
        """Return the order of presentation of the packets with these ordinals.

        Packets whose ordinals are ``doubtful`` are no frames where they give no picture.
        """
        packets = self._found.packets
        self._allow(packets.read / float(DEFAULT_RATE), 0.0)
        self._source.read_as_zeros(())
        decoded = decode_once(self._source, self._number, packets.before_key, self._max_pixels, self._beat)
        return decoded_order(ordinals, decoded, packets.unclear | doubtful)


def choose_times(
    container: InputContainer, stream: VideoStream, found: Scan, claimed: int, reading: Reading, decode: FullDecode
) -> FrameTimes:
    """Choose the first clock on which every frame has a time of its own.

    Args:
        container: the open file.
        stream: the stream that was scanned.
        found: what the scan found.
        claimed: pictures that the container's table promises beyond the packets that could be read.
        reading: what people said of the video.
        decode: used where the stamps do not tell the order of frames.
    """
    packets = found.packets
    shown = _without(packets.column(packets.ordinal), found.hidden)
    if claimed and table_places(container, stream):
        every = int(shown.sum()) + packets.without_picture + claimed
        return _counted("table", container, stream, every, reading)
    for clock in _clocks(container, stream):
        stamps = packets.column(packets.pts if clock == "pts" else packets.dts)[shown]
        if int((stamps != NONE).sum()) >= min(2, len(stamps)):
            times = _stamped(clock, stream, stamps, shown, found, decode)
            if times is not None:
                return times
    return _by_order(container, stream, found, shown, reading, decode)


def _clocks(container: InputContainer, stream: VideoStream) -> tuple[Clock, ...]:
    """Return the stamps that the file itself has; what demuxers make up for the others is no evidence."""
    if container.format.name in _ELEMENTARY:
        return ()
    if _reorders(stream):
        return () if container.format.name == "avi" else ("pts",)
    return ("pts", "dts")


def _reorders(stream: VideoStream) -> bool:
    return bool(stream.codec_context.has_b_frames) and stream.codec_context.name not in _NEVER_REORDERS


def _without(ordinals: Stamps, hidden: set[int]) -> npt.NDArray[np.bool_]:
    """True for packets that are not hidden."""
    if not hidden:
        return np.ones(len(ordinals), dtype=bool)
    return ~np.isin(ordinals, sorted(hidden))


def _stamped(
    clock: Clock, stream: VideoStream, stamps: Stamps, shown: npt.NDArray[np.bool_], found: Scan, decode: FullDecode
) -> FrameTimes | None:
    """Return times that follow the stamps, mended where a few are wrong; None where they are of no use."""
    packets, unit = found.packets, float(unit_s(stream))
    ordinals, key = packets.column(packets.ordinal)[shown], packets.keys[shown]
    steady = without_strays(stamps, JUMP_S / unit)
    order = None if packets.unclear else order_by_stamps(steady, key, reorders=_reorders(stream))
    hidden = found.hidden
    if order is None:
        decoded = decode.order(ordinals, packets.leading())
        hidden, order = hidden | decoded.hidden, decoded.places
        kept = _without(ordinals, decoded.hidden)
        steady, stamps, ordinals = steady[kept], stamps[kept], ordinals[kept]
    mended = mend(steady, order, JUMP_S / unit)
    if mended is None or len(mended.mended) + len(mended.shifts) > _MAX_MENDED:
        return None
    rising = stamps[np.array(order, dtype=np.int64)]
    rising = rising[rising != NONE]
    return FrameTimes(
        clock,
        len(order),
        mended.times,
        mended.scale,
        [(int(ordinals[place]), offset) for place, offset in mended.shifts],
        [(int(ordinals[place]), int(mended.times[place])) for place in mended.mended],
        seekable=bool((np.diff(rising) >= 0).all()),
        hidden=hidden,
        notes=_mending_notes(mended.jumps, len(mended.mended), unit),
    )


def _mending_notes(jumps: list[tuple[int, float]], mended: int, unit: float) -> list[Note]:
    notes = [
        Note("clock_jump", f"the clock steps by {ticks * unit:.3f} s at frame {rank}; times go on without the step")
        for rank, ticks in jumps[:8]
    ]
    if len(jumps) > 8:
        notes.append(Note("clock_jump", f"{len(jumps) - 8} more such steps"))
    if mended:
        message = f"{mended} missing or wrong time stamps; those frames lie between their neighbours"
        notes.append(Note("stamps_mended", message))
    return notes


def _by_order(
    container: InputContainer,
    stream: VideoStream,
    found: Scan,
    shown: npt.NDArray[np.bool_],
    reading: Reading,
    decode: FullDecode,
) -> FrameTimes:
    """Number frames as a decode from the start gives them; times from places in an AVI, or from a rate."""
    packets: Packets = found.packets
    ordinals, dts = packets.column(packets.ordinal)[shown], packets.column(packets.dts)[shown]
    if stream.codec_context.name in _NEVER_REORDERS and not packets.unclear:
        decoded = by_position(len(ordinals))
    else:
        decoded = decode.order(ordinals, packets.first())
    times = _counted("count", container, stream, len(decoded.places), reading)
    times.lost, times.uncertain = decoded.lost, decoded.uncertain
    times.hidden = found.hidden | decoded.hidden
    if container.format.name == "avi" and reading.frame_rate is None:
        places = dts[_without(ordinals, decoded.hidden)]
        depth = max(decoded.depth, stream.codec_context.reorder_depth)
        stated = from_decode_stamps(places, depth, unit_s(stream))
        if stated is not None:
            if abs(stated.usual_step - times.timeline.usual_step) > 1:
                times.rate = Fraction(1_000_000_000, stated.usual_step)
            times.timeline = stated
    return times


def _counted(
    clock: Clock, container: InputContainer, stream: VideoStream, num_frames: int, reading: Reading
) -> FrameTimes:
    """Return times that follow from a rate: the one that people say, the one that the file states, or a guess."""
    rate, notes = _stated_rate(container, stream), []
    if reading.frame_rate is not None:
        rate = Fraction(reading.frame_rate).limit_denominator(1_000_000)
    elif rate is None:
        rate = stream.average_rate or stream.guessed_rate or DEFAULT_RATE
        message = f"no time stamps and no frame rate are stored, {float(rate):g} frames/s is a guess; see --frame-rate"
        notes.append(Note("times_guessed", message))
    return FrameTimes(clock, num_frames, timeline=from_rate(rate), rate=rate, notes=notes)


def _stated_rate(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Return the rate that the file states; None where the demuxer only has a default."""
    if container.format.name not in _ESTIMATES:
        return stream.average_rate or stream.guessed_rate
    stated = stream.codec_context.framerate
    return Fraction(stated) if stated and 0.1 <= stated <= 1000 else None
