"""CRC-32C (Castagnoli) of much data without a C extension: many rows side by side, then joined.

A CRC is linear: its register after two pieces is the first piece's, moved on by as many zero bytes as the second is
long, XOR the second's from zero. Polynomial and test vectors: RFC 3720, appendix B.4.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8
_PIECE = 1 << 24
"""Bytes whose rows are computed side by side: bounds the memory."""
_ROWS = 4096
_MIN_ROW = 64
"""Bytes a row should have at least; less is not worth joining."""


def crc32c(data: bytes | memoryview) -> int:
    """Return the CRC-32C of some bytes, 0 to 2**32 - 1."""
    register = 0xFFFFFFFF
    view = memoryview(data)
    for start in range(0, len(view), _PIECE):
        register = _advance(register, np.frombuffer(view[start : start + _PIECE], np.uint8))
    return register ^ 0xFFFFFFFF


def unmask(masked: int) -> int:
    """Undo the rotation with which LevelDB and TensorFlow store a CRC."""
    rotated = (masked - _MASK_DELTA) & 0xFFFFFFFF
    return (rotated >> 17) | ((rotated << 15) & 0xFFFFFFFF)


def _advance(register: int, data: NDArray[np.uint8]) -> int:
    rows = min(_ROWS, 1 << (max(1, len(data) // _MIN_ROW).bit_length() - 1))
    length = len(data) // rows
    body = data[: rows * length].reshape(rows, length)
    table = _table()
    states = np.zeros(rows, np.uint32)
    for column in range(length):
        states = table[(states ^ body[:, column]) & 0xFF] ^ (states >> np.uint32(8))
    while len(states) > 1:
        states = _apply(_zeros(length), states[0::2]) ^ states[1::2]
        length *= 2
    register = int(_apply(_zeros(length), np.array([register], np.uint32))[0]) ^ int(states[0])
    for byte in data[rows * (len(data) // rows) :].tolist():
        register = int(table[(register ^ byte) & 0xFF]) ^ (register >> 8)
    return register


@functools.cache
def _table() -> NDArray[np.uint32]:
    states = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        states = np.where(states & 1, (states >> np.uint32(1)) ^ np.uint32(_POLYNOMIAL), states >> np.uint32(1))
    return states


@functools.lru_cache(maxsize=256)
def _zeros(length: int) -> NDArray[np.uint32]:
    """What ``length`` zero bytes do to a register: for each of its 32 bits, what the bit turns into."""
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    if length == 0:
        return bits
    if length == 1:
        return np.asarray(_table()[bits & np.uint32(0xFF)] ^ (bits >> np.uint32(8)), np.uint32)
    half = _zeros(length // 2)
    whole = _apply(half, half)
    return _apply(_zeros(1), whole) if length % 2 else whole


def _apply(operator: NDArray[np.uint32], states: NDArray[np.uint32]) -> NDArray[np.uint32]:
    result = np.zeros_like(states)
    for bit in range(32):
        result ^= operator[bit] * ((states >> np.uint32(bit)) & np.uint32(1))
    return result
