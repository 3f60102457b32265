"""The file object that libav reads from, in the child; its bytes come block by block from the parent."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

BLOCK = 1 << 20
"""Bytes fetched at once: small enough that a header costs one short read, large enough for an object store."""
_CACHED_BLOCKS = 12
_ZEROS = bytes(1 << 20)

Fetch = Callable[[int, int], bytes]
Prefetch = Callable[[int, int], None]


class RemoteFile:
    """A seekable, cached view of the parent's source, with the next block asked for while this one is used.

    ``fetch(offset, length)`` returns the bytes or raises; ``prefetch(offset, length)`` only announces that they will
    be wanted. Errors of ``fetch`` are raised again by every later call, because libav takes the first for an end.
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
        """From now on return zeros inside these half-open byte spans instead of fetching them."""
        self._zeros = spans

    def seekable(self) -> bool:
        """Always true."""
        return True

    def readable(self) -> bool:
        """Always true."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move as ``io.IOBase.seek`` does; positions behind the end are allowed, negative ones raise OSError."""
        target = offset + (0, self._position, self.size)[whence]
        if target < 0:
            raise OSError("negative seek position")
        self._position = target
        return target

    def read(self, length: int) -> bytes:
        """Return up to ``length`` bytes, at least one unless at the end."""
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
