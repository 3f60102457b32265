"""An array that a node builds once, row by row, and that its processes map: a plain ``.npy`` file in a cache folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from wsvad.errors import StorageError
from wsvad.features.cache_folder import CACHE, UNUSED_S, build_once, default_folder, mark_used


def cached_rows(
    name: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    rows: Callable[[], Iterator[np.ndarray]],
    *,
    folder: Path | None = None,
) -> Path:
    """Return the file of an array; build it first where no process of this node has yet.

    Args:
        name: of the file without its suffix, ``segments-…`` or ``clips-…``; must say all that the content depends on.
        dtype: of the array.
        shape: of the array.
        rows: yields the content, in order, in pieces of any length.
        folder: where the file goes; by default this user's, below the system's temporary folder. There, caches that
            were not used for two weeks make room for a new one.

    Raises:
        StorageError: too little room on the disk, a damaged cache, or whatever ``rows`` raises.
    """
    unused_s = UNUSED_S if folder is None else None
    folder = default_folder() if folder is None else folder
    path, header = folder / f"{name}{CACHE}", _header(dtype, shape)

    def write(file: IO[bytes]) -> None:
        file.write(header)
        for piece in rows():
            file.write(piece.tobytes())

    for _ in range(3):
        build_once(path, len(header) + dtype.itemsize * math.prod(shape), write, unused_s=unused_s)
        with suppress(FileNotFoundError):  # pruned by another process since the line above
            mark_used(path)
            _check(path, dtype, shape)
            return path
    raise StorageError(f"the cache {path} is removed by others as soon as it is built; set TMPDIR")


def mapped(path: Path) -> np.ndarray:
    """Return the array, read-only, mapped to memory."""
    array: np.ndarray = np.load(path, mmap_mode="r")
    return array


def _check(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Confirm that the file is what its name says."""
    try:
        found = mapped(path)
    except (ValueError, EOFError) as error:
        raise StorageError(f"the cache {path} is damaged ({error}); remove it") from error
    if (found.shape, found.dtype) != (shape, dtype):
        raise StorageError(f"the cache {path} is damaged: its shape is {found.shape}, not {shape}; remove it")


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The bytes of a ``.npy`` file before its values."""
    sink = _Sink()
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(sink, described)
    return bytes(sink)


class _Sink(bytearray):
    """Collects what is written."""

    def write(self, data: bytes) -> None:
        self.extend(data)
