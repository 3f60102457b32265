"""Bounds-checked reader of the Protocol Buffers wire format; the four messages needed here require no compiler."""

from __future__ import annotations

from collections.abc import Iterator

from wsvad.errors import WeightsError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {FIXED64: 8, FIXED32: 4}
_VARINT_BYTES = 10


def read_varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return an unsigned integer below 2**64 and the offset behind it.

    Raises:
        WeightsError: The data ends within the integer, or it is too long.
    """
    value = 0
    for place in range(_VARINT_BYTES):
        if at + place >= len(data):
            raise WeightsError("an integer is truncated")
        byte = data[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            if value >> 64:
                break
            return value, at + place + 1
    raise WeightsError("an integer is longer than 64 bits")


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each field of a message: an integer, or the bytes of text and nested messages.

    Raises:
        WeightsError: The data is not a message.
    """
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        kind = tag & 7
        if kind == VARINT:
            value, at = read_varint(data, at)
            yield tag >> 3, value
            continue
        if kind == BYTES:
            size, at = read_varint(data, at)
        elif kind in _FIXED_SIZES:
            size = _FIXED_SIZES[kind]
        else:
            raise WeightsError(f"a field of the unknown wire type {kind}")
        if size > len(data) - at:
            raise WeightsError("a field extends beyond its message")
        content = data[at : at + size]
        at += size
        yield tag >> 3, content if kind == BYTES else int.from_bytes(content, "little")


def signed(value: int | memoryview) -> int:
    """Return a field's value as a signed 64-bit integer."""
    if isinstance(value, memoryview):
        raise WeightsError("expected a number, got bytes")
    return value - (1 << 64) if value >> 63 else value


def message(value: int | memoryview) -> memoryview:
    """Return the bytes of a field."""
    if isinstance(value, int):
        raise WeightsError("expected bytes, got a number")
    return value
