"""Choose the video stream with the footage if a file has several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from wsvad.video.contract import Note
from wsvad.video.demux import Refused, SeekableReader, open_video, read_streams, time_base
from wsvad.video.picture_rules import picture_rule

_NOT_REAL_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_MIN_PACKETS = 16
_MIN_PACKET_FRACTION = 0.1
_MIN_DURATION_FRACTION = 0.5


@dataclass(frozen=True)
class FootageStream:
    """The stream to read."""

    number: int
    """Index of the stream in the container."""
    first: bool
    """True if it is the first stream of moving pictures."""
    notes: tuple[Note, ...] = ()
    """Notes on other footage that is left out."""


class _Measured:
    """Size and length of a stream of moving pictures."""

    def __init__(self, stream: VideoStream, position: int) -> None:
        self.number, self.position = stream.index, position
        context = getattr(stream, "codec_context", None)  # missing if FFmpeg has no decoder
        self.pixels = context.width * context.height if context else 0
        self.packets = 0
        self._rule = picture_rule(context.name, context.extradata) if context else None
        self._tick_s = float(time_base(stream))
        self._first_s, self._last_s = float("inf"), float("-inf")

    @property
    def footage_s(self) -> float:
        """Seconds from the first timestamp to the last."""
        return max(0.0, self._last_s - self._first_s)

    def add(self, packet: Packet[Stream]) -> None:
        """Count a packet if it gives a picture."""
        if self._rule is not None and self._rule.gives_picture(packet) is False:
            return
        self.packets += 1
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None:
            self._first_s = min(self._first_s, stamp * self._tick_s)
            self._last_s = max(self._last_s, stamp * self._tick_s)


def footage_stream(
    container: InputContainer,
    source: SeekableReader,
    max_pixels: int,
    wanted: int | None,
    heartbeat: Callable[[], None],
) -> FootageStream:
    """Choose the stream to read.

    A file with one stream of moving pictures is not read. If there are several, all packets are read once. The stream
    with the most pixels is chosen among those that last at least half as long as the longest. Stills and thumbnails (at
    most a tenth of the packets, and fewer than a clip's worth) are not footage.

    Args:
        container: The open file; it is not read.
        source: The file.
        max_pixels: See ``open_video``.
        wanted: Index among the container's video streams, from 0, if the user chose one.
        heartbeat: Called at every packet.

    Raises:
        Refused: No such video stream (no_video_stream), or any error of ``open_video``.
    """
    video = list(container.streams.video)
    moving = [s.index for s in video if not s.disposition & _NOT_REAL_PICTURES]
    if wanted is not None:
        if wanted >= len(video):
            raise Refused("no_video_stream", f"video stream {wanted} does not exist: the file has {len(video)}")
        return FootageStream(video[wanted].index, moving[:1] == [video[wanted].index])
    if not moving:
        found = ", ".join(sorted({s.type for s in container.streams})) or "none"
        raise Refused("no_video_stream", f"expected a video stream, found streams: {found}")
    if len(moving) == 1:
        return FootageStream(moving[0], True)
    back = source.tell()
    measured = _measure(source, moving, max_pixels, heartbeat)
    source.seek(back)
    return _chosen(measured)


def _measure(
    source: SeekableReader, numbers: Sequence[int], max_pixels: int, heartbeat: Callable[[], None]
) -> list[_Measured]:
    """Read every packet of these streams in a container opened for this purpose."""
    with open_video(source, max_pixels) as container:
        video = list(container.streams.video)
        streams = {s.index: s for s in video if s.index in numbers}
        measured = {number: _Measured(s, video.index(s)) for number, s in streams.items()}
        for other in container.streams:
            if other.index not in streams:
                other.discard = Discard.all
        for packet in read_streams(container, list(streams.values())):
            heartbeat()
            if packet.stream_index in measured:
                measured[packet.stream_index].add(packet)
        return [measured[number] for number in sorted(measured)]


def _chosen(streams: list[_Measured]) -> FootageStream:
    most, longest = max(s.packets for s in streams), max(s.footage_s for s in streams)
    footage = [
        s
        for s in streams
        if s.packets >= _MIN_PACKET_FRACTION * most and s.footage_s >= _MIN_DURATION_FRACTION * longest
    ]
    best = max(footage or streams, key=lambda s: (s.pixels, s.packets, -s.number))
    others = [s for s in streams if s is not best and s.packets > 1]
    others = [s for s in others if s.packets >= min(_MIN_PACKETS, _MIN_PACKET_FRACTION * best.packets)]
    first = best is streams[0]
    if not others:
        return FootageStream(best.number, first)
    left_out = ", ".join(f"stream {s.position} ({s.packets} packets, {s.footage_s:.1f} s)" for s in others)
    message = f"video stream {best.position} is read; left out: {left_out}; use --stream to choose another"
    return FootageStream(best.number, first, (Note("stream_left_out", message),))
