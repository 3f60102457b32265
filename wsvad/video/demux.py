"""Open untrusted bytes as a video, in the decode child: no other files, no network, no playlists, limited size."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, Protocol, TypeAlias, TypeVar

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Stream
from av.video.stream import VideoStream

from wsvad.video.contract import Clock, VideoErrorKind

VideoPacket: TypeAlias = "Packet[VideoStream]"

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,live_flv,asf,ogg,mxf,dhav,ivf,"
    "h264,hevc,mpegvideo,m4v,mjpeg"
)
"""Demuxers that may read the bytes: formats of cameras, recorders, phones and web sites. Of these only MOV can refer to
other files or URLs; such references are disabled (``protocol_whitelist``, ``io_open``)."""

CODECS = frozenset(
    {
        *("h264", "hevc", "vvc", "av1", "libdav1d", "vp8", "vp9"),
        *("mpeg1video", "mpeg2video", "mpeg4", "h263", "mjpeg", "jpeg2000", "flv", "theora", "vc1"),
        *("wmv1", "wmv2", "wmv3", "msmpeg4v1", "msmpeg4v2", "msmpeg4"),
        *("prores", "dnxhd", "dvvideo", "ffv1", "huffyuv", "utvideo", "rawvideo"),
    }
)
"""Decoders that may run. FFmpeg has hundreds; the others only add attack surface."""

_BUFFER = 64 << 10
_PROBED = 1 << 20
_AVI_CHUNK_HEADER = 8
_SPARE_BYTES = 16 << 20
_SPARE_PER_PIXEL = 12  # two pictures of three 16-bit components
_MAX_STALE_ERRORS = 32
_FLAG_GENPTS = 0x0001
_PROBE = {"probesize": str(5 << 20), "analyzeduration": "5000000"}


class Refused(Exception):
    """Evidence against the video; the parent raises it as a VideoError of this kind."""

    def __init__(self, kind: VideoErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class SeekableReader(Protocol):
    """File object that libav reads from."""

    size: int

    def read(self, length: int) -> bytes:
        """Return up to ``length`` bytes."""
        ...

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move and return the position."""
        ...

    def tell(self) -> int:
        """Return the position."""
        ...


def error_line(error: BaseException) -> str:
    """Return a libav error as one short line."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200]


def _looks_like_video(head: bytes) -> bool:
    """Return True if the first bytes belong to a known container, whether or not the rest can be read."""
    return (
        head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp", b"moof", b"pnot")
        or head[:4] in (b"\x1aE\xdf\xa3", b"OggS", b"\x00\x00\x01\xba", b"DHAV", b"DKIF", b"\x06\x0e\x2b\x34")
        or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
        or head[:3] == b"FLV"
        or head[:8] == bytes.fromhex("3026b2758e66cf11")
        or (len(head) > 188 and head[0] == 0x47 and head[188] == 0x47)
    )


def _refuse_other_files(url: str, flags: int, options: dict[str, str]) -> object:
    raise OSError("a video may not open other files")


def open_video(source: SeekableReader, max_pixels: int) -> InputContainer:
    """Open ``source`` from its beginning. Raises Refused (empty, not_video, damaged, too_large)."""
    if source.size == 0:
        raise Refused("empty", "expected a video, got a file of 0 bytes")
    try:
        container = _open(source, {"max_pixels": str(max_pixels), "codec_whitelist": ",".join(sorted(CODECS))})
        if any(getattr(s.codec_context, "width", 1) == 0 for s in container.streams.video):
            _check_declared_size(source, max_pixels)
    except (Refused, MemoryError):
        raise
    except (av.FFmpegError, ValueError, OSError, EOFError) as error:
        source.seek(0)
        if _looks_like_video(source.read(512)):
            message = f"the container is truncated or damaged before its stream headers: {error_line(error)}"
            raise Refused("damaged", message) from error
        raise Refused("not_video", f"not a video container of an accepted format: {error_line(error)}") from error
    container.flags &= ~_FLAG_GENPTS  # generated presentation timestamps are wrong if H.264 reorders
    return container


def _open(source: SeekableReader, options: dict[str, str]) -> InputContainer:
    source.seek(0)
    jpegs = source.read(3) == b"\xff\xd8\xff" and b"\xff\xd9\xff\xd8\xff" in source.read(_PROBED)
    source.seek(0)
    return av.open(
        source,
        mode="r",
        format="mjpeg" if jpegs else None,  # concatenated JPEGs, which libav would take for a single image
        options={"format_whitelist": FORMATS, "protocol_whitelist": "", "threads": "1", **_PROBE, **options},
        buffer_size=_BUFFER,
        metadata_errors="replace",
        io_open=_refuse_other_files,
    )


def _check_declared_size(source: SeekableReader, max_pixels: int) -> None:
    """Raise Refused (too_large) if the container declares pictures that are too large.

    libav drops a declared size above ``max_pixels``, so that it looks like a missing size. The container is therefore
    opened again with no decoder allowed.
    """
    back = source.tell()
    with _open(source, {"codec_whitelist": "-"}) as container:
        for stream in container.streams.video:
            check_pixels(stream.codec_context.width, stream.codec_context.height, max_pixels)
    source.seek(back)


def pick_stream(container: InputContainer, number: int, max_pixels: int) -> VideoStream:
    """Return the container's stream of this number, ready to decode on one thread. All other streams are discarded.

    Raises Refused (no_video_stream, unsupported_codec, too_large).
    """
    stream = next((s for s in container.streams.video if s.index == number), None)
    if stream is None:
        raise Refused("no_video_stream", f"stream {number} is not a video stream")
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    context = stream.codec_context
    if context is None:
        raise Refused("unsupported_codec", f"no decoder for the video stream ({_tag(stream)})")
    if context.name not in CODECS:
        raise Refused("unsupported_codec", f"decoder {context.name!r} is not allowed")
    check_pixels(context.width, context.height, max_pixels)
    context.thread_count = 1
    context.options = {"max_pixels": str(max_pixels), "threads": "1"}
    return stream


def _tag(stream: VideoStream) -> str:
    try:
        return f"tag {stream.codec_tag!r}"
    except (AttributeError, UnicodeDecodeError):
        return "unknown tag"


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise Refused (too_large) if a picture exceeds the limit."""
    if width * height > max_pixels:
        message = f"expected pictures of at most {max_pixels} pixels, got {width}x{height} = {width * height}"
        raise Refused("too_large", message)


def check_memory(stream: VideoStream) -> None:
    """Raise MemoryError if one or two more pictures could not be allocated now.

    Decoders report a failed allocation as invalid data. Called after a decoding error, this check distinguishes the
    memory limit from damage of the video.
    """
    context = stream.codec_context
    try:
        mmap.mmap(-1, _SPARE_BYTES + _SPARE_PER_PIXEL * context.width * context.height).close()
    except (OSError, OverflowError) as error:
        raise MemoryError("not enough memory for another picture") from error


def read_packets(
    container: InputContainer, stream: VideoStream, on_error: Callable[[str], None]
) -> Iterator[VideoPacket]:
    """Yield the stream's packets, continuing after read errors. Empty packets carry no picture and are skipped.

    Ends at the end of the file, or when reading fails 32 times in a row.
    """
    return _read(lambda: container.demux(stream), on_error)


def read_streams(container: InputContainer, streams: Sequence[VideoStream]) -> Iterator[Packet[Stream]]:
    """Yield the packets of several streams, with the same error handling as ``read_packets``."""
    return _read(lambda: container.demux(*streams), lambda message: None)


_Packet = TypeVar("_Packet", bound="Packet[Any]")


def _read(demux: Callable[[], Iterator[_Packet]], on_error: Callable[[str], None]) -> Iterator[_Packet]:
    stale = 0
    while stale < _MAX_STALE_ERRORS:
        try:
            for packet in demux():
                if packet.size > 0:
                    stale = 0
                    yield packet
            return
        except MemoryError:
            raise
        except IndexError:
            return  # PyAV 18.1 at the end of a file in which a stream appeared after the beginning
        except (av.FFmpegError, OSError, EOFError, ValueError) as error:
            stale += 1
            on_error(f"reading: {error_line(error)}")


def packet_stamp(packet: VideoPacket, clock: Clock) -> int | None:
    """Return the packet's stored timestamp on the given clock; None on the clocks that count."""
    if clock == "pts":
        return packet.pts
    return packet.dts if clock == "dts" else None


def table_positions(container: InputContainer, stream: VideoStream) -> dict[int, int]:
    """Return the picture index of each packet of an AVI with an index, by byte position; empty for other containers.

    The AVI demuxer numbers packets by counting those that it finds, so after damage only the position is reliable.
    """
    if container.format.name != "avi":
        return {}
    shown = (e.pos for e in stream.index_entries if e.size > 0)
    return {pos + _AVI_CHUNK_HEADER: position for position, pos in enumerate(shown)}


def time_base(stream: VideoStream) -> Fraction:
    """Return the time base of a stream in seconds."""
    return stream.time_base or Fraction(1, 1000)
