"""Byte sources for tests: in memory, recording reads, failing or slow on demand."""

from __future__ import annotations

import time
from pathlib import Path

from wsvad.errors import StoreUnavailable


class BytesSource:
    """A ``ByteSource`` over bytes that records reads."""

    def __init__(self, data: bytes | Path) -> None:
        self.data = data.read_bytes() if isinstance(data, Path) else data
        self.size = len(self.data)
        self.reads: list[tuple[int, int]] = []

    def read_at(self, offset: int, length: int) -> bytes:
        """Return the bytes and note the call."""
        self.reads.append((offset, length))
        return self.data[offset : offset + length]

    @property
    def bytes_read(self) -> int:
        """Bytes handed out so far."""
        return sum(length for _, length in self.reads)


class FailingSource(BytesSource):
    """Fails every read from the ``after``-th on, like a store that becomes unavailable."""

    def __init__(self, data: bytes | Path, after: int) -> None:
        super().__init__(data)
        self.after = after
        self.error = StoreUnavailable("503 from the test")

    def read_at(self, offset: int, length: int) -> bytes:
        """Return the bytes, or raise ``error``."""
        if len(self.reads) >= self.after:
            raise self.error
        return super().read_at(offset, length)


class SlowSource(BytesSource):
    """Takes ``delay_s`` for each read."""

    def __init__(self, data: bytes | Path, delay_s: float) -> None:
        super().__init__(data)
        self.delay_s = delay_s

    def read_at(self, offset: int, length: int) -> bytes:
        """Wait, then return the bytes."""
        time.sleep(self.delay_s)
        return super().read_at(offset, length)
