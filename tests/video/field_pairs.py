"""Write H.264 stored as separate fields, which no available encoder writes. Every macroblock is raw (I_PCM)."""

from __future__ import annotations

from collections.abc import Sequence

import av
import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]


class _Bits:
    def __init__(self) -> None:
        self._text: list[str] = []

    def put(self, value: int, count: int) -> None:
        self._text.append(format(value, f"0{count}b"))

    def golomb(self, value: int) -> None:
        digits = format(value + 1, "b")
        self._text.append("0" * (len(digits) - 1) + digits)

    def align(self) -> None:
        self._text = ["".join(self._text)]
        self._text.append("0" * (-len(self._text[0]) % 8))

    def raw(self, data: bytes) -> None:
        self._text.append("".join(format(byte, "08b") for byte in data))

    def trailing(self) -> bytes:
        self._text.append("1")
        self.align()
        text = "".join(self._text)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def _unit(head: int, payload: bytes) -> bytes:
    """Return a NAL unit with its start code and emulation prevention."""
    safe, zeros = bytearray(), 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            safe.append(3)
            zeros = 0
        safe.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return b"\0\0\0\1" + bytes((head,)) + bytes(safe)


def parameter_sets(width: int, height: int) -> bytes:
    """Return the sequence and picture parameter sets of interlaced video; the sides are multiples of 16 and 32."""
    sequence = _Bits()
    for value in (77, 0, 30):
        sequence.put(value, 8)
    for value in (0, 0, 2, 1):  # id, bits of frame_num, kind of picture order, reference frames
        sequence.golomb(value)
    sequence.put(0, 1)
    sequence.golomb(width // 16 - 1)
    sequence.golomb(height // 32 - 1)
    sequence.put(0b00100, 5)  # frame_mbs_only_flag is 0
    picture = _Bits()
    picture.golomb(0)
    picture.golomb(0)
    picture.put(0, 2)
    for _ in range(3):
        picture.golomb(0)
    picture.put(0, 3)
    for _ in range(3):
        picture.golomb(0)
    picture.put(0b100, 3)
    return _unit(0x67, sequence.trailing()) + _unit(0x68, picture.trailing())


def _field(planes: Sequence[Frames], number: int, *, key: bool, bottom: bool) -> bytes:
    bits = _Bits()
    bits.golomb(0)
    bits.golomb(7)
    bits.golomb(0)
    bits.put(0 if key else number % 16, 4)
    bits.put(1, 1)
    bits.put(int(bottom), 1)
    idr = key and not bottom
    if idr:
        bits.golomb(number % 2)
        bits.put(0, 2)
    else:
        bits.put(0, 1)
    bits.golomb(0)
    bits.golomb(1)
    luma, blue, red = (plane[int(bottom) :: 2] for plane in planes)
    for down in range(luma.shape[0] // 16):
        for across in range(luma.shape[1] // 16):
            bits.golomb(25)
            bits.align()
            bits.raw(luma[16 * down : 16 * down + 16, 16 * across : 16 * across + 16].tobytes())
            for chroma in (blue, red):
                bits.raw(chroma[8 * down : 8 * down + 8, 8 * across : 8 * across + 8].tobytes())
    return _unit(0x65 if idr else 0x21, bits.trailing())


def field_packets(pictures: Sequence[Frames], keys_every: int = 24) -> list[tuple[bytes, bytes]]:
    """Return the top and bottom field of every picture ``[height, width, 3]`` as H.264 with start codes."""
    result = []
    height, width = pictures[0].shape[:2]
    since_key = 0
    for place, image in enumerate(pictures):
        key = place % keys_every == 0
        since_key = 0 if key else since_key + 1
        flat = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p").to_ndarray()
        luma = flat[:height]
        chroma = flat[height:].reshape(2, height // 2, width // 2)
        planes = (luma, chroma[0], chroma[1])
        top = _field(planes, since_key, key=key, bottom=False)
        if key:
            top = parameter_sets(width, height) + top
        result.append((top, _field(planes, since_key, key=key, bottom=True)))
    return result
