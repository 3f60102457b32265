"""Index a video from its packets, in the child: no more than the first picture is decoded."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from wsvad.video.contract import SEEK_SPACING_S, Clock, SeekPoint, VideoIndex
from wsvad.video.demux import (
    Refused,
    VideoPacket,
    check_memory,
    check_pixels,
    open_video,
    pick_stream,
    read_packets,
    say,
    table_places,
    unit_s,
)
from wsvad.video.remote import RemoteFile
from wsvad.video.scaling import clockwise, upright

Stamps = npt.NDArray[np.int64]

_NONE = -(1 << 63)
_FULL_PROBE = 512
"""Packets tried one after the other for a first picture; behind them only key frames are tried."""
_MAX_BOXES = 64
_DEFAULT_RATE = Fraction(25)


class _Packets:
    """Stamps of every packet that gives a picture, in the order of the file."""

    def __init__(self) -> None:
        self.pts, self.dts, self.duration = array("q"), array("q"), array("q")
        self.key = array("b")
        self.read = 0
        self.before_key = 0
        """Packets read before the first key frame; 0 where there is no key frame."""
        self.shown_before_key = 0
        """Those of them that no edit list hides."""
        self._seen_key = False
        self.first_picture = -1
        """Place in these lists of the packet whose picture came out first."""

    def add(self, packet: VideoPacket, is_key: bool) -> None:
        """Take a packet; those that an edit list hides give no picture."""
        if is_key and not self._seen_key:
            self.before_key, self.shown_before_key, self._seen_key = self.read, len(self.pts), True
        self.read += 1
        if packet.is_discard:
            return
        self.pts.append(_NONE if packet.pts is None else packet.pts)
        self.dts.append(_NONE if packet.dts is None else packet.dts)
        self.duration.append(packet.duration or 0)
        self.key.append(is_key)


def build_index(source: RemoteFile, max_pixels: int, beat: Callable[[], None]) -> VideoIndex:
    """Index the video; raises Refused with the evidence. ``beat`` is called at every packet."""
    with open_video(source, max_pixels) as container:
        stream = pick_stream(container, max_pixels)
        packets, picture = _scan(container, stream, source, max_pixels, beat)
        claimed = _claimed(stream, packets)
        return _finish(container, stream, packets, picture, claimed)


def _scan(
    container: InputContainer, stream: VideoStream, source: RemoteFile, max_pixels: int, beat: Callable[[], None]
) -> tuple[_Packets, VideoFrame]:
    """Read every packet, and decode until there is a first picture. Raises Refused (no_frames, too_large)."""
    packets = _Packets()
    picture: VideoFrame | None = None
    table_keys: frozenset[int] | None = None
    trouble = "no packets"
    for packet in read_packets(container, stream, lambda message: None):
        beat()
        is_key = packet.is_keyframe if table_keys is None else packet.dts in table_keys
        packets.add(packet, is_key)
        if picture is not None or (packets.read > _FULL_PROBE and not is_key):
            continue
        packet.pts = -1 if packet.is_discard else len(packets.pts) - 1  # comes back on the picture
        picture, trouble = _first_picture(stream, packet, packets.read > _FULL_PROBE)
        if picture is not None and (spans := sample_data_spans(container, source)):
            table_keys = frozenset(e.timestamp for e in stream.index_entries if e.is_keyframe)
            source.read_as_zeros(spans)
    if picture is None:
        picture, _ = _first_picture(stream, None, False)
    if packets.read == 0:
        raise Refused("no_frames", "the video stream holds no packets")
    if picture is None:
        raise Refused("no_frames", f"no picture could be decoded from {packets.read} packets: {trouble}")
    check_pixels(picture.width, picture.height, max_pixels)
    packets.first_picture = -1 if picture.pts is None else picture.pts
    return packets, picture


def _first_picture(stream: VideoStream, packet: VideoPacket | None, alone: bool) -> tuple[VideoFrame | None, str]:
    """Decode one packet (None: what the decoder still holds); with ``alone`` the decoder is drained and reset."""
    context = stream.codec_context
    try:
        pictures = context.decode(packet)
        if alone and not pictures:
            pictures = context.decode(None)
            context.flush_buffers()
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError, EOFError) as error:
        check_memory(stream)
        return None, say(error)
    return (pictures[0] if pictures else None), "the decoder gave none"


def sample_data_spans(container: InputContainer, source: RemoteFile) -> list[tuple[int, int]]:
    """Return the byte spans of sample data of an MP4 whose sample table is complete, else nothing.

    The demuxer takes the stamps of such a file from the table and would read the samples only to hand them over; with
    zeros in their place the index of a 20 GB object costs as much as its table.
    """
    if "mp4" not in container.format.name.split(","):
        return []
    spans: list[tuple[int, int]] = []
    back, start = source.tell(), 0
    for _ in range(_MAX_BOXES):
        source.seek(start)
        head = source.read(16)
        if len(head) < 8:
            break
        length, kind, body = int.from_bytes(head[:4], "big"), head[4:8], 8
        if length == 1:
            length, body = int.from_bytes(head[8:16], "big"), 16
        stop = source.size if length == 0 else start + length
        if kind in (b"moof", b"sidx") or stop <= start + 7:
            spans = []
            break
        if kind == b"mdat":
            spans.append((start + body, min(stop, source.size)))
        start = stop
    else:
        spans = []
    source.seek(back)
    return spans


def _claimed(stream: VideoStream, packets: _Packets) -> int:
    """Return how many pictures the container's own table promises beyond the packets that could be read."""
    entries = stream.index_entries
    if len(entries) <= packets.read:
        return 0
    return max(0, sum(1 for e in entries if e.size > 0 and not e.is_discard) - len(packets.pts))


def _finish(
    container: InputContainer, stream: VideoStream, packets: _Packets, picture: VideoFrame, claimed: int
) -> VideoIndex:
    key = np.frombuffer(packets.key, dtype=np.int8).astype(bool)
    skip = packets.shown_before_key
    pts, dts, duration = (
        np.frombuffer(stamps, dtype=np.int64)[skip:] for stamps in (packets.pts, packets.dts, packets.duration)
    )
    key = key[skip:]
    clock, times = _choose_clock(pts, dts, bool(stream.codec_context.has_b_frames))
    if claimed and table_places(container, stream):
        clock = "table"
    if clock == "pts" and packets.first_picture == skip:
        # A recording cut out of a longer one: pictures that lead the first key frame lack what they refer to, and
        # the decoder, which gave the key frame first, drops them.
        decodable = pts >= pts[0]
        pts, dts, duration, key = pts[decodable], dts[decodable], duration[decodable], key[decodable]
        times = pts
    unit = unit_s(stream)
    num_frames = len(times) + claimed
    rate = stream.average_rate or stream.guessed_rate or _DEFAULT_RATE
    seek_points: tuple[SeekPoint, ...] = ()
    variable = False
    footage = num_frames / rate
    if clock in ("pts", "dts"):
        ordered = np.sort(times)
        seek_points = _seek_points(times, dts, ordered, key, unit)
        variable = _is_variable(ordered, unit)
        footage = _footage(times, duration, unit, rate)
        if claimed:
            footage = max(footage, (stream.duration or 0) * unit, num_frames / rate)
    width, height = upright(picture)
    return VideoIndex(
        num_frames=num_frames,
        fps=float(num_frames / footage),
        duration_s=float(footage),
        width=width,
        height=height,
        rotation=clockwise(picture),
        variable_rate=variable,
        container=container.format.name,
        codec=stream.codec_context.name,
        pixel_format=picture.format.name,
        clock=clock,
        time_base=str(unit),
        first_timestamp=int(times.min()) if clock in ("pts", "dts") else 0,
        skipped_packets=packets.before_key,
        seek_points=seek_points,
    )


def _choose_clock(pts: Stamps, dts: Stamps, reorders: bool) -> tuple[Clock, Stamps]:
    """Return the first clock on which every frame has a time of its own, and the times on it."""
    known = dts[dts != _NONE]
    if bool((np.diff(known) < 0).any()):
        return "count", pts
    if bool((pts != _NONE).all()) and len(np.unique(pts)) == len(pts):
        return "pts", pts
    if not reorders and len(known) == len(dts) and len(np.unique(dts)) == len(dts):
        return "dts", dts
    return "count", pts


def _seek_points(
    times: Stamps, dts: Stamps, ordered: Stamps, key: npt.NDArray[np.bool_], unit: Fraction
) -> tuple[SeekPoint, ...]:
    """Return the key frames, thinned, before which the file holds no frame that is presented after them."""
    highest_before = np.concatenate(([np.iinfo(np.int64).min], np.maximum.accumulate(times)[:-1]))
    points: list[SeekPoint] = []
    spacing = SEEK_SPACING_S / float(unit)
    for place in np.flatnonzero(key & (highest_before < times)):
        time = int(times[place])
        if not points or time - points[-1].timestamp >= spacing:
            decode_time = time if dts[place] == _NONE else int(dts[place])
            points.append(SeekPoint(int(np.searchsorted(ordered, time)), time, decode_time))
    return tuple(points)


def _is_variable(ordered: Stamps, unit: Fraction) -> bool:
    steps = np.diff(ordered)
    if len(steps) < 2:
        return False
    usual = float(np.median(steps))
    return bool((np.abs(steps - usual) > max(0.1 * usual, 1.5)).any())


def _footage(times: Stamps, duration: Stamps, unit: Fraction, rate: Fraction) -> Fraction:
    """Return seconds from the start of the first frame to the end of the last."""
    last = int(times.argmax())
    shown = int(duration[last]) * unit if duration[last] > 0 else 1 / rate
    return (int(times[last]) - int(times.min())) * unit + shown
