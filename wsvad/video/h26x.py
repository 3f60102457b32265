"""Determine from NAL units of H.264 and H.265 which packets give a picture.

Sources: ITU-T H.264 (7.3, 7.4.1.2), ITU-T H.265 (8.1).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from wsvad.video.bit_reader import BitReader, BitsEnded

_HEADER_BYTES = 64
"""Bytes inspected per NAL unit; slice headers up to the field flags need about 12."""
_SPS_BYTES = 512
_EXTRA_CHROMA_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_MAX_UNITS = 512
_START = rb"\x00?\x00\x00\x01"
_H264_SLICE = rb"[\x01\x21\x41\x61\x05\x25\x45\x65]"
_HEVC_SLICE = rb"[\x00-\x1e][\x01-\x07]"
"""First bytes of slices of the base layer that do not start a new coded video sequence."""
_H264_BEGINS = re.compile(rb"(?:%b\x09.)?%b%b" % (_START, _START, _H264_SLICE), re.DOTALL)
_HEVC_BEGINS = re.compile(rb"(?:%b\x46\x01.)?%b%b" % (_START, _START, _HEVC_SLICE), re.DOTALL)
"""A slice at the beginning of a packet, optionally behind an access unit delimiter."""
_HEVC_END = re.compile(rb"\x00\x00(?:\x01|\x00\x02)[\x48\x4a]\x01", re.DOTALL)
"""NAL unit for end of sequence or end of bitstream, behind a start code or a length field."""
_TAIL = 64
_H264_NO_SLICES = frozenset({6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
_MAX_WITHOUT_SLICES = 64
"""Maximum bytes of a packet of only delimiters and SEI messages; a larger packet that is no key frame has a slice."""


class EncodedPacket(Protocol):
    """A packet as returned by the demuxer; ``bytes(packet)`` is its data."""

    @property
    def size(self) -> int:
        """Length of the data in bytes."""
        ...

    @property
    def is_keyframe(self) -> bool:
        """True if a decode may start here."""
        ...

    def __buffer__(self, flags: int, /) -> memoryview: ...


def nal_units(data: bytes, length_size: int, limit: int = _HEADER_BYTES) -> Iterator[bytes]:
    """Yield the first ``limit`` bytes of every NAL unit, without emulation prevention bytes.

    Args:
        data: A packet, or parameter sets.
        length_size: Bytes of the length field before every unit; 0 for start codes (Annex B).
        limit: Maximum bytes per unit.
    """
    starts = _by_length(data, length_size) if length_size else _by_start_code(data)
    for count, (start, stop) in enumerate(starts):
        if count == _MAX_UNITS:
            return
        yield data[start : min(stop, start + limit)].replace(b"\0\0\3", b"\0\0")


def _by_length(data: bytes, length_size: int) -> Iterator[tuple[int, int]]:
    position = 0
    while position + length_size < len(data):
        length = int.from_bytes(data[position : position + length_size], "big")
        position += length_size
        yield position, min(position + length, len(data))
        position += length


def _by_start_code(data: bytes) -> Iterator[tuple[int, int]]:
    start = data.find(b"\0\0\1")
    while start >= 0:
        # the end of the unit is not searched: only its first bytes are read, and searching a whole slice is slow
        yield start + 3, len(data)
        start = data.find(b"\0\0\1", start + 3)


def _damaged(data: bytes) -> bool:
    """Return True if a packet without slices is damaged: four zero bytes in a row, or no NAL unit at all."""
    return b"\0\0\0\0" in data or b"\0\0" not in data


@dataclass(frozen=True)
class _SliceFormat:
    """Slice header format, from a sequence parameter set."""

    frame_num_bits: int
    interlaced: bool
    """Pictures may be single fields (``frame_mbs_only_flag`` is 0)."""
    colour_planes: bool


@dataclass(frozen=True)
class _Field:
    frame_num: int
    bottom: bool


class H264Pictures:
    """Recognizes packets without a picture: the second field of a field pair, and packets without slices."""

    def __init__(self, extradata: bytes) -> None:
        avc = extradata[:1] == b"\1" and len(extradata) > 6
        self._length_size = (extradata[4] & 3) + 1 if avc else 0
        self._begins = (re.compile(_H264_SLICE) if avc else _H264_BEGINS).match
        self._sets: dict[int, _SliceFormat] = {}
        self._of_picture_set: dict[int, int] = {}
        self._read: set[bytes] = set()
        """Parameter sets already parsed; most streams repeat them before every key frame."""
        self._first_field: _Field | None = None
        self.interlaced = True
        """True if a parameter set allows fields, or if none has been seen yet."""
        self.certain_above_bytes = sys.maxsize
        for unit in _avc_sets(extradata) if avc else nal_units(extradata, 0, _SPS_BYTES):
            self._parameter_set(unit)

    def gives_picture(self, packet: EncodedPacket) -> bool | None:
        """Return True if the packet gives a picture. Call in decode order; damaged packets count as pictures."""
        data = bytes(packet)
        if not self.interlaced and self._begins(data, self._length_size):
            return True
        fields: list[_Field] = []
        for unit in nal_units(data, self._length_size):
            kind = unit[0] & 31 if unit else 0
            if kind in (1, 2, 5):
                field = self._field(unit)
                if field is None or (fields and field.bottom != fields[0].bottom):
                    self._first_field = None
                    return True
                fields.append(field)
            elif kind in (7, 8) and unit not in self._read:
                self._read.add(unit)
                self._parameter_set(_whole(data, unit, self._length_size))
            elif kind not in _H264_NO_SLICES:
                return True
        if not fields:
            return _damaged(data)
        first, self._first_field = self._first_field, fields[0]
        if first is not None and first.frame_num == fields[0].frame_num and first.bottom != fields[0].bottom:
            self._first_field = None
            return False
        return True

    def _field(self, unit: bytes) -> _Field | None:
        """Return the field of a slice; None for a slice of a frame, or if the header cannot be read."""
        try:
            reader = BitReader(unit, 8)
            reader.golomb()  # first_mb_in_slice
            reader.golomb()  # slice_type
            parameters = self._sets.get(self._of_picture_set.get(reader.golomb(), -1))
            if parameters is None or not parameters.interlaced:
                return None
            if parameters.colour_planes:
                reader.bits(2)
            frame_num = reader.bits(parameters.frame_num_bits)
            return _Field(frame_num, reader.flag()) if reader.flag() else None
        except BitsEnded:
            return None

    def _parameter_set(self, unit: bytes) -> None:
        try:
            if unit and unit[0] & 31 == 7:
                number, parameters = _sequence_parameters(unit)
                self._sets[number] = parameters
                self.interlaced = any(s.interlaced for s in self._sets.values())
                self.certain_above_bytes = sys.maxsize if self.interlaced else _MAX_WITHOUT_SLICES
            elif unit and unit[0] & 31 == 8:
                reader = BitReader(unit, 8)
                picture_set = reader.golomb()
                self._of_picture_set[picture_set] = reader.golomb()
        except BitsEnded:
            return


def _whole(data: bytes, unit: bytes, length_size: int) -> bytes:
    """Return up to 512 bytes of a parameter set of which ``unit`` is the beginning."""
    if len(unit) < _HEADER_BYTES // 2:
        return unit
    for longer in nal_units(data, length_size, _SPS_BYTES):
        if longer.startswith(unit[: _HEADER_BYTES // 2]):
            return longer
    return unit


def _avc_sets(extradata: bytes) -> Iterator[bytes]:
    """Yield the parameter sets of an ``avcC`` record (ISO/IEC 14496-15, 5.3.3.1)."""
    position = 5
    for mask in (31, 255):
        if position >= len(extradata):
            return
        count, position = extradata[position] & mask, position + 1
        for _ in range(count):
            length = int.from_bytes(extradata[position : position + 2], "big")
            yield extradata[position + 2 : position + 2 + length].replace(b"\0\0\3", b"\0\0")
            position += 2 + length


def _sequence_parameters(unit: bytes) -> tuple[int, _SliceFormat]:
    """Parse a sequence parameter set up to ``frame_mbs_only_flag`` (ITU-T H.264, 7.3.2.1.1)."""
    reader = BitReader(unit, 8)
    profile = reader.bits(8)
    reader.bits(16)
    number = reader.golomb()
    colour_planes = False
    if profile in _EXTRA_CHROMA_PROFILES:
        chroma = reader.golomb()
        colour_planes = chroma == 3 and reader.flag()
        reader.golomb()
        reader.golomb()
        reader.flag()
        if reader.flag():
            for which in range(8 if chroma != 3 else 12):
                if reader.flag():
                    _skip_scaling_list(reader, 16 if which < 6 else 64)
    frame_num_bits = reader.golomb() + 4
    order_kind = reader.golomb()
    if order_kind == 0:
        reader.golomb()
    elif order_kind == 1:
        reader.flag()
        reader.signed_golomb()
        reader.signed_golomb()
        for _ in range(min(reader.golomb(), 255)):
            reader.signed_golomb()
    reader.golomb()  # max_num_ref_frames
    reader.flag()
    reader.golomb()
    reader.golomb()
    return number, _SliceFormat(frame_num_bits, not reader.flag(), colour_planes)


def _skip_scaling_list(reader: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + reader.signed_golomb() + 256) % 256
        last = following or last


class HevcPictures:
    """Recognizes packets without a picture: leading pictures that the decoder skips (RASL), and packets without slices.

    A leading picture refers to pictures before its random access picture. Decoders skip it if there are none: at the
    start of the stream, after an end of sequence, at a broken link (ITU-T H.265, 8.1.3, NoRaslOutputFlag).
    """

    def __init__(self, extradata: bytes) -> None:
        record = extradata[:1] == b"\1" and len(extradata) > 22
        self._length_size = (extradata[21] & 3) + 1 if record else 0
        self._begins = (re.compile(_HEVC_SLICE, re.DOTALL) if record else _HEVC_BEGINS).match
        self.certain_above_bytes = sys.maxsize  # every packet may end a sequence
        self._skips_leading = True
        self._sequence_ended = True
        self._before: EncodedPacket | None = None

    def gives_picture(self, packet: EncodedPacket) -> bool | None:
        """Return True if the packet gives a picture. Call in decode order; damaged packets count as pictures."""
        before, self._before = self._before, packet
        if not self._skips_leading and packet.size > _MAX_WITHOUT_SLICES and not packet.is_keyframe:
            return True
        data = bytes(packet)
        if not self._skips_leading and self._begins(data, self._length_size):
            return True
        if before is not None and _HEVC_END.search(bytes(before)[-_TAIL:]):
            self._sequence_ended = True
        for unit in nal_units(data, self._length_size, 2):
            if len(unit) < 2:
                return True
            kind, layer = unit[0] >> 1 & 63, (unit[0] & 1) << 5 | unit[1] >> 3
            if kind < 32 and layer == 0:
                return self._slice(kind)
            if kind in (36, 37):
                self._sequence_ended = True
        return _damaged(data)

    def _slice(self, kind: int) -> bool:
        if 16 <= kind <= 23:  # IRAP: a random access picture
            self._skips_leading = kind <= 18 or self._sequence_ended
            self._sequence_ended = False
        return not (kind in (8, 9) and self._skips_leading)
