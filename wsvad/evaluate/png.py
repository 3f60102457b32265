"""Pictures as PNG: a few lines over zlib, so that the process that writes reports needs no picture library."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
import numpy.typing as npt

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encode_png(picture_HWC: npt.NDArray[np.uint8]) -> bytes:
    """Encode an RGB picture ``[H, W, 3]`` losslessly (PNG specification, colour type 2, filter "up")."""
    if picture_HWC.dtype != np.uint8 or picture_HWC.ndim != 3 or picture_HWC.shape[2] != 3:
        raise ValueError(f"expected uint8 [H, W, 3], got {picture_HWC.dtype} {picture_HWC.shape}")
    height, width = picture_HWC.shape[:2]
    rows = picture_HWC.reshape(height, width * 3)
    above = np.concatenate((np.zeros_like(rows[:1]), rows[:-1]))
    filtered = np.concatenate((np.full((height, 1), 2, np.uint8), rows - above), axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(filtered.tobytes(), 6)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def data_uri(png: bytes) -> str:
    """Return a ``data:`` URI that shows the picture."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
