"""Sultani's text files: 32 lines per video, each with the pooled and normalised features of a 32nd of the video.

Sultani, Chen and Shah, *Real-world Anomaly Detection in Surveillance Videos*, CVPR 2018; C3D fc6, 4,096 values a line.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from wsvad.errors import UsageError
from wsvad.features.imported import MAX_DIM, SEGMENTS
from wsvad.storage import ObjectInfo, Store

MAX_TEXT_BYTES = 64 << 20
"""Maximum size of a file in bytes; 32 lines of 4,096 floats take 1 to 2 MB."""


@dataclass(frozen=True)
class TextSource:
    """The features of one video as text."""

    info: ObjectInfo
    uri: str
    dim: int
    """Number of values per line."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """T, V and D."""
        return SEGMENTS, 1, self.dim

    def problem(self) -> str | None:
        """Return why the size of the file is invalid, or ``None``."""
        if not 0 < self.info.size <= MAX_TEXT_BYTES:
            return f"{self.uri}: expected a text file of 1 to {MAX_TEXT_BYTES} bytes, got {self.info.size}"
        return None

    def read(self, store: Store, first: int, last: int) -> tuple[np.ndarray, str]:
        """Read segments ``[first, last)``: values ``[n, 1, D]``, and the SHA-256 of the whole file.

        Raises:
            UsageError: the file does not have 32 lines of ``dim`` numbers.
        """
        values_TD, digest = read_text(store, self.info, self.uri)
        if values_TD.shape[1] != self.dim:
            raise UsageError(f"{self.uri}: expected lines of {self.dim} numbers, got {values_TD.shape[1]}")
        return values_TD[first:last, None], digest


def read_text(store: Store, info: ObjectInfo, uri: str) -> tuple[np.ndarray, str]:
    """Return the values of a file, float64 ``[32, D]``, and its SHA-256. Raises ``UsageError`` with the line."""
    data = store.read_range(info.key, 0, min(info.size, MAX_TEXT_BYTES), expect=info)
    lines = [line for line in data.split(b"\n") if line.strip()]
    if len(lines) != SEGMENTS:
        raise UsageError(f"{uri}: expected {SEGMENTS} lines of numbers, got {len(lines)}")
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(np.array(line.split(), dtype=np.bytes_).astype(np.float64))
        except ValueError as error:
            raise UsageError(f"{uri}, line {number}: expected numbers: {error!s:.120}") from error
        if len(rows[-1]) != len(rows[0]) or len(rows[0]) > MAX_DIM:
            raise UsageError(
                f"{uri}, line {number}: expected {len(rows[0])} numbers as in line 1 and at most {MAX_DIM}, got "
                f"{len(rows[-1])}"
            )
    return np.stack(rows), hashlib.sha256(data).hexdigest()
