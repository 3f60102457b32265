"""CRC-32C (Castagnoli) of large data without a C extension: many rows in parallel, then combined.

A CRC is linear: the register after two pieces is that of the first piece, advanced by as many zero bytes as the second
piece has, XOR that of the second piece from zero. Polynomial and test vectors: RFC 3720, appendix B.4.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8
_PIECE = 1 << 24
"""Bytes processed at a time, which limits memory."""
_ROWS = 4096
_MIN_ROW = 64
"""Minimum bytes per row; combining shorter rows does not pay off."""


def crc32c(data: bytes | memoryview) -> int:
    """Return the CRC-32C of data, 0 to 2**32 - 1."""
    register = 0xFFFFFFFF
    view = memoryview(data)
    for start in range(0, len(view), _PIECE):
        register = _advance(register, np.frombuffer(view[start : start + _PIECE], np.uint8))
    return register ^ 0xFFFFFFFF


def unmask(masked: int) -> int:
    """Undo the masking with which LevelDB and TensorFlow store a CRC."""
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
    """Return the effect of ``length`` zero bytes on a register: the result for each of its 32 bits."""
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
