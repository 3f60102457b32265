"""The child's file object, compared with an in-memory file."""

from __future__ import annotations

import io
import random

import pytest

from wsvad.video.remote import BLOCK, RemoteFile


class Parent:
    """Serves blocks and records them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.fetched: list[int] = []
        self.announced: list[int] = []

    def fetch(self, offset: int, length: int) -> bytes:
        """Return the block."""
        self.fetched.append(offset)
        return self.data[offset : offset + length]

    def prefetch(self, offset: int, length: int) -> None:
        """Record the announcement."""
        self.announced.append(offset)


def test_random_reads_and_seeks_equal_those_of_a_plain_file() -> None:
    """Also after the end, and across block boundaries."""
    data = random.Random(1).randbytes(3 * BLOCK + 12_345)
    parent, plain = Parent(data), io.BytesIO(data)
    remote = RemoteFile(len(data), parent.fetch, parent.prefetch)
    dice = random.Random(2)
    for _ in range(300):
        offset = dice.randrange(len(data) + 1000)
        assert remote.seek(offset) == plain.seek(offset)
        length = dice.randrange(1, 100_000)
        got = b""
        while len(got) < length and (part := remote.read(length - len(got))):
            got += part
        assert got == plain.read(length)
        assert remote.tell() == plain.tell()
    assert remote.seek(-10, 2) == len(data) - 10
    assert remote.seek(4, 1) == len(data) - 6
    with pytest.raises(OSError, match="negative"):
        remote.seek(-1)
    assert len(parent.fetched) == 4


def test_sequential_reads_prefetch_and_small_reads_hit_the_cache() -> None:
    """A thousand small reads are one request."""
    parent = Parent(bytes(4 * BLOCK))
    remote = RemoteFile(4 * BLOCK, parent.fetch, parent.prefetch)
    for _ in range(1000):
        remote.read(100)
    assert (parent.fetched, parent.announced) == ([0], [])
    remote.seek(BLOCK)
    remote.read(1)
    assert (parent.fetched, parent.announced) == ([0, BLOCK], [2 * BLOCK])


def test_the_first_failure_is_raised_again() -> None:
    """libav may take an error for the end of the file and continue; it must not get bytes afterwards."""
    remote = RemoteFile(100, lambda offset, length: 1 / 0, lambda offset, length: None)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            remote.read(1)
    assert isinstance(remote.failure, ZeroDivisionError)


def test_spans_read_as_zeros_are_not_fetched() -> None:
    """Bytes outside the spans are real."""
    parent = Parent(b"\x01" * (3 * BLOCK))
    remote = RemoteFile(3 * BLOCK, parent.fetch, parent.prefetch)
    remote.read_as_zeros([(100, 3 * BLOCK - 100)])
    assert remote.read(50) == b"\x01" * 50
    remote.seek(BLOCK + 5)
    assert remote.read(1000) == bytes(1000)
    remote.seek(3 * BLOCK - 50)
    assert remote.read(1000) == b"\x01" * 50
    assert parent.fetched == [0, 2 * BLOCK]
