"""Read every packet of a video once, in the decode child, and decode only what is needed to find its pictures."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from wsvad.video.demux import (
    Refused,
    VideoPacket,
    check_memory,
    check_pixels,
    error_line,
    open_video,
    pick_stream,
    read_packets,
)
from wsvad.video.picture_rules import gives_picture, needs_sample_data, picture_rule
from wsvad.video.remote import RemoteFile
from wsvad.video.sample_data import sample_data_spans
from wsvad.video.timestamps import NONE, Stamps

_FULL_PROBE = 512
"""Packets tried one after the other for a first picture; after them only key frames are tried."""
LEADING = 20
"""Maximum number of leading pictures of a key frame; H.264 and HEVC allow 16."""
_HEARTBEAT_EVERY = 16
"""Packets between two heartbeats; reading more of the file also counts as progress."""
_HEAD_PACKETS = 56
"""Packets decoded if pictures seem to lead the first key frame: ``LEADING`` plus what a decoder may hold back."""


@dataclass
class Packets:
    """Every packet that gives a picture according to its header, in file order."""

    ordinal: array[int] = field(default_factory=lambda: array("q"))
    """Index among all packets of the stream, from 0."""
    pts: array[int] = field(default_factory=lambda: array("q"))
    dts: array[int] = field(default_factory=lambda: array("q"))
    duration: array[int] = field(default_factory=lambda: array("q"))
    key: array[int] = field(default_factory=lambda: array("b"))
    read: int = 0
    """Number of all packets read."""
    without_picture: int = 0
    """Packets left out because their header shows that they give no picture."""
    headers_read: int | None = None
    """Number of packets whose headers were inspected; the others count as pictures. ``None``: all."""
    unclear: set[int] = field(default_factory=set)
    """Ordinals of packets whose header does not decide."""
    before_key: int = 0
    """Packets before the first key frame; 0 if there is no key frame."""
    first_key: int = -1
    """Position of the first key frame in these lists."""

    def add(self, packet: VideoPacket, is_key: bool, gives: bool | None) -> None:
        """Add the next packet; packets hidden by an edit list give no picture."""
        ordinal, self.read = self.read, self.read + 1
        if is_key and self.first_key < 0:
            self.before_key, self.first_key = ordinal, len(self.ordinal)
        if packet.is_discard:
            return
        if gives is False:
            self.without_picture += 1
            return
        if gives is None:
            self.unclear.add(ordinal)
        pts, dts = packet.pts, packet.dts  # read once: an attribute access costs as much as the rest of the loop
        self.ordinal.append(ordinal)
        self.pts.append(NONE if pts is None else pts)
        self.dts.append(NONE if dts is None else dts)
        self.duration.append(packet.duration or 0)
        self.key.append(is_key)

    def column(self, values: array[int]) -> Stamps:
        """Return one of the lists as int64, without the packets before the first key frame."""
        return np.array(values, dtype=np.int64)[max(0, self.first_key) :]

    @property
    def keys(self) -> npt.NDArray[np.bool_]:
        """Boolean mask of the key frames, without the packets before the first one."""
        return self.column(self.key).astype(bool)

    def possibly_leading(self) -> set[int]:
        """Return the ordinals of the packets that may be leading pictures of the first key frame."""
        start = self.first_key
        return set(self.ordinal[start + 1 : start + 1 + LEADING]) if start >= 0 else set()

    def leading(self) -> set[int]:
        """Return those of ``possibly_leading`` that are presented before the first key frame, or at no known time."""
        start = self.first_key
        if start < 0:
            return set()
        stop = min(start + 1 + LEADING, len(self.ordinal))
        key = self.pts[start]
        return {self.ordinal[i] for i in range(start + 1, stop) if self.pts[i] == NONE or self.pts[i] < key}


@dataclass
class Decoded:
    """Result of decoding packets."""

    pictures: list[int] = field(default_factory=list)
    """Ordinals of the packets of the pictures, in output order."""
    refused: set[int] = field(default_factory=set)
    """Ordinals of packets at which the decoder reported an error."""
    fed: int = 0
    """All packets below this ordinal were decoded."""


@dataclass
class Scan:
    """Result of one pass over a file."""

    packets: Packets
    picture: VideoFrame
    """The first picture."""
    hidden: set[int]
    """Ordinals of packets at the beginning that give no picture because their reference pictures are missing."""


def scan(
    container: InputContainer, stream: VideoStream, source: RemoteFile, max_pixels: int, heartbeat: Callable[[], None]
) -> Scan:
    """Read every packet, and decode the beginning. Raises Refused (no_frames, too_large)."""
    packets, head = Packets(), Decoded()
    picture: VideoFrame | None = None
    name = stream.codec_context.name
    rule = picture_rule(name, stream.codec_context.extradata)
    table_keys: frozenset[int] | None = None
    reason, decoding = "no packets", True
    for packet in read_packets(container, stream, lambda message: None):
        if packets.read % _HEARTBEAT_EVERY == 0:
            heartbeat()
        is_key = packet.is_keyframe if table_keys is None else packet.dts in table_keys
        packets.add(packet, is_key, gives_picture(rule, packet, is_key))
        if decoding and picture is not None and _decoded_enough(packets):
            decoding = False
            if not needs_sample_data(name, rule) and (spans := sample_data_spans(container, source)):
                table_keys = frozenset(e.timestamp for e in stream.index_entries if e.is_keyframe)
                source.read_as_zeros(spans)
                packets.headers_read, rule = packets.read, None
        if not decoding or (picture is None and packets.read > _FULL_PROBE and not is_key):
            continue
        packet.pts = packets.read - 1  # the decoder returns it with the picture
        alone = picture is None and packets.read > _FULL_PROBE
        decoded, reason = _decode(stream, packet, packets.read - 1, head, alone)
        picture = picture or decoded
    if decoding:
        picture = picture or _decode(stream, None, -1, head, False)[0]
    if packets.read == 0:
        raise Refused("no_frames", "the video stream holds no packets")
    if picture is None:
        raise Refused("no_frames", f"no picture could be decoded from {packets.read} packets: {reason}")
    check_pixels(picture.width, picture.height, max_pixels)
    leading = {o for o in packets.leading() if o < head.fed}
    return Scan(packets, picture, leading - set(head.pictures) - head.refused)


def _decoded_enough(packets: Packets) -> bool:
    """Return True if enough was decoded to know which of the first packets give pictures."""
    behind = len(packets.ordinal) - packets.first_key - 1
    return behind >= _HEAD_PACKETS or (behind >= 1 and not packets.leading())


def _decode(
    stream: VideoStream, packet: VideoPacket | None, ordinal: int, result: Decoded, alone: bool
) -> tuple[VideoFrame | None, str]:
    """Decode one packet (None: drain the decoder). With ``alone`` the decoder is drained and reset afterwards."""
    context = stream.codec_context
    result.fed = ordinal + 1 if packet is not None else 1 << 62
    try:
        pictures = context.decode(packet)
        if alone and not pictures:
            pictures = context.decode(None)
            context.flush_buffers()
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError, EOFError) as error:
        check_memory(stream)
        result.refused.add(ordinal)
        return None, error_line(error)
    result.pictures += [frame.pts for frame in pictures if frame.pts is not None]
    return (pictures[0] if pictures else None), "the decoder gave no picture"


def decode_once(
    source: RemoteFile, number: int, skip: int, max_pixels: int, heartbeat: Callable[[], None], limit: int | None = None
) -> Decoded:
    """Decode the stream from packet ``skip`` on as a full extraction does: all of it, or ``limit`` packets."""
    result = Decoded()
    with open_video(source, max_pixels) as container:
        stream = pick_stream(container, number, max_pixels)
        for ordinal, packet in enumerate(read_packets(container, stream, lambda message: None)):
            heartbeat()
            if ordinal < skip:
                continue
            if limit is not None and ordinal >= skip + limit:
                break
            packet.pts = ordinal
            _decode(stream, packet, ordinal, result, False)
        _decode(stream, None, -1, result, False)
    return result
