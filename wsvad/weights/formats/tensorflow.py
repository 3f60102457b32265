"""Read TensorFlow checkpoints of the second format ("bundle") without TensorFlow.

``NAME.index`` is a sorted table from tensor name to ``BundleEntryProto`` (``tensor_bundle.proto``): type, shape, and
the location of its bytes in ``NAME.data-00000-of-00001``. The files are not trusted: locations outside a file, shapes
that do not match the number of bytes, and wrong checksums are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from wsvad.errors import WeightsError
from wsvad.weights.formats.crc32c import crc32c, unmask
from wsvad.weights.formats.protobuf import fields, message, signed
from wsvad.weights.formats.sstable import read_table

_TYPES = {
    1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 10: "?", 14: "<u2", 17: "<u2", 19: "<f2",
    22: "<u4", 23: "<u8",
}  # fmt: skip
"""NumPy type of each ``DataType`` of fixed size; 14 is bfloat16, the upper half of a float32."""
_BFLOAT16 = 14
_MAX_RANK = 8
_MAX_SHARDS = 64


@dataclass(frozen=True)
class Entry:
    """A tensor of a bundle."""

    dtype: int
    """Value of its type in ``types.proto``."""
    shape: tuple[int, ...]
    shard: int
    start: int
    """Offset of its bytes in the shard."""
    size: int
    """Size in bytes."""
    crc: int


class Bundle:
    """The tensors of a checkpoint, read on demand.

    Args:
        index: Content of the ``.index`` file.
        read_shard: Returns the content of a data file by its suffix, e.g. ``00000-of-00001``; called once per file.

    Raises:
        WeightsError: Not an index, truncated, altered, big-endian, or with invalid values.
    """

    def __init__(self, index: bytes, read_shard: Callable[[str], bytes]) -> None:
        table = read_table(index)
        header = table.pop(b"", None)
        if header is None:
            raise WeightsError("the index has no header; expected the index of a TensorFlow checkpoint")
        self._num_shards = _num_shards(header)
        self._read_shard = read_shard
        self._shards: dict[int, bytes] = {}
        self.entries: Mapping[str, Entry] = {_text(name): _entry(_text(name), value) for name, value in table.items()}
        """Entries by tensor name."""

    def array(self, name: str) -> NDArray[np.generic]:
        """Return one tensor after verifying its checksum; bfloat16 becomes float32.

        Raises:
            WeightsError: Its type has no fixed size, bytes are missing, or the checksum is wrong.
        """
        entry = self.entries[name]
        kind = _TYPES.get(entry.dtype)
        if kind is None:
            raise WeightsError(f"{name!r} has type {entry.dtype}; expected plain numbers")
        if not 0 <= entry.shard < self._num_shards:
            raise WeightsError(f"{name!r} is in data file {entry.shard} of {self._num_shards}")
        if prod(entry.shape) * np.dtype(kind).itemsize != entry.size:
            raise WeightsError(f"{name!r} has {entry.size} bytes, which do not match its shape {entry.shape}")
        data = self._shard(entry.shard)
        if not 0 <= entry.start <= len(data) - entry.size:
            raise WeightsError(
                f"{name!r} ends at byte {entry.start + entry.size} of a data file of {len(data)} bytes; the file is "
                "truncated or belongs to another checkpoint"
            )
        content = memoryview(data)[entry.start : entry.start + entry.size]
        if crc32c(content) != unmask(entry.crc):
            raise WeightsError(f"{name!r} is damaged: checksum mismatch")
        values = np.frombuffer(content, kind).reshape(entry.shape)
        if entry.dtype == _BFLOAT16:
            return (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return values

    def _shard(self, number: int) -> bytes:
        if number not in self._shards:
            self._shards[number] = self._read_shard(f"{number:05d}-of-{self._num_shards:05d}")
        return self._shards[number]


def _num_shards(header: memoryview) -> int:
    """Parse a ``BundleHeaderProto``."""
    numbers = {number: value for number, value in fields(header) if number in (1, 2)}
    if signed(numbers.get(2, 0)) != 0:
        raise WeightsError("the checkpoint is big-endian; expected little-endian")
    count = signed(numbers.get(1, 0))
    if not 1 <= count <= _MAX_SHARDS:
        raise WeightsError(f"the checkpoint has {count} data files; expected 1 to {_MAX_SHARDS}")
    return count


def _entry(name: str, value: memoryview) -> Entry:
    """Parse a ``BundleEntryProto``."""
    numbers = {1: 0, 3: 0, 4: 0, 5: 0, 6: 0}
    shape: tuple[int, ...] = ()
    for number, content in fields(value):
        if number == 2:
            shape = _shape(name, message(content))
        elif number == 7:
            raise WeightsError(f"{name!r} is stored in slices; expected whole tensors")
        elif number in numbers:
            numbers[number] = signed(content)
    if numbers[4] < 0 or numbers[5] < 0:
        raise WeightsError(f"{name!r} has a negative offset or size")
    return Entry(numbers[1], shape, numbers[3], numbers[4], numbers[5], numbers[6])


def _shape(name: str, content: memoryview) -> tuple[int, ...]:
    """Parse a ``TensorShapeProto``."""
    shape: list[int] = []
    for number, dimension in fields(content):
        if number == 2:
            shape.append(next((signed(size) for key, size in fields(message(dimension)) if key == 1), 0))
    if len(shape) > _MAX_RANK or any(not 0 <= size < 1 << 40 for size in shape):
        raise WeightsError(f"{name!r} has the invalid shape {tuple(shape[: _MAX_RANK + 1])}")
    return tuple(shape)


def _text(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError as error:
        raise WeightsError("a name in the index is not text") from error
