"""Choose the source of frame numbers and times, in the decode child: timestamps, order of pictures, or a rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.stream import VideoStream

from wsvad.video.contract import Clock, Note, ReadOptions
from wsvad.video.demux import table_positions, time_base
from wsvad.video.presentation_order import DecodedOrder, decoded_order, file_order
from wsvad.video.remote import RemoteFile
from wsvad.video.scanning import Decoded, Packets, Scan, decode_once
from wsvad.video.timeline import Timeline, from_decode_stamps, from_rate
from wsvad.video.timestamps import JUMP_S, NONE, PAUSE_S, Stamps, order_by_stamps, repair, without_outliers

DEFAULT_RATE = Fraction(25)
_LEAST_LIKELY, _MOST_LIKELY = 0.1, 240.0
_ORDER_PROBE_PACKETS = 256
"""Packets decoded to check whether a stream is reordered although its timestamps show no reordering."""
_MAX_REPAIRED = 100_000
"""Maximum number of repaired timestamps in an index; a file with more is numbered by the order of its pictures."""
_ELEMENTARY = frozenset({"h264", "hevc", "mpegvideo", "m4v", "mjpeg"})
"""Demuxers of streams without a container: no timestamps, and a default rate."""
_ESTIMATES = _ELEMENTARY | {"mpegts", "mpeg", "flv"}
"""Demuxers whose rate is a default or an estimate for streams without timestamps."""
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
"""Codecs whose packets are presented in stored order, whatever their timestamps are."""

AllowCpu = Callable[[float, float], None]


@dataclass
class FrameTimes:
    """Frames of a video in presentation order, and their times."""

    clock: Clock
    num_frames: int
    ticks: Stamps = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """Time of every frame's packet in file order, in units of the time base / ``scale``; empty on the counting
    clocks."""
    scale: int = 1
    shifts: list[tuple[int, int]] = field(default_factory=list)
    mended: list[tuple[int, int]] = field(default_factory=list)
    timeline: Timeline = field(default_factory=lambda: from_rate(DEFAULT_RATE))
    """Frame times on the counting clocks."""
    rate: Fraction = DEFAULT_RATE
    """Frames per second on the counting clocks."""
    lost: list[int] = field(default_factory=list)
    uncertain: list[int] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)
    notes: list[Note] = field(default_factory=list)


class FullDecode:
    """Decodes the whole video if only that determines the order of its frames."""

    def __init__(
        self,
        source: RemoteFile,
        number: int,
        max_pixels: int,
        heartbeat: Callable[[], None],
        allow_cpu: AllowCpu,
        found: Scan,
    ) -> None:
        self._source, self._number, self._max_pixels = source, number, max_pixels
        self._heartbeat, self._allow_cpu, self._found = heartbeat, allow_cpu, found
        self._decoded: Decoded | None = None

    def order(self, ordinals: Stamps, doubtful: set[int]) -> DecodedOrder:
        """Return the presentation order of the packets with these ordinals.

        Packets whose ordinals are in ``doubtful`` do not count as frames if they give no picture.
        """
        packets = self._found.packets
        if self._decoded is None:
            self._decoded = self._run(None)
        return decoded_order(ordinals, self._decoded, packets.unclear | doubtful)

    def starts_in_stored_order(self) -> bool:
        """Return True if the first pictures come out in the order in which their packets are stored."""
        pictures = (self._decoded or self._run(_ORDER_PROBE_PACKETS)).pictures
        return pictures == sorted(pictures)

    def _run(self, limit: int | None) -> Decoded:
        packets = self._found.packets
        self._allow_cpu(min(packets.read, limit or packets.read) / float(DEFAULT_RATE), 0.0)
        self._source.read_as_zeros(())
        skip = packets.before_key
        return decode_once(self._source, self._number, skip, self._max_pixels, self._heartbeat, limit)


def choose_times(
    container: InputContainer, stream: VideoStream, found: Scan, claimed: int, reading: ReadOptions, decode: FullDecode
) -> FrameTimes:
    """Choose the first clock that gives every frame a distinct time.

    Args:
        container: The open file.
        stream: The stream that was scanned.
        found: Result of the scan.
        claimed: Number of pictures that the container's table lists beyond the packets that could be read.
        reading: User settings for reading the video.
        decode: Used if the timestamps do not determine the order of frames.
    """
    packets, useless = found.packets, False
    shown = _without(packets.column(packets.ordinal), found.hidden)
    if claimed and table_positions(container, stream):
        every = int(shown.sum()) + packets.without_picture + claimed
        return _times_from_rate("table", container, stream, every, reading)
    for clock in _clocks(container, stream):
        stamps = packets.column(packets.pts if clock == "pts" else packets.dts)[shown]
        if int((stamps != NONE).sum()) >= min(2, len(stamps)):
            times = _times_from_timestamps(clock, stream, stamps, shown, found, decode)
            if times is not None:
                return times
            useless = True
    if not useless or reading.frame_rate is not None:
        return _times_from_order(container, stream, found, shown, reading, decode)
    guess = _likely_rate(stream)
    times = _times_from_order(container, stream, found, shown, replace(reading, frame_rate=guess), decode)
    message = f"the timestamps are unusable, {guess:g} frames/s is a guess; use --frame-rate to set the rate"
    times.notes = [Note("times_guessed", message)]
    return times


def _clocks(container: InputContainer, stream: VideoStream) -> tuple[Clock, ...]:
    """Return the clocks that the file itself stores; timestamps that a demuxer generates are not used."""
    if container.format.name in _ELEMENTARY:
        return ()
    if _reorders(stream):
        return () if container.format.name == "avi" else ("pts",)
    return ("pts", "dts")


def _reorders(stream: VideoStream) -> bool:
    return bool(stream.codec_context.has_b_frames) and stream.codec_context.name not in _NEVER_REORDERS


def _without(ordinals: Stamps, hidden: set[int]) -> npt.NDArray[np.bool_]:
    """Return a mask of the packets that are not hidden."""
    if not hidden:
        return np.ones(len(ordinals), dtype=bool)
    return ~np.isin(ordinals, sorted(hidden))


def _times_from_timestamps(
    clock: Clock, stream: VideoStream, stamps: Stamps, shown: npt.NDArray[np.bool_], found: Scan, decode: FullDecode
) -> FrameTimes | None:
    """Return times from the timestamps, repaired if a few are wrong; None if the timestamps are unusable."""
    packets, tick_s = found.packets, float(time_base(stream))
    ordinals, key = packets.column(packets.ordinal)[shown], packets.keys[shown]
    cleaned = without_outliers(stamps, JUMP_S / tick_s)
    order, doubtful = None, packets.leading()
    if not packets.unclear and stream.codec_context.name in _NEVER_REORDERS:
        order = file_order(len(cleaned)).positions
    elif not packets.unclear:
        order = order_by_stamps(cleaned, key, reorders=_reorders(stream), pause=PAUSE_S / tick_s)
        if order is not None and _reorders(stream) and _is_stored_order(order) and not decode.starts_in_stored_order():
            order, doubtful = None, packets.possibly_leading()  # a muxer stored decode timestamps as pts
    hidden = found.hidden
    if order is None:
        decoded = decode.order(ordinals, doubtful)
        hidden, order = hidden | decoded.hidden, decoded.positions
        kept = _without(ordinals, decoded.hidden)
        cleaned, stamps, ordinals, key = cleaned[kept], stamps[kept], ordinals[kept], key[kept]
        stamp_order = order_by_stamps(cleaned, key, reorders=_reorders(stream))
        if stamp_order is not None and _matches_decode(stamp_order, decoded):
            # the timestamps also determine the position of a lost picture
            order = stamp_order
        elif bool((cleaned != NONE).all()) and bool((np.diff(cleaned) >= 0).all()):
            cleaned = np.sort(cleaned)[_ranks(order)]  # frames get the sorted timestamps in presentation order
    repaired = repair(cleaned, order, JUMP_S / tick_s)
    if repaired is None:
        return None
    moved = np.flatnonzero((cleaned != stamps) & (stamps != NONE))
    changed = sorted({*repaired.replaced, *moved.tolist()})
    if len(changed) + len(repaired.shifts) > _MAX_REPAIRED:
        return None
    return FrameTimes(
        clock,
        len(order),
        repaired.times,
        repaired.scale,
        [(int(ordinals[position]), offset) for position, offset in repaired.shifts],
        [(int(ordinals[position]), int(repaired.times[position])) for position in changed],
        hidden=hidden,
        notes=_repair_notes(repaired.jumps, len(changed), tick_s),
    )


def _matches_decode(order: list[int], decoded: DecodedOrder) -> bool:
    """Return True if the decoded pictures came out in this order."""
    shown = np.delete(np.array(decoded.positions, dtype=np.int64), decoded.lost)
    return bool((np.diff(_ranks(order)[shown]) > 0).all())


def _ranks(order: list[int]) -> Stamps:
    """Return for every position its rank in presentation order."""
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[np.array(order, dtype=np.int64)] = np.arange(len(order))
    return ranks


def _is_stored_order(order: list[int]) -> bool:
    """Return True if packets are presented in the order in which they are stored."""
    return bool((np.diff(np.array(order, dtype=np.int64)) == 1).all())


def _repair_notes(jumps: list[tuple[int, float]], repaired: int, tick_s: float) -> list[Note]:
    notes = [
        Note("clock_jump", f"the clock jumps by {ticks * tick_s:.3f} s at frame {rank}; the jump is removed from times")
        for rank, ticks in jumps[:8]
    ]
    if len(jumps) > 8:
        notes.append(Note("clock_jump", f"{len(jumps) - 8} more clock jumps"))
    if repaired:
        message = f"{repaired} missing or wrong timestamps; times of those frames are interpolated"
        notes.append(Note("stamps_mended", message))
    return notes


def _times_from_order(
    container: InputContainer,
    stream: VideoStream,
    found: Scan,
    shown: npt.NDArray[np.bool_],
    reading: ReadOptions,
    decode: FullDecode,
) -> FrameTimes:
    """Number frames in the order of a decode from the start; times come from packet positions in an AVI, or a rate."""
    packets: Packets = found.packets
    ordinals, dts = packets.column(packets.ordinal)[shown], packets.column(packets.dts)[shown]
    if stream.codec_context.name in _NEVER_REORDERS and not packets.unclear:
        decoded = file_order(len(ordinals))
    else:
        decoded = decode.order(ordinals, packets.possibly_leading())
    times = _times_from_rate("count", container, stream, len(decoded.positions), reading)
    times.lost, times.uncertain = decoded.lost, decoded.uncertain
    times.hidden = found.hidden | decoded.hidden
    if container.format.name == "avi" and reading.frame_rate is None:
        positions = dts[_without(ordinals, decoded.hidden)]
        depth = max(decoded.depth, stream.codec_context.reorder_depth)
        stated = from_decode_stamps(positions, depth, time_base(stream))
        if stated is not None:
            if abs(stated.usual_step - times.timeline.usual_step) > 1:
                times.rate = Fraction(1_000_000_000, stated.usual_step)
            times.timeline = stated
    return times


def _times_from_rate(
    clock: Clock, container: InputContainer, stream: VideoStream, num_frames: int, reading: ReadOptions
) -> FrameTimes:
    """Return times from a rate: the one the user sets, the one the file states, or a guess."""
    rate, notes = _stated_rate(container, stream), []
    if reading.frame_rate is not None:
        rate = Fraction(reading.frame_rate).limit_denominator(1_000_000)
    elif rate is None:
        rate = stream.average_rate or stream.guessed_rate or DEFAULT_RATE
        message = (
            f"no timestamps and no frame rate are stored, {float(rate):g} frames/s is a guess; "
            "use --frame-rate to set the rate"
        )
        notes.append(Note("times_guessed", message))
    return FrameTimes(clock, num_frames, timeline=from_rate(rate), rate=rate, notes=notes)


def _stated_rate(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Return the rate that the file states; None if the demuxer only has a default."""
    if container.format.name not in _ESTIMATES:
        return stream.average_rate or stream.guessed_rate
    stated = stream.codec_context.framerate
    return Fraction(stated) if stated and 0.1 <= stated <= 1000 else None


def _likely_rate(stream: VideoStream) -> float:
    """Return a plausible rate for a video with unusable timestamps; rates derived from them may be arbitrary."""
    rates = (stream.codec_context.framerate, stream.average_rate, stream.guessed_rate)
    return float(next((rate for rate in rates if rate and _LEAST_LIKELY <= rate <= _MOST_LIKELY), DEFAULT_RATE))
