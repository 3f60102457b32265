"""Determine from headers which packets give a picture.

Not every packet does: VP8 and VP9 store pictures that are only used as references, H.264 and MPEG-2 may store the two
fields of a frame in two packets, and MPEG-4 encodes "nothing changed" as a packet of its own. A full decode of a video
outputs as many pictures as these rules count packets. Indexing and decoding use the same rules, so that both count
equally.
"""

from __future__ import annotations

import re
import sys
from typing import Protocol

from wsvad.video.bit_reader import BitReader, BitsEnded
from wsvad.video.h26x import EncodedPacket, H264Pictures, HevcPictures


class PictureRule(Protocol):
    """Inspects packets in decode order."""

    certain_above_bytes: int
    """Packets that are no key frames and have more bytes than this give a picture; the rule need not inspect them."""

    def gives_picture(self, packet: EncodedPacket) -> bool | None:
        """Return True for one picture, False for none, None if only a decode can tell.

        Damaged packets count as pictures: these frames are lost, and recorded as missing.
        """
        ...


class Vp8Pictures:
    """RFC 6386, 9.1: the fourth bit of a frame is ``show_frame``."""

    certain_above_bytes = sys.maxsize

    def gives_picture(self, packet: EncodedPacket) -> bool | None:
        """Return True if the picture is shown."""
        return bool(memoryview(packet)[0] & 0x10)


class Vp9Pictures:
    """VP9 bitstream specification, 6.2 (``show_existing_frame``, ``show_frame``) and annex B (superframes)."""

    certain_above_bytes = sys.maxsize

    def gives_picture(self, packet: EncodedPacket) -> bool | None:
        """Return True for one shown frame, False for none, None for several (layers)."""
        data = bytes(packet)
        shown = sum(_vp9_shown(data[start : start + 2]) for start in _vp9_frames(data))
        return None if shown > 1 else shown == 1


def _vp9_frames(data: bytes) -> list[int]:
    """Return the offsets of the frames in a packet."""
    last = data[-1]
    count, size = (last & 7) + 1, (last >> 3 & 3) + 1
    length = 2 + count * size
    if last & 0xE0 != 0xC0 or len(data) < length or data[-length] != last:
        return [0]
    starts, position = [], 0
    for which in range(count):
        at = len(data) - length + 1 + which * size
        frame = int.from_bytes(data[at : at + size], "little")
        if frame:
            starts.append(position)
        position += frame
    return [start for start in starts if start < len(data)] or [0]


def _vp9_shown(head: bytes) -> bool:
    try:
        reader = BitReader(head)
        reader.bits(2)
        if reader.bits(1) + 2 * reader.bits(1) == 3:
            reader.bits(1)
        if reader.flag():
            return True
        reader.bits(1)
        return reader.flag()
    except BitsEnded:
        return True


class Av1Pictures:
    """AV1 bitstream specification, 5.3 and 5.9.2. Of several layers, decoders output one picture."""

    certain_above_bytes = sys.maxsize

    def gives_picture(self, packet: EncodedPacket) -> bool | None:
        """Return True if a frame of the packet is shown."""
        data = bytes(packet)
        position, frames, reduced = 0, 0, False
        while position < len(data):
            head = data[position]
            kind = head >> 3 & 15
            position += 2 if head & 4 else 1
            length = len(data) - position
            if head & 2:
                length, position = _leb128(data, position)
            body = data[position : position + 2]
            if kind == 1 and body:
                reduced = bool(body[0] >> 3 & 1)
            elif kind in (3, 6) and body:
                frames += 1
                if reduced or body[0] & 0x80 or body[0] & 0x10:
                    return True
            position += length
        return frames == 0


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    """Return a LEB128 number and the offset behind it."""
    value = 0
    for which in range(8):
        if position >= len(data):
            return value, position
        byte = data[position]
        position += 1
        value |= (byte & 127) << 7 * which
        if byte < 128:
            break
    return value, position


class Mpeg2Pictures:
    """ITU-T H.262, 6.2.3: a packet may hold one field of a frame; two of opposite parity make one picture."""

    certain_above_bytes = sys.maxsize

    def __init__(self) -> None:
        self._first_field = 0

    def gives_picture(self, packet: EncodedPacket) -> bool | None:
        """Return True for a frame, or for the first field of one."""
        data = bytes(packet)
        position = data.find(b"\0\0\1\0")
        if position < 0:
            return True
        structure = _mpeg2_structure(data, position)
        if structure not in (1, 2):
            self._first_field = 0
            return True
        second = data.find(b"\0\0\1\0", position + 4)
        if second >= 0 and _mpeg2_structure(data, second) == 3 - structure:
            self._first_field = 0
            return True
        if self._first_field == 3 - structure:
            self._first_field = 0
            return False
        self._first_field = structure
        return True


def _mpeg2_structure(data: bytes, picture: int) -> int:
    """Return the picture structure: 1 top field, 2 bottom field, 3 frame (also if it is not stated)."""
    position = data.find(b"\0\0\1\xb5", picture, picture + 64)
    if position < 0 or position + 6 >= len(data) or data[position + 4] >> 4 != 8:
        return 3
    return data[position + 6] & 3


_VOP_START = b"\0\0\1\xb6"
_PACKED = re.compile(rb"DivX\d+(?:Build|b)\d+p")
_MAX_NOT_CODED = 24
"""Maximum bytes of a picture that is not coded: a header and stuffing."""


class Mpeg4Pictures:
    """ISO/IEC 14496-2, 6.2.5: a picture that is not coded gives none.

    Exception: it stands for a picture that an earlier packet also contained ("packed bitstream" in AVI).
    """

    certain_above_bytes = sys.maxsize

    def __init__(self, extradata: bytes) -> None:
        self._time_bits = 0
        self._brought_along = 0
        self._packed = False
        self._layer(extradata)

    def gives_picture(self, packet: EncodedPacket) -> bool | None:
        """Return True for a coded picture, or for the placeholder of one."""
        data = bytes(packet)
        position = data.find(_VOP_START)
        if position < 0:
            return True
        self._layer(data[:position])
        coded = 0
        while position >= 0:
            coded += len(data) - position > _MAX_NOT_CODED or self._coded(data[position + 4 :])
            position = data.find(_VOP_START, position + 4) if self._packed else -1
        self._brought_along += coded - 1
        if self._brought_along < 0:
            self._brought_along = 0
            return False
        return True

    def _layer(self, data: bytes) -> None:
        """Read the number of bits of a timestamp (6.2.3), and whether the encoder states that it packs pictures."""
        self._packed = self._packed or _PACKED.search(data) is not None
        for kind in range(0x20, 0x30):
            position = data.find(bytes((0, 0, 1, kind)))
            if position >= 0:
                break
        else:
            return
        try:
            reader = BitReader(data[position + 4 : position + 40])
            reader.bits(9)
            version = 1
            if reader.flag():
                version = reader.bits(4)
                reader.bits(3)
            if reader.bits(4) == 15:
                reader.bits(16)
            if reader.flag():
                reader.bits(3)
                if reader.flag():
                    reader.bits(79)
            shape = reader.bits(2)
            if shape == 3 and version != 1:
                reader.bits(4)
            reader.bits(1)
            self._time_bits = max(1, (reader.bits(16) - 1).bit_length())
        except BitsEnded:
            return

    def _coded(self, data: bytes) -> bool:
        if not self._time_bits:
            return True
        try:
            reader = BitReader(data)
            reader.bits(2)
            while reader.flag():
                pass
            reader.bits(1 + self._time_bits + 1)
            return reader.flag()
        except BitsEnded:
            return True


def gives_picture(rule: PictureRule | None, packet: EncodedPacket, is_key: bool) -> bool | None:
    """Apply a rule to the next packet; packets that the rule need not inspect give a picture."""
    if rule is None or (packet.size > rule.certain_above_bytes and not is_key):
        return True
    return rule.gives_picture(packet)


def needs_sample_data(codec: str, rule: PictureRule | None) -> bool:
    """Return True if the packets of an MP4, whose table lists samples, must still be read to find those without one."""
    return codec in ("vp8", "mpeg4", "mpeg2video") or (isinstance(rule, H264Pictures) and rule.interlaced)


def picture_rule(codec: str, extradata: bytes | None) -> PictureRule | None:
    """Return the rule of a codec; None if every packet is one picture."""
    extra = extradata or b""
    match codec:
        case "h264":
            return H264Pictures(extra)
        case "hevc":
            return HevcPictures(extra)
        case "vp8":
            return Vp8Pictures()
        case "vp9":
            return Vp9Pictures()
        case "av1" | "libdav1d":
            return Av1Pictures()
        case "mpeg2video":
            return Mpeg2Pictures()
        case "mpeg4":
            return Mpeg4Pictures(extra)
    return None
