"""Read sorted tables of LevelDB (``table_format.md`` of ``google/leveldb``), the index of TensorFlow checkpoints.

A table consists of blocks and a footer of 48 bytes with the location of the index block, which has the locations of the
data blocks. Every block is followed by a compression byte and by its masked CRC-32C.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from wsvad.errors import WeightsError
from wsvad.weights.formats.crc32c import crc32c, unmask
from wsvad.weights.formats.protobuf import read_varint

MAGIC = bytes.fromhex("57fb808b247547db")
"""Last 8 bytes of every table."""
_FOOTER = 48
_TRAILER = 5
_MAX_ENTRIES = 1 << 16
_MAX_KEY = 4096


def read_table(data: bytes) -> dict[bytes, memoryview]:
    """Return the keys and values of a table in order; memory is limited by the file's size.

    Raises:
        WeightsError: Not a table, truncated, altered, compressed, or too many or too long keys.
    """
    if len(data) < _FOOTER or data[-8:] != MAGIC:
        raise WeightsError("expected the index of a TensorFlow checkpoint, got a file without its magic number")
    view = memoryview(data)
    footer = view[-_FOOTER:]
    _, at = _handle(footer, 0)
    index, _ = _handle(footer, at)
    entries: dict[bytes, memoryview] = {}
    for _, value in _entries(_block(view, index)):
        handle, _ = _handle(value, 0)
        for key, entry in _entries(_block(view, handle)):
            if entries and key <= next(reversed(entries)):
                raise WeightsError("the keys of the index are not in order")
            if len(entries) == _MAX_ENTRIES:
                raise WeightsError(f"the index has more than {_MAX_ENTRIES} entries")
            entries[key] = entry
    return entries


def _handle(data: memoryview, at: int) -> tuple[tuple[int, int], int]:
    start, at = read_varint(data, at)
    size, at = read_varint(data, at)
    return (start, size), at


def _block(table: memoryview, handle: tuple[int, int]) -> memoryview:
    start, size = handle
    if start + size + _TRAILER > len(table) - _FOOTER:
        raise WeightsError("a block of the index lies outside the file")
    if table[start + size] != 0:
        raise WeightsError("the index is compressed; expected an uncompressed one, as TensorFlow writes it")
    stored = struct.unpack("<I", table[start + size + 1 : start + size + _TRAILER])[0]
    if crc32c(table[start : start + size + 1]) != unmask(stored):
        raise WeightsError("the index is damaged: checksum mismatch")
    return table[start : start + size]


def _entries(block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    if len(block) < 4:
        raise WeightsError("a block of the index is too short")
    end = len(block) - 4 * (struct.unpack("<I", block[-4:])[0] + 1)
    if end < 0:
        raise WeightsError("a block of the index is damaged")
    key, at = b"", 0
    while at < end:
        shared, at = read_varint(block, at)
        added, at = read_varint(block, at)
        size, at = read_varint(block, at)
        if shared > len(key) or added + size > end - at or shared + added > _MAX_KEY:
            raise WeightsError("a block of the index is damaged")
        key = key[:shared] + bytes(block[at : at + added])
        at += added
        yield key, block[at : at + size]
        at += size
