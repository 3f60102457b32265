"""Which video stream is the footage, where a file has several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from wsvad.video.contract import Note
from wsvad.video.demux import Refused, SeekableReader, open_video, read_streams, unit_s
from wsvad.video.pictures import picture_rule

_NOT_REAL_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_FEW_PACKETS = 16
_SMALL_SHARE = 0.1
_SHORT_SHARE = 0.5


@dataclass(frozen=True)
class FootageStream:
    """The stream that is read."""

    number: int
    """In the container."""
    first: bool
    """It is the first stream of moving pictures."""
    notes: tuple[Note, ...] = ()
    """Says where other footage is left out."""


class _Measured:
    """What a stream of moving pictures holds, and where it is among the container's video streams."""

    def __init__(self, stream: VideoStream, place: int) -> None:
        self.number, self.place = stream.index, place
        context = getattr(stream, "codec_context", None)  # none where FFmpeg has no decoder
        self.pixels = context.width * context.height if context else 0
        self.packets = 0
        self._rule = picture_rule(context.name, context.extradata) if context else None
        self._unit = float(unit_s(stream))
        self._first_s, self._last_s = float("inf"), float("-inf")

    @property
    def footage_s(self) -> float:
        """Seconds from the first stamp to the last."""
        return max(0.0, self._last_s - self._first_s)

    def add(self, packet: Packet[Stream]) -> None:
        """Count a packet that gives a picture."""
        if self._rule is not None and self._rule.gives_picture(packet) is False:
            return
        self.packets += 1
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None:
            self._first_s = min(self._first_s, stamp * self._unit)
            self._last_s = max(self._last_s, stamp * self._unit)


def footage_stream(
    container: InputContainer, source: SeekableReader, max_pixels: int, wanted: int | None, beat: Callable[[], None]
) -> FootageStream:
    """Choose the stream to read.

    A file with one stream of moving pictures costs nothing. Of several, all packets are read once: the stream that
    is taken has most pixels among those that last at least half as long as the longest. Stills and thumbnails (a tenth
    of the packets or fewer, less than a clip's worth of them) are no footage.

    Args:
        container: the open file; it is not read.
        source: the file.
        max_pixels: see ``open_video``.
        wanted: place among the container's video streams, from 0, where people chose it.
        beat: called at every packet.

    Raises Refused (no_video_stream, and what ``open_video`` raises).
    """
    video = list(container.streams.video)
    moving = [s.index for s in video if not s.disposition & _NOT_REAL_PICTURES]
    if wanted is not None:
        if wanted >= len(video):
            raise Refused("no_video_stream", f"expected a video stream {wanted}, the file has {len(video)}")
        return FootageStream(video[wanted].index, moving[:1] == [video[wanted].index])
    if not moving:
        found = ", ".join(sorted({s.type for s in container.streams})) or "none"
        raise Refused("no_video_stream", f"expected a video stream, found streams: {found}")
    if len(moving) == 1:
        return FootageStream(moving[0], True)
    back = source.tell()
    measured = _measure(source, moving, max_pixels, beat)
    source.seek(back)
    return _chosen(measured)


def _measure(
    source: SeekableReader, numbers: Sequence[int], max_pixels: int, beat: Callable[[], None]
) -> list[_Measured]:
    """Read every packet of these streams, in a container of its own."""
    with open_video(source, max_pixels) as container:
        video = list(container.streams.video)
        streams = {s.index: s for s in video if s.index in numbers}
        measured = {number: _Measured(s, video.index(s)) for number, s in streams.items()}
        for other in container.streams:
            if other.index not in streams:
                other.discard = Discard.all
        for packet in read_streams(container, list(streams.values())):
            beat()
            if packet.stream_index in measured:
                measured[packet.stream_index].add(packet)
        return [measured[number] for number in sorted(measured)]


def _chosen(streams: list[_Measured]) -> FootageStream:
    most, longest = max(s.packets for s in streams), max(s.footage_s for s in streams)
    footage = [s for s in streams if s.packets >= _SMALL_SHARE * most and s.footage_s >= _SHORT_SHARE * longest]
    best = max(footage or streams, key=lambda s: (s.pixels, s.packets, -s.number))
    others = [s for s in streams if s is not best and s.packets > 1]
    others = [s for s in others if s.packets >= min(_FEW_PACKETS, _SMALL_SHARE * best.packets)]
    first = best is streams[0]
    if not others:
        return FootageStream(best.number, first)
    left_out = ", ".join(f"stream {s.place} ({s.packets} packets, {s.footage_s:.1f} s)" for s in others)
    message = f"video stream {best.place} is read; left out: {left_out}; --stream chooses another"
    return FootageStream(best.number, first, (Note("stream_left_out", message),))
