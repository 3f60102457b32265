"""Feature arrays in ``.npy`` files, read by byte ranges after a header check. Nothing is ever unpickled.

Axes: T clips, V crops, D values.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.lib import format as npy_format

from wsvad.errors import UsageError
from wsvad.features.imported import MAX_DIM, MAX_VIEWS
from wsvad.importing.naming import Axes
from wsvad.storage import ObjectInfo, Store

CROPS = (1, 5, 10)
"""Common numbers of crops of published features; others are only accepted if the order of the axes is given."""
_HEAD_BYTES = 4096
"""Bytes read to parse the header; headers of plain arrays have 128 bytes."""
MAX_CLIPS = 1 << 24
"""Maximum number of clips of a video: 100 days."""


@dataclass(frozen=True)
class Header:
    """Header of an ``.npy`` file."""

    uri: str
    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int
    """Position of the first value in bytes."""


def read_header(store: Store, info: ObjectInfo) -> Header:
    """Read and check the header of a file, without reading its values.

    Raises:
        UsageError: the file is not an ``.npy`` file of plain floats in C order with 2 or 3 axes, or its size is wrong.
        StorageError: the file cannot be read.
    """
    uri = store.uri_of(info.key)
    head = store.read_range(info.key, 0, min(_HEAD_BYTES, info.size), expect=info)
    stream = io.BytesIO(head)
    readers = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
    try:
        version = npy_format.read_magic(stream)
        if version not in readers:
            raise ValueError(f"version {version} of the format")
        shape, fortran, dtype = readers[version](stream, _HEAD_BYTES)
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError) as error:
        raise UsageError(f"{uri}: expected an .npy file, got {info.size} bytes of other content: {error}") from error
    header = Header(uri, tuple(int(n) for n in shape), dtype, stream.tell())
    problem = _problem(header, fortran, info.size)
    if problem:
        raise UsageError(f"{uri}: {problem}")
    return header


def _problem(header: Header, fortran: bool, size: int) -> str | None:
    shape, dtype = header.shape, header.dtype
    if dtype.hasobject or dtype.kind != "f" or dtype.itemsize not in (2, 4, 8):
        return f"expected floats of 16, 32 or 64 bits, got values of type {dtype}"
    if len(shape) not in (2, 3):
        return f"expected an array [T, D], [T, crops, D] or [crops, T, D], got shape {list(shape)}"
    if min(shape) < 1:
        return f"expected at least one clip, crop and value, got shape {list(shape)}"
    if shape[-1] > MAX_DIM or max(shape) > MAX_CLIPS:
        return f"expected at most {MAX_CLIPS} clips of {MAX_DIM} values, got shape {list(shape)}"
    if fortran and sum(n > 1 for n in shape) > 1:
        return "the array is in Fortran order; save it again with np.ascontiguousarray(array)"
    expected = header.offset + math.prod(shape) * dtype.itemsize
    if size != expected:
        kind = "truncated" if size < expected else "longer than its array"
        return f"the file is {kind}: expected {expected} bytes for {dtype} {list(shape)}, got {size}"
    return None


def resolve_axes(headers: Sequence[Header], requested: Axes | None) -> Axes:
    """Return the order of the axes of 3-D arrays: as requested, or the only one with the same common crop count.

    Raises:
        UsageError: both orders are possible, or neither is.
    """
    if requested is not None:
        return requested
    solid = [h for h in headers if len(h.shape) == 3]
    fitting: list[Axes] = [axes for axes in get_args(Axes) if _fits(solid, axes)]
    if not solid or fitting == ["clips-first"]:
        return "clips-first"
    if fitting == ["crops-first"]:
        return "crops-first"
    first, last = min(solid, key=lambda h: h.shape), max(solid, key=lambda h: h.shape)
    shapes = f"{first.uri} has shape {list(first.shape)}, {last.uri} {list(last.shape)}"
    why = "fit both" if fitting else f"have no common number of crops out of {', '.join(map(str, CROPS))}"
    raise UsageError(
        f"the order of axes is ambiguous, [T, crops, D] or [crops, T, D]: the arrays {why}: {shapes}; set --axes"
    )


def _fits(headers: Sequence[Header], axes: Axes) -> bool:
    counts = {split_shape(h.shape, axes)[1] for h in headers}
    return len(counts) == 1 and counts <= set(CROPS)


def split_shape(shape: tuple[int, ...], axes: Axes) -> tuple[int, int, int]:
    """Return T, V and D for the shape of an array with 2 or 3 axes."""
    if len(shape) == 2:
        return shape[0], 1, shape[1]
    first, second, D = shape
    return (first, second, D) if axes == "clips-first" else (second, first, D)


@dataclass(frozen=True)
class ArraySource:
    """The features of one video in one array, or in one array ``[T, D]`` for each crop."""

    files: tuple[ObjectInfo, ...]
    headers: tuple[Header, ...]
    axes: Axes

    @property
    def uri(self) -> str:
        """URI of the (first) file."""
        return self.headers[0].uri

    @property
    def shape(self) -> tuple[int, int, int]:
        """T, V and D."""
        T, V, D = split_shape(self.headers[0].shape, self.axes)
        return T, V * len(self.files), D

    def problem(self) -> str | None:
        """Return why the files cannot be stacked or have too many crops, or ``None``."""
        for header in self.headers[1:]:
            if header.shape != self.headers[0].shape:
                return (
                    f"the crops of a video must have the same shape: {list(self.headers[0].shape)} in {self.uri}, "
                    f"{list(header.shape)} in {header.uri}"
                )
        if len(self.files) > 1 and self.shape[1] != len(self.files):
            return (
                f"{self.uri}: expected an array [T, D] in the file of a crop, got shape {list(self.headers[0].shape)}"
            )
        if self.shape[1] > MAX_VIEWS:
            return f"{self.uri}: expected at most {MAX_VIEWS} crops, got {self.shape[1]}"
        return None

    def read(self, store: Store, first: int, last: int) -> tuple[np.ndarray, str]:
        """Read clips ``[first, last)``: values ``[n, V, D]`` as stored, and the SHA-256 of their bytes."""
        T, V, D = self.shape
        sha = hashlib.sha256()

        def part(info: ObjectInfo, header: Header, row: int, rows: int, width: int) -> np.ndarray:
            start = header.offset + row * width * header.dtype.itemsize
            data = store.read_range(info.key, start, start + rows * width * header.dtype.itemsize, expect=info)
            sha.update(data)
            return np.frombuffer(data, header.dtype).reshape(rows, width // D, D)

        if len(self.files) > 1:
            crops = [part(i, h, first, last - first, D) for i, h in zip(self.files, self.headers, strict=True)]
            return np.concatenate(crops, axis=1), sha.hexdigest()
        info, header = self.files[0], self.headers[0]
        if V == 1 or self.axes == "clips-first":
            return part(info, header, first, last - first, V * D), sha.hexdigest()
        crops = [part(info, header, crop * T + first, last - first, D) for crop in range(V)]
        return np.concatenate(crops, axis=1), sha.hexdigest()


def array_sources(
    files: Mapping[str, tuple[ObjectInfo, ...]], headers: Mapping[str, tuple[Header, ...]], axes: Axes | None
) -> dict[str, ArraySource]:
    """Combine files and headers of every video, by video id. Raises ``UsageError`` as :func:`resolve_axes`."""
    resolved = resolve_axes([header for parts in headers.values() for header in parts], axes)
    return {video_id: ArraySource(parts, headers[video_id], resolved) for video_id, parts in files.items()}
