"""Videos of every container and codec, intact and as archives hold them: truncated, joined, with faulty timestamps.

``make_cell`` writes one of them and describes the expected result: pictures show their number, and every number has
the time at which it was recorded.
"""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av

from tests.video.field_pairs import field_packets
from tests.video.synthetic import picture

os.environ.setdefault("SVT_LOG", "0")  # the AV1 encoder writes of its settings otherwise
FRAMES = 96
WIDTH, HEIGHT, FPS = 96, 64, 25
_X264 = {"preset": "ultrafast", "crf": "30"}
_GOP = "keyint=24:min-keyint=24:scenecut=0:b-adapt=0:repeat-headers=1"
_X265 = "keyint=24:min-keyint=24:scenecut=0:bframes=3:b-adapt=0:log-level=none:pools=1:frame-threads=1:repeat-headers=1"

CODECS: dict[str, tuple[str, dict[str, str], str]] = {
    "h264": ("libx264", {"x264-params": f"{_GOP}:bframes=0", **_X264}, "yuv420p"),
    "h264_b": ("libx264", {"x264-params": f"{_GOP}:bframes=3:open-gop=0", **_X264}, "yuv420p"),
    "h264_open": ("libx264", {"x264-params": f"{_GOP}:bframes=3:open-gop=1", **_X264}, "yuv420p"),
    "hevc": ("libx265", {"preset": "ultrafast", "x265-params": f"{_X265}:open-gop=1"}, "yuv420p"),
    "vp8": ("libvpx", {"g": "24", "lag-in-frames": "16", "auto-alt-ref": "1", "cpu-used": "8"}, "yuv420p"),
    "vp9": ("libvpx-vp9", {"g": "24", "lag-in-frames": "16", "auto-alt-ref": "1", "cpu-used": "8"}, "yuv420p"),
    "av1": ("libsvtav1", {"g": "24", "preset": "12", "svtav1-params": "lp=1"}, "yuv420p"),
    "mpeg2": ("mpeg2video", {"g": "12", "bf": "2", "q": "4"}, "yuv420p"),
    "mpeg4": ("mpeg4", {"g": "24", "q": "4"}, "yuv420p"),
    "mpeg4_b": ("mpeg4", {"g": "24", "bf": "2", "q": "4"}, "yuv420p"),
    "mpeg4_packed": ("mpeg4", {"g": "24", "bf": "1", "q": "4"}, "yuv420p"),
    "mjpeg": ("mjpeg", {"q": "4"}, "yuvj420p"),
    "h264_fields": ("", {}, ""),
    "h264_field_pairs": ("", {}, ""),
}
"""Encoder, options, pixel format by name; field pairs are made by hand, two packets a frame or one."""

CONTAINERS = {"mp4": "mp4", "mkv": "matroska", "ts": "mpegts", "mpg": "vob", "avi": "avi", "flv": "flv", "webm": "webm"}
"""Format by file ending; elementary streams are ``raw``."""
_RAW = {"h264": "h264", "hevc": "hevc", "mpeg2": "mpeg2video", "mpeg4": "m4v", "mjpeg": "mjpeg"}
_IN_WEBM = ("vp8", "vp9", "av1")
_NOT_IN = {
    "mp4": ("vp8", "mpeg4_packed"),
    "mpg": ("vp8", "vp9", "av1", "mpeg4", "mpeg4_b", "mpeg4_packed", "mjpeg", "hevc"),
    "ts": ("vp8", "vp9", "av1", "mjpeg", "mpeg4_packed"),
    "flv": ("vp8", "mpeg2", "mpeg4", "mpeg4_b", "mpeg4_packed", "mjpeg"),
    "raw": ("vp8", "vp9", "av1", "mpeg4_packed"),
    "avi": ("av1",),
    "mkv": (),
}

TREATMENTS = ("whole", "cut", "joined", "repeated", "missing", "gap", "jump", "dropped", "decode_stamps")
_REORDERED = ("h264_b", "h264_open", "hevc", "mpeg2", "mpeg4_b")


@dataclass
class Packet:
    """An encoded packet; times in units of 1/25 s."""

    data: bytes
    pts: int | None
    dts: int | None
    key: bool


@dataclass
class Encoded:
    """A stream of packets, and what a muxer needs from its encoder."""

    packets: list[Packet]
    header: bytes
    """A NUT file of the same stream, as a template."""


@dataclass
class Cell:
    """One file of the matrix."""

    path: Path
    times: dict[int, float] = field(default_factory=dict)
    """Seconds at which each picture was recorded, by its number."""
    jumps: bool = False
    """The clock was set during the recording: later times continue without the jump."""


def cells() -> Iterator[tuple[str, str, str]]:
    """Yield ``(container, codec, treatment)`` of every meaningful combination."""
    for container in (*CONTAINERS, "raw"):
        for codec in CODECS:
            family = codec.split("_")[0] if codec != "mpeg4_packed" else codec
            if container == "webm":
                if codec not in _IN_WEBM:
                    continue
            elif codec in _NOT_IN[container] or family in _NOT_IN[container]:
                continue
            if codec == "mpeg4_packed" and container not in ("avi", "mkv"):
                continue
            for treatment in TREATMENTS:
                if container == "raw" and treatment not in ("whole", "cut", "joined"):
                    continue
                if treatment == "decode_stamps" and (codec not in _REORDERED or container in ("avi", "mpg")):
                    continue
                yield container, codec, treatment


def pts_of(treatment: str) -> Callable[[int], int]:
    """Return the function from frame number to presentation timestamp of a treatment, in frames."""
    match treatment:
        case "gap":
            return lambda n: n if n < 56 else n + 30 * FPS
        case "jump":
            return lambda n: n if n < 56 else n + 10 * 365 * 86_400 * FPS
        case "dropped":
            return lambda n: n if n < 40 else n + 30 if n < 60 else n + 90
    return lambda n: n


def make_cell(folder: Path, container: str, codec: str, treatment: str) -> Cell | None:
    """Write one file of the matrix; return ``None`` if no muxer can write it."""
    stamp = pts_of(treatment)
    encoded = encode(codec, treatment if treatment in ("gap", "dropped") else "whole", 0)
    packets = list(encoded.packets)
    path = folder / f"{codec}_{treatment}.{container if container != 'raw' else codec.split('_')[0]}"
    cell = Cell(path, {n: stamp(n) / FPS for n in range(FRAMES)})
    if treatment == "jump":
        cell.jumps, cell.times = True, {n: n / FPS for n in range(FRAMES)}
        packets = [_moved(p, stamp) for p in packets]
    elif treatment == "cut":
        second = [i for i, p in enumerate(packets) if p.key][1]
        packets = packets[second:]
        if container == "avi":  # whose muxer would write the first packet at 0 and the next where it belongs
            start = min(p.dts for p in packets if p.dts is not None)
            packets = [_shift(p, -start) for p in packets]
    elif treatment == "repeated":
        packets = _repeated(packets)
    elif treatment == "decode_stamps":  # as recorders do that pass on what a camera sends
        packets = [Packet(p.data, place, place, p.key) for place, p in enumerate(packets)]
    elif treatment == "missing":
        packets = [Packet(p.data, None if i == 51 else p.pts, p.dts, p.key) for i, p in enumerate(packets)]
    elif treatment == "joined":
        other = encode(codec, "whole", FRAMES)
        cell.times = {n: n / FPS for n in range(2 * FRAMES)}
        if container in ("ts", "mpg", "raw"):
            data = b""
            for part in (encoded, other):
                if not mux(path, container, codec, part, part.packets):
                    return None
                data += path.read_bytes()
            path.write_bytes(data)
            cell.jumps = container != "raw"  # the second recording's stamps begin at its own start
            return cell
        packets += [Packet(p.data, _plus(p.pts), _plus(p.dts), p.key) for p in other.packets]
    made = mux(path, container, codec, encoded, packets)
    return cell if made and (treatment != "jump" or _can_store_jump(path)) else None


def _plus(stamp: int | None) -> int | None:
    return None if stamp is None else stamp + FRAMES


def _moved(packet: Packet, stamp: Callable[[int], int]) -> Packet:
    pts = None if packet.pts is None else stamp(packet.pts)
    return Packet(packet.data, pts, None if packet.dts is None else stamp(packet.dts), packet.key)


def _can_store_jump(path: Path) -> bool:
    """Return True if the container can store timestamps that are years apart."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        latest = max(packet.pts or 0 for packet in container.demux(stream))
        return latest * float(stream.time_base or 0) > 9 * 365 * 86_400


def _repeated(packets: list[Packet]) -> list[Packet]:
    """Set the presentation timestamp of one packet to that of the frame before it."""
    changed = list(packets)
    usual = [i for i, p in enumerate(packets) if i > 50 and p.pts is not None]
    at = next((i for i in usual if not packets[i].key), usual[0])
    victim = packets[at]
    assert victim.pts is not None
    pts = victim.pts - 1
    dts = None if victim.dts is None else min(victim.dts, pts)
    changed[at] = Packet(victim.data, pts, dts, victim.key)
    return changed


@functools.cache
def encode(codec: str, treatment: str, first: int) -> Encoded:
    """Encode the numbered pictures ``first`` to ``first + FRAMES``, with the timestamps of a treatment."""
    if codec in ("h264_fields", "h264_field_pairs"):
        return _encode_fields(codec, treatment, first)
    encoder, options, pixels = CODECS[codec]
    stamp = pts_of(treatment)
    file = io.BytesIO()
    with av.open(file, "w", format="nut") as container:
        stream = container.add_stream(encoder, rate=FPS, options=dict(options))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = Fraction(1, FPS)
        for number in range(first, first + FRAMES):
            frame = av.VideoFrame.from_ndarray(picture(number, WIDTH, HEIGHT), format="rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = stamp(number - first), Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return _read_nut(file.getvalue(), packed=codec == "mpeg4_packed")


def _read_nut(data: bytes, *, packed: bool) -> Encoded:
    packets = []
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            if packet.size:
                unit = packet.time_base * FPS
                pts = None if packet.pts is None else round(packet.pts * unit)
                dts = None if packet.dts is None else round(packet.dts * unit)
                packets.append(Packet(bytes(packet), pts, dts, packet.is_keyframe))
    start = min(p.pts for p in packets if p.pts is not None)
    packets = [_shift(p, -start) for p in packets]
    return Encoded(_pack(packets) if packed else packets, data)


def _shift(packet: Packet, by: int) -> Packet:
    pts = None if packet.pts is None else packet.pts + by
    return Packet(packet.data, pts, None if packet.dts is None else packet.dts + by, packet.key)


def _pack(packets: list[Packet]) -> list[Packet]:
    """Move every B picture into the packet of the P picture before it; replace it by a picture that is not coded."""
    result = list(packets)
    for i in range(1, len(packets)):
        ahead, this = packets[i - 1], packets[i]
        assert this.pts is not None
        assert ahead.pts is not None
        if this.pts < ahead.pts:
            result[i - 1] = Packet(ahead.data + this.data, ahead.pts, ahead.dts, ahead.key)
            result[i] = Packet(_NOT_CODED, this.pts, this.dts, False)
    return [Packet(_PACKED + p.data, p.pts, p.dts, True) if p.key else p for p in result]


_NOT_CODED = bytes.fromhex("000001b6504f")
_PACKED = b"\0\0\1\xb2DivX503b1393p"


def _encode_fields(codec: str, treatment: str, first: int) -> Encoded:
    stamp = pts_of(treatment)
    packets = []
    pictures = [picture(n, WIDTH, HEIGHT) for n in range(first, first + FRAMES)]
    for number, fields in enumerate(field_packets(pictures)):
        key = number % 24 == 0
        if codec == "h264_field_pairs":
            packets.append(Packet(b"".join(fields), stamp(number), stamp(number), key))
        else:
            packets.append(Packet(fields[0], stamp(number), stamp(number), key))
            packets.append(Packet(fields[1], None, None, False))
    return Encoded(packets, b"".join(packet.data for packet in packets[:8]))


def mux(path: Path, container: str, codec: str, encoded: Encoded, packets: list[Packet]) -> bool:
    """Write packets into a container; return ``False`` if its muxer refuses them."""
    kind = CONTAINERS[container] if container != "raw" else _RAW[codec.split("_")[0]]
    with av.open(io.BytesIO(encoded.header)) as template:
        source = template.streams.video[0]
        sets = source.codec_context.extradata if codec.startswith("mpeg4") else None
        try:
            with av.open(str(path), "w", format=kind) as out:
                stream = _av1_stream(out) if codec == "av1" else out.add_stream_from_template(source)
                for packet in packets:
                    data = (sets or b"") + packet.data if packet.key else packet.data
                    made = av.Packet(data)
                    made.stream, made.time_base = stream, Fraction(1, FPS)
                    made.pts, made.dts, made.duration = packet.pts, packet.dts, 1
                    made.is_keyframe = packet.key
                    out.mux_one(made)
        except (av.FFmpegError, ValueError):
            return False
    return True


def _av1_stream(out: av.container.OutputContainer) -> av.VideoStream:
    """Return an encoder's stream with its sequence header, because a decoder cannot be the template of an output."""
    encoder, options, pixels = CODECS["av1"]
    stream = out.add_stream(encoder, rate=FPS, options=dict(options))
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
    return stream
