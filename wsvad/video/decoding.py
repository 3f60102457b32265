"""Decode a range of clips, in the decode child: seek exactly, continue after damage, number every picture."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from wsvad.clips import ClipSpec
from wsvad.video.clip_assembler import ClipAssembler, Emit
from wsvad.video.contract import DecodeReport, SeekPoint, VideoIndex
from wsvad.video.demux import (
    Refused,
    VideoPacket,
    check_memory,
    check_pixels,
    error_line,
    open_video,
    packet_stamp,
    pick_stream,
    read_packets,
    table_positions,
)
from wsvad.video.flow import FlowEstimator, flow_megapixels
from wsvad.video.geometry import Frames, Geometry
from wsvad.video.numbering import CountNumbering, Numbered, Numbering, OrderNumbering, TimestampNumbering
from wsvad.video.picture_rules import gives_picture, picture_rule
from wsvad.video.remote import RemoteFile
from wsvad.video.scaling import Scaler
from wsvad.video.timeline import Timeline

_REORDER_DEPTH = 16
"""Maximum number of pictures that an H.264 or HEVC decoder may hold back."""
_SEEK_BACK_S = (0, 2, 15)
_SEEK_TRIES = 3
_MAX_MESSAGES = 16
_MAX_PIXEL_ASPECT = 4.0
"""A larger pixel aspect ratio is taken for a wrong header."""


class _NotExact(Exception):
    """A seek did not arrive at its seek point; another start is tried."""


class _PacketTimes:
    """Times that the index gives to packets: the stored timestamp plus an offset, or a repaired time."""

    def __init__(self, index: VideoIndex) -> None:
        self._clock, self._scale = index.clock, index.scale
        self._mended = dict(index.mended)
        self._from = [packet for packet, _ in index.shifts]
        self._offsets = [0, *(offset for _, offset in index.shifts)]

    def of(self, ordinal: int, packet: VideoPacket) -> int | None:
        """Return the time of a packet in ticks; None on the clocks that count."""
        mended = self._mended.get(ordinal)
        return self.moved(ordinal, packet_stamp(packet, self._clock)) if mended is None else mended

    def moved(self, ordinal: int, stamp: int | None) -> int | None:
        """Return the time in ticks for a stored timestamp of packet ``ordinal``."""
        if stamp is None:
            return None
        return stamp * self._scale + self._offsets[bisect_right(self._from, ordinal)]

    def scaled(self, duration: int | None) -> int:
        """Return a packet duration in ticks."""
        return (duration or 0) * self._scale


class Decoder:
    """One run over the clips ``[first_clip, last_clip)`` of one video.

    ``heartbeat`` is called at every packet. ``allow_cpu`` is called with the seconds of footage that are about to be
    decoded and the megapixels of flow that are about to be computed.
    """

    def __init__(
        self,
        source: RemoteFile,
        index: VideoIndex,
        clips: tuple[int, int],
        spec: ClipSpec,
        geometry: Geometry,
        max_pixels: int,
        emit: Emit,
        heartbeat: Callable[[], None],
        allow_cpu: Callable[[float, float], None],
        flow_estimator: FlowEstimator | None = None,
    ) -> None:
        self._source = source
        self._index = index
        self._max_pixels = max_pixels
        self._heartbeat = heartbeat
        self._allow_cpu = allow_cpu
        self._flow_estimator = flow_estimator
        width, height = geometry.delivered(index.width, index.height)
        self._assembler = ClipAssembler(
            spec, index.num_frames, clips, width, height, emit, flow=flow_estimator is not None
        )
        self._flow_megapixels = (
            flow_megapixels(geometry, index.width, index.height) if flow_estimator is not None else 0.0
        )
        self._scaler = Scaler(geometry, index.width, index.height, max_pixels)
        self._times = _PacketTimes(index)
        self._hidden = frozenset(index.hidden)
        self._errors: Counter[str] = Counter()
        self._corrupt = 0
        self._pixel_aspect = 1.0

    def run(self) -> DecodeReport:
        """Decode, emit clips and return the report. Raises Refused (no_frames) if no frame of the range decodes."""
        assembler = self._assembler
        started = self._decode() if assembler.stop > assembler.start else 0
        return DecodeReport(
            expected_frames=assembler.stop - assembler.start,
            decoded_frames=assembler.decoded,
            missing=tuple(assembler.missing),
            corrupt_frames=self._corrupt,
            errors=tuple(f"{text} (x{count})" for text, count in self._errors.most_common(_MAX_MESSAGES)),
            decoded_from=started,
            pixel_aspect=self._pixel_aspect,
        )

    def _decode(self) -> int:
        """Decode the range from the nearest usable seek point; return the frame at which the decode started."""
        start, stop = self._assembler.start, self._assembler.stop
        before = [p for p in self._index.seek_points if p.frame <= start][1:]  # the first one is frame 0
        for point in [*before[: -1 - _SEEK_TRIES : -1], None]:
            started = point.frame if point else 0
            self._allow_cpu((stop - started) / self._index.fps, (stop - start) * self._flow_megapixels)
            try:
                self._decode_from(point)
            except _NotExact as reason:
                self._note(f"seek to frame {started}: {reason}")
                continue
            if not self._assembler.decoded:
                first = next(iter(self._errors), "the decoder gave no picture")
                raise Refused("no_frames", f"none of frames {start} to {stop} decodes: {first}")
            return started
        raise AssertionError("a decode from the beginning needs no seek")

    def _decode_from(self, point: SeekPoint | None) -> None:
        with open_video(self._source, self._max_pixels) as container:
            stream = pick_stream(container, self._index.stream, self._max_pixels)
            self._pixel_aspect = _pixel_aspect(stream, self._index.rotation)
            numbering = self._numbering(stream, point)
            if point is None:
                packets = self._from_start(container, stream)
            else:
                packets = self._from_point(container, stream, point)
            for ordinal, frame in self._decoded_pictures(container, stream, packets, numbering, point):
                self._take(numbering, ordinal, frame, point)
                point = None
                if self._assembler.done:
                    return
            if point is not None:
                raise _NotExact("nothing decodes from there")
            self._assembler.finish(numbering.last_end_s())

    def _first_time(self, point: SeekPoint | None) -> int | None:
        """Return the time of the first numbered frame; None on the clocks that count."""
        if self._index.clock in ("count", "table"):
            return None
        return self._times.moved(point.packet, point.timestamp) if point else self._index.first_timestamp

    def _numbering(self, stream: VideoStream, point: SeekPoint | None) -> Numbering:
        index = self._index
        start = self._first_time(point)
        if index.clock == "table":
            return CountNumbering(_reorder_depth(stream), index.fps)
        if start is None:
            timeline, fps = Timeline(index.timeline), index.fps
            seconds = timeline.seconds if index.timeline else lambda frame: frame / fps
            return OrderNumbering(seconds, index.lost, index.uncertain)
        base = point.frame if point else 0
        tick_s = Fraction(index.time_base) / index.scale
        return TimestampNumbering(base, start, index.first_timestamp, tick_s, 1 / index.fps, index.last_step)

    def _from_start(self, container: InputContainer, stream: VideoStream) -> Iterator[tuple[int, VideoPacket]]:
        """Yield packets with their ordinals, starting at the first key frame."""
        for ordinal, packet in enumerate(read_packets(container, stream, self._note)):
            if ordinal >= self._index.skipped_packets:
                yield ordinal, packet

    def _from_point(
        self, container: InputContainer, stream: VideoStream, point: SeekPoint
    ) -> Iterator[tuple[int, VideoPacket]]:
        """Yield packets starting at the key frame of ``point``. Raises _NotExact if no seek arrives before it."""
        tick_s = float(Fraction(self._index.time_base))
        targets = [point.timestamp, *(point.decode_timestamp - round(back / tick_s) for back in _SEEK_BACK_S)]
        for target in targets:
            try:
                container.seek(target, stream=stream, backward=True)
            except (av.FFmpegError, OSError, ValueError):
                continue
            packets = read_packets(container, stream, self._note)
            for packet in packets:
                self._heartbeat()
                if packet.is_keyframe and packet_stamp(packet, self._index.clock) == point.timestamp:
                    yield point.packet, packet
                    yield from enumerate(packets, point.packet + 1)
                    return
                if packet.dts is not None and packet.dts > point.decode_timestamp:
                    break
        raise _NotExact("no seek arrives at the key frame")

    def _decoded_pictures(
        self,
        container: InputContainer,
        stream: VideoStream,
        packets: Iterator[tuple[int, VideoPacket]],
        numbering: Numbering,
        point: SeekPoint | None,
    ) -> Iterator[tuple[int | None, VideoFrame]]:
        """Decode packet by packet, continuing after packets that the decoder refuses."""
        context, index = stream.codec_context, self._index
        first = self._first_time(point)
        positions = table_positions(container, stream) if self._index.clock == "table" else {}
        rule = picture_rule(context.name, context.extradata)
        counted = 0
        for ordinal, packet in packets:
            self._heartbeat()
            if index.headers_read is not None and ordinal >= index.headers_read:
                rule = None
            gives = gives_picture(rule, packet, packet.is_keyframe) is not False
            if gives and not packet.is_discard and ordinal not in self._hidden:
                time = self._times.of(ordinal, packet)
                position = positions.get(packet.pos) if packet.pos is not None else None
                counted += first is None or (time is not None and time >= first)
                decode_time = self._times.moved(ordinal, packet.dts)
                duration = self._times.scaled(packet.duration)
                numbering.packet(ordinal, time if position is None else position, decode_time, duration)
            packet.pts = ordinal  # the decoder returns it with the picture, whatever the container's timestamps were
            try:
                pictures = context.decode(packet)
            except MemoryError:
                raise
            except (av.FFmpegError, ValueError, EOFError) as error:
                check_pixels(context.width, context.height, self._max_pixels)
                check_memory(stream)
                self._note(f"decoding: {error_line(error)}")
                numbering.refused(ordinal)
                continue
            for frame in pictures:
                yield frame.pts, frame
        numbering.end_of_packets((point.frame if point else 0) + counted >= self._index.num_frames)
        try:
            for frame in context.decode(None):
                yield frame.pts, frame
        except MemoryError:
            raise
        except (av.FFmpegError, ValueError, EOFError) as error:
            self._note(error_line(error))

    def _take(self, numbering: Numbering, ordinal: int | None, frame: VideoFrame, point: SeekPoint | None) -> None:
        assembler = self._assembler
        numbered = numbering.picture(ordinal)
        if point is not None and (numbered is None or numbered.number != point.frame or frame.is_corrupt):
            raise _NotExact("the first picture is not the key frame")
        if numbered is None or numbered.number < assembler.start:
            return
        number = numbered.number
        if number > assembler.stop or (number == assembler.stop and self._flow_estimator is None):
            assembler.finish(numbered.previous_end_s)
            return
        whole = self._scaled(frame, numbered)
        if self._flow_estimator is not None and whole is not None:
            flow = self._flow_estimator.add_frame(number, whole, wanted=assembler.wants_flow(number - 1))
            self._heartbeat()
            if flow is not None:
                assembler.add_flow(number - 1, self._scaler.crop(flow))
        if number == assembler.stop or whole is None:
            assembler.finish(numbered.previous_end_s)
            return
        assembler.close(numbered.previous_end_s)
        self._corrupt += frame.is_corrupt
        assembler.slot(number)[:] = self._scaler.crop(whole)
        assembler.added(number, numbered.start_s)

    def _scaled(self, frame: VideoFrame, numbered: Numbered) -> Frames | None:
        """Return the whole picture, or None for a picture behind the last clip that cannot be scaled."""
        try:
            return self._scaler.scale(frame)
        except Refused:
            if numbered.number == self._assembler.stop:
                return None
            self._assembler.close(numbered.previous_end_s)
            raise

    def _note(self, message: str) -> None:
        if len(self._errors) < 4 * _MAX_MESSAGES or message in self._errors:
            self._errors[message] += 1


def _pixel_aspect(stream: VideoStream, rotation: int) -> float:
    """Return the aspect ratio of an upright pixel; 1.0 if the file states none, or an implausible one."""
    stated = stream.sample_aspect_ratio
    ratio = float(stated) if stated else 1.0
    if not 1 / _MAX_PIXEL_ASPECT <= ratio <= _MAX_PIXEL_ASPECT:
        return 1.0
    return 1 / ratio if rotation in (90, 270) else ratio


def _reorder_depth(stream: VideoStream) -> int:
    """Return how many pictures the decoder may hold back; 0 if it does not reorder."""
    if not stream.codec_context.has_b_frames:
        return 0
    return _REORDER_DEPTH if stream.codec_context.name in ("h264", "hevc", "vvc") else 2
