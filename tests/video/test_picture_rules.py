"""Header rules that decide whether a packet gives a picture; ``test_matrix`` compares them with decoders."""

from __future__ import annotations

from dataclasses import dataclass

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.video.field_pairs import field_packets, parameter_sets
from tests.video.synthetic import picture
from wsvad.video.bit_reader import BitReader, BitsEnded
from wsvad.video.h26x import EncodedPacket, H264Pictures, HevcPictures
from wsvad.video.picture_rules import PictureRule, needs_sample_data, picture_rule

RULES = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg2video", "mpeg4")


def packet(data: bytes, *, key: bool = False) -> EncodedPacket:
    """Return a packet as the demuxer returns it."""
    made = av.Packet(data)
    made.is_keyframe = key
    return made


def answers(rule: PictureRule | None, *packets: bytes) -> list[bool | None]:
    """Apply a rule to packets one after the other."""
    assert rule is not None
    return [rule.gives_picture(packet(data)) for data in packets]


def hevc(*kinds: int, layer: int = 0) -> bytes:
    """Return an access unit of NAL units of these kinds, with start codes."""
    heads = [bytes((kind << 1 | layer >> 5, (layer & 31) << 3 | 1)) for kind in kinds]
    return b"".join(b"\0\0\0\1" + head + b"\x55" * 20 for head in heads)


@dataclass(frozen=True)
class Kind:
    """NAL unit types of H.265 (table 7-1)."""

    trailing: int = 1
    rasl: int = 8
    broken_link: int = 16
    instant: int = 19
    clean: int = 21
    delimiter: int = 35
    message: int = 39


K = Kind()


def test_leading_pictures_are_skipped_without_references() -> None:
    """At the start, at a broken link, and after an end of sequence; not at a clean random access point elsewhere."""
    end = b"\0\0\0\1" + bytes((36 << 1, 1))
    rule = HevcPictures(b"")
    packets = [hevc(K.clean), hevc(K.rasl), hevc(K.trailing), hevc(K.clean), hevc(K.rasl), hevc(K.trailing) + end]
    packets += [hevc(K.clean), hevc(K.rasl), hevc(K.instant), hevc(K.clean), hevc(K.rasl)]
    packets += [hevc(K.broken_link), hevc(K.rasl), hevc(K.trailing)]
    keys = {0, 3, 6, 8, 9, 11}
    found = [rule.gives_picture(packet(data, key=i in keys)) for i, data in enumerate(packets)]
    assert [i for i, given in enumerate(found) if not given] == [1, 7, 12]


def test_packets_without_a_slice_give_no_picture() -> None:
    """Only delimiters, parameter sets and messages; slices of another layer do not count."""
    assert answers(HevcPictures(b""), hevc(K.delimiter, K.message), hevc(K.trailing, layer=1), hevc(K.trailing)) == [
        False,
        False,
        True,
    ]
    h264 = H264Pictures(b"")
    assert answers(h264, b"\0\0\0\1\x09\x10", parameter_sets(96, 64), b"\0\0\0\1\x06\x05\x01\x55\x80") == [False] * 3


def test_damage_counts_as_a_picture() -> None:
    """Lost pictures are recorded as missing, so they must remain in the count."""
    damaged = (bytes(500), b"\0\0\0\1\x09\x10" + bytes(500), b"\x55" * 500)
    for codec in ("h264", "hevc", "mpeg4", "mpeg2video"):
        assert answers(picture_rule(codec, b""), *damaged) == [True] * 3, codec


def test_fields_are_paired_across_and_within_packets() -> None:
    """Two packets per frame: the second gives none. Both in one packet: one picture. A lone field: one picture."""
    pictures = [picture(n, 96, 64) for n in range(4)]
    fields = field_packets(pictures)
    split = [field for pair in fields for field in pair]
    assert answers(H264Pictures(b""), *split) == [True, False] * 4
    assert answers(H264Pictures(b""), *(top + bottom for top, bottom in fields)) == [True] * 4
    assert answers(H264Pictures(b""), fields[0][0], fields[1][0], fields[1][1]) == [True, True, False]
    assert needs_sample_data("h264", H264Pictures(parameter_sets(96, 64)))


def mpeg2(structure: int) -> bytes:
    """Return a picture header with its coding extension, and a slice."""
    extension = bytes((0x8F, 0xFF, 0xF0 | structure, 0x80, 0x80))
    return b"\0\0\1\0\x00\x0f\xff\xf8\0\0\1\xb5" + extension + b"\0\0\1\1" + b"\x55" * 50


def test_fields_of_mpeg2() -> None:
    """Top and bottom in two packets, in one, and whole frames."""
    rule = picture_rule("mpeg2video", b"")
    assert answers(rule, mpeg2(1), mpeg2(2), mpeg2(2), mpeg2(1), mpeg2(1) + mpeg2(2), mpeg2(3)) == [
        *(True, False, True, False),
        *(True, True),
    ]


def test_hidden_frames_of_vp8_vp9_and_av1() -> None:
    """References that are not shown, frames that are shown again, superframes."""
    assert answers(picture_rule("vp8", b""), b"\x10\0\0", b"\x00\0\0", b"\x11\0\0", b"\x01\0\0") == [True, False] * 2
    shown, hidden, again = b"\x82\x00" + b"\x55" * 8, b"\x80\x00" + b"\x55" * 8, b"\x88"
    marker = 0b11000001  # two frames, sizes of one byte

    def together(*frames: bytes) -> bytes:
        sizes = bytes(len(frame) for frame in frames)
        return b"".join(frames) + bytes((marker,)) + sizes + bytes((marker,))

    vp9 = picture_rule("vp9", b"")
    packets = (shown, hidden, again, together(hidden, shown), together(hidden, hidden), together(shown, shown))
    assert answers(vp9, *packets) == [True, False, True, True, False, None]
    delimiter, sequence = b"\x12\x00", b"\x0a\x01\x00"
    frame = {name: bytes((0x32, 2, first, 0)) for name, first in (("shown", 0x10), ("hidden", 0x00), ("again", 0x80))}
    av1 = picture_rule("av1", b"")
    packets = (delimiter + sequence + frame["shown"], delimiter + frame["hidden"], delimiter + frame["again"])
    assert answers(av1, *packets, frame["hidden"] + frame["shown"]) == [True, False, True, True]


def test_pictures_that_are_not_coded() -> None:
    """MPEG-4: a picture that is not coded gives none; the placeholder of a packed picture gives the packed one."""
    layer = av.CodecContext.create("mpeg4", "w")
    layer.width, layer.height, layer.pix_fmt, layer.framerate = 96, 64, "yuv420p", 25
    layer.flags |= 1 << 22
    layer.open()
    header = layer.extradata
    assert header
    coded, nothing = b"\0\0\1\xb6\x50\x5f" + b"\x55" * 60, b"\0\0\1\xb6\x50\x4f"
    assert answers(picture_rule("mpeg4", header), coded, nothing, coded) == [True, False, True]
    packed = header + b"\0\0\1\xb2DivX503b1393p"
    assert answers(picture_rule("mpeg4", packed), coded + coded, nothing, coded, nothing) == [True, True, True, False]


@given(st.lists(st.binary(min_size=1, max_size=80), max_size=6), st.sampled_from(RULES), st.binary(max_size=60))
def test_no_bytes_break_a_rule(packets: list[bytes], codec: str, extradata: bytes) -> None:
    """Arbitrary headers never raise."""
    for answer in answers(picture_rule(codec, extradata), *packets):
        assert answer in (True, False, None)


def test_exp_golomb() -> None:
    """Values of ITU-T H.264, table 9-2."""
    reader = BitReader(bytes((0b10100110, 0b01000010, 0b10000000)))
    assert [reader.golomb() for _ in range(5)] == [0, 1, 2, 3, 4]
    assert BitReader(b"\x28").signed_golomb() == -2
    with pytest.raises(BitsEnded):
        BitReader(b"\x00").golomb()
    with pytest.raises(BitsEnded):
        BitReader(b"\xff").bits(9)
