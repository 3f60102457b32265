"""Read header fields of a bit stream."""

from __future__ import annotations


class BitsEnded(Exception):
    """A field extends beyond the last bit."""


class BitReader:
    """Reads header fields, most significant bit first.

    Args:
        data: Bytes of the header.
        start: Bit offset of the first field.
    """

    def __init__(self, data: bytes, start: int = 0) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data) - start

    def bits(self, count: int) -> int:
        """Return an unsigned field of ``count`` bits. Raises BitsEnded if fewer bits remain."""
        if count > self._left:
            raise BitsEnded
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def flag(self) -> bool:
        """Return a field of one bit."""
        return self.bits(1) == 1

    def golomb(self) -> int:
        """Return an unsigned Exp-Golomb field, ue(v) in ITU-T H.264, 9.1."""
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > 32:
                raise BitsEnded
        return (1 << zeros) - 1 + self.bits(zeros)

    def signed_golomb(self) -> int:
        """Return a signed Exp-Golomb field, se(v) in ITU-T H.264, 9.1.1."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)
