"""CRC-32C, compared with published vectors and another implementation."""

from __future__ import annotations

import numpy as np
import pytest
from tensorboardX.crc32c import crc32c as of_tensorboardx

from wsvad.weights.formats.crc32c import crc32c, unmask

VECTORS = {
    "32 zeros": (bytes(32), 0x8A9136AA),
    "32 ones": (b"\xff" * 32, 0x62A8AB43),
    "ascending": (bytes(range(32)), 0x46DD794E),
    "descending": (bytes(range(31, -1, -1)), 0x113FDB5C),
    "digits": (b"123456789", 0xE3069283),
    "nothing": (b"", 0),
}


@pytest.mark.parametrize("what", VECTORS)
def test_published_vectors(what: str) -> None:
    """RFC 3720, B.4, and the usual check value."""
    data, crc = VECTORS[what]
    assert crc32c(data) == crc


@pytest.mark.parametrize("size", [1, 63, 64, 65, 127, 128, 255, 4096, 10_007, 262_145])
def test_any_size_agrees_with_another_implementation(size: int) -> None:
    """Sizes around the limits at which rows are combined; tensorboardX computes byte by byte."""
    data = np.random.default_rng(size).bytes(size)
    assert crc32c(data) == of_tensorboardx(data)
    assert crc32c(memoryview(data)[: size // 2]) == of_tensorboardx(data[: size // 2])


def test_pieces_are_combined(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than one piece gives the same checksum."""
    data = np.random.default_rng(0).bytes(100_000)
    whole = crc32c(data)
    monkeypatch.setattr("wsvad.weights.formats.crc32c._PIECE", 7001)
    assert crc32c(data) == whole


def test_the_mask_is_undone() -> None:
    """LevelDB's ``Mask``: rotate right by 15 and add a constant."""
    for crc in (0, 1, 0x80000000, 0xE3069283, 0xFFFFFFFF):
        masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
        assert unmask(masked) == crc
