"""Choose what frame numbers and times of a video come from, in the child: its stamps, its order, or a rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.stream import VideoStream

from wsvad.video.contract import Clock, Note, Reading
from wsvad.video.demux import table_places, unit_s
from wsvad.video.order import DecodedOrder, by_position, decoded_order
from wsvad.video.remote import RemoteFile
from wsvad.video.scanning import Decoded, Packets, Scan, decode_once
from wsvad.video.stamps import JUMP_S, NONE, PAUSE_S, Stamps, mend, order_by_stamps, without_strays
from wsvad.video.timeline import Timeline, from_decode_stamps, from_rate

DEFAULT_RATE = Fraction(25)
_LEAST_LIKELY, _MOST_LIKELY = 0.1, 240.0
_TRIED = 256
"""Packets decoded to see whether a stream that may be reordered is, where its stamps say that it is not."""
_MAX_MENDED = 100_000
"""Single stamps that an index may hold; a file with more is read by the order of its pictures alone."""
_ELEMENTARY = frozenset({"h264", "hevc", "mpegvideo", "m4v", "mjpeg"})
"""Demuxers of streams without a container: no stamps, and a default as the rate."""
_ESTIMATES = _ELEMENTARY | {"mpegts", "mpeg", "flv"}
"""Demuxers whose rate of a stream without time stamps is a default or an estimate."""
_NEVER_REORDERS = frozenset(
    {
        *(
            "vp8",
            "vp9",
            "av1",
            "libdav1d",
            "theora",
            "h263",
            "flv",
            "msmpeg4v1",
            "msmpeg4v2",
            "msmpeg4",
            "wmv1",
            "wmv2",
        ),
        *("mjpeg", "jpeg2000", "rawvideo", "ffv1", "huffyuv", "utvideo", "dvvideo", "prores", "dnxhd"),
    }
)
"""Codecs whose packets are presented in the order in which they are stored, whatever their stamps say."""

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
        self._decoded: Decoded | None = None

    def order(self, ordinals: Stamps, doubtful: set[int]) -> DecodedOrder:
        """Return the order of presentation of the packets with these ordinals.

        Packets whose ordinals are ``doubtful`` are no frames where they give no picture.
        """
        packets = self._found.packets
        if self._decoded is None:
            self._decoded = self._run(None)
        return decoded_order(ordinals, self._decoded, packets.unclear | doubtful)

    def begins_in_order(self) -> bool:
        """True where the first pictures come out in the order in which their packets are stored."""
        came = (self._decoded or self._run(_TRIED)).pictures
        return came == sorted(came)

    def _run(self, limit: int | None) -> Decoded:
        packets = self._found.packets
        self._allow(min(packets.read, limit or packets.read) / float(DEFAULT_RATE), 0.0)
        self._source.read_as_zeros(())
        skip = packets.before_key
        return decode_once(self._source, self._number, skip, self._max_pixels, self._beat, limit)


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
    packets, useless = found.packets, False
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
            useless = True
    if not useless or reading.frame_rate is not None:
        return _by_order(container, stream, found, shown, reading, decode)
    guess = _likely_rate(stream)
    times = _by_order(container, stream, found, shown, replace(reading, frame_rate=guess), decode)
    message = f"the time stamps are of no use, {guess:g} frames/s is a guess; see --frame-rate"
    times.notes = [Note("times_guessed", message)]
    return times


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
    order, doubtful = None, packets.leading()
    if not packets.unclear and stream.codec_context.name in _NEVER_REORDERS:
        order = by_position(len(steady)).places
    elif not packets.unclear:
        order = order_by_stamps(steady, key, reorders=_reorders(stream), pause=PAUSE_S / unit)
        if order is not None and _reorders(stream) and _in_place(order) and not decode.begins_in_order():
            order, doubtful = None, packets.first()  # a muxer wrote decode stamps as presentation stamps
    hidden = found.hidden
    if order is None:
        decoded = decode.order(ordinals, doubtful)
        hidden, order = hidden | decoded.hidden, decoded.places
        kept = _without(ordinals, decoded.hidden)
        steady, stamps, ordinals, key = steady[kept], stamps[kept], ordinals[kept], key[kept]
        told = order_by_stamps(steady, key, reorders=_reorders(stream))
        if told is not None and _agree(told, decoded):  # they also say where a lost picture belongs
            order = told
        elif bool((steady != NONE).all()) and bool((np.diff(steady) >= 0).all()):
            steady = np.sort(steady)[_ranks(order)]  # each frame at the time at which one is decoded
    mended = mend(steady, order, JUMP_S / unit)
    if mended is None:
        return None
    moved = np.flatnonzero((steady != stamps) & (stamps != NONE))
    changed = sorted({*mended.mended, *moved.tolist()})
    if len(changed) + len(mended.shifts) > _MAX_MENDED:
        return None
    return FrameTimes(
        clock,
        len(order),
        mended.times,
        mended.scale,
        [(int(ordinals[place]), offset) for place, offset in mended.shifts],
        [(int(ordinals[place]), int(mended.times[place])) for place in changed],
        hidden=hidden,
        notes=_mending_notes(mended.jumps, len(changed), unit),
    )


def _agree(order: list[int], decoded: DecodedOrder) -> bool:
    """True where the pictures that a decode gave came out in this order."""
    came = np.delete(np.array(decoded.places, dtype=np.int64), decoded.lost)
    return bool((np.diff(_ranks(order)[came]) > 0).all())


def _ranks(order: list[int]) -> Stamps:
    """Return for every place its rank in order of presentation."""
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[np.array(order, dtype=np.int64)] = np.arange(len(order))
    return ranks


def _in_place(order: list[int]) -> bool:
    """True where packets are presented in the order in which they are stored."""
    return bool((np.diff(np.array(order, dtype=np.int64)) == 1).all())


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


def _likely_rate(stream: VideoStream) -> float:
    """Return a rate for a video whose stamps are of no use; what demuxers derive from such stamps may be anything."""
    rates = (stream.codec_context.framerate, stream.average_rate, stream.guessed_rate)
    return float(next((rate for rate in rates if rate and _LEAST_LIKELY <= rate <= _MOST_LIKELY), DEFAULT_RATE))
