"""File object that libav reads from, in the decode child; its blocks are fetched from the parent."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

BLOCK = 1 << 20
"""Bytes per fetch: small enough that a header costs one short read, large enough for an object store."""
_CACHED_BLOCKS = 12
_ZEROS = bytes(1 << 20)

Fetch = Callable[[int, int], bytes]
Prefetch = Callable[[int, int], None]


class RemoteFile:
    """A seekable, cached view of the parent's source, with read-ahead of the next block.

    ``fetch(offset, length)`` returns the bytes or raises; ``prefetch(offset, length)`` announces that they will be
    needed. After a failed ``fetch`` every later read raises the same error, because libav treats the first error as
    the end of the file.
    """

    name = "<video>"

    def __init__(self, size: int, fetch: Fetch, prefetch: Prefetch) -> None:
        self.size = size
        self._fetch = fetch
        self._prefetch = prefetch
        self._position = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._previous = -2
        self._failure: BaseException | None = None
        self._zeros: Sequence[tuple[int, int]] = ()

    @property
    def failure(self) -> BaseException | None:
        """The error of the first failed fetch, if any."""
        return self._failure

    def read_as_zeros(self, spans: Sequence[tuple[int, int]]) -> None:
        """Return zeros for these half-open byte spans from now on, instead of fetching them."""
        self._zeros = spans

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move the position like ``io.IOBase.seek``. Negative positions raise OSError."""
        target = offset + (0, self._position, self.size)[whence]
        if target < 0:
            raise OSError("negative seek position")
        self._position = target
        return target

    def read(self, length: int) -> bytes:
        """Return up to ``length`` bytes, at least one unless at the end of the file."""
        if self._failure is not None:
            raise self._failure
        length = min(length, self.size - self._position)
        if length <= 0:
            return b""
        data = self._zeros_at(self._position, length) or self._cached(self._position, length)
        self._position += len(data)
        return data

    def _zeros_at(self, position: int, length: int) -> bytes:
        for start, stop in self._zeros:
            if start <= position < stop:
                return _ZEROS[: min(length, stop - position)]
        return b""

    def _cached(self, position: int, length: int) -> bytes:
        number, offset = divmod(position, BLOCK)
        block = self._blocks.get(number)
        if block is None:
            block = self._load(number)
        else:
            self._blocks.move_to_end(number)
        return block[offset : offset + length]

    def _load(self, number: int) -> bytes:
        start = number * BLOCK
        try:
            block = self._fetch(start, min(BLOCK, self.size - start))
        except BaseException as error:
            self._failure = error
            raise
        self._blocks[number] = block
        while len(self._blocks) > _CACHED_BLOCKS:
            self._blocks.popitem(last=False)
        following = start + BLOCK
        if number == self._previous + 1 and following < self.size and number + 1 not in self._blocks:
            self._prefetch(following, min(BLOCK, self.size - following))
        self._previous = number
        return block
