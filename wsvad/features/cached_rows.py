"""An array built row by row once per node, and mapped by its processes: a plain ``.npy`` file in a cache folder."""

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
    """Return the file of an array; build it if no process of this node has built it yet.

    Args:
        name: Name of the file without suffix, ``segments-…`` or ``clips-…``; must identify the content.
        dtype: Type of the array.
        shape: Shape of the array.
        rows: Yields the content, in order, in pieces of any length.
        folder: Folder of the file; by default this user's, below the system's temporary folder. In the default folder,
            caches unused for two weeks are removed before a new one is built.

    Raises:
        StorageError: Too little disk space, a damaged cache, or any error of ``rows``.
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
    raise StorageError(f"the cache {path} is removed by another process after every build; set TMPDIR")


def mapped(path: Path) -> np.ndarray:
    """Return the array, memory-mapped and read-only."""
    array: np.ndarray = np.load(path, mmap_mode="r")
    return array


def _check(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Check the type and shape of the file."""
    try:
        found = mapped(path)
    except (ValueError, EOFError) as error:
        raise StorageError(f"the cache {path} is damaged ({error}); remove it") from error
    if (found.shape, found.dtype) != (shape, dtype):
        raise StorageError(f"the cache {path} is damaged: its shape is {found.shape}, not {shape}; remove it")


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return the header of a ``.npy`` file."""
    sink = _Sink()
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(sink, described)
    return bytes(sink)


class _Sink(bytearray):
    """Collects written bytes."""

    def write(self, data: bytes) -> None:
        self.extend(data)
