"""Encoding of pictures as PNG and JPEG. They are never decoded in this process; that is left to the decoder process."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

Picture = npt.NDArray[np.uint8]
JPEG_QUALITY = 80


def picture_uri(picture_HWC: Picture) -> str:
    """Return an RGB picture, uint8 ``[H, W, 3]``, as a ``data:`` URI with a lossless PNG.

    Raises:
        ValueError: the type or shape is wrong.
    """
    encoded = io.BytesIO()
    _image(picture_HWC).save(encoded, "PNG")
    return "data:image/png;base64," + base64.b64encode(encoded.getvalue()).decode("ascii")


def grey_png(picture_HW: Picture) -> bytes:
    """Return a grey picture, uint8 ``[H, W]``, as PNG without metadata."""
    encoded = io.BytesIO()
    Image.fromarray(picture_HW).save(encoded, "PNG")
    return encoded.getvalue()


def jpeg(picture_HWC: Picture) -> bytes:
    """Return an RGB picture, uint8 ``[H, W, 3]``, as JPEG. Raises ``ValueError`` if its type or shape is wrong."""
    encoded = io.BytesIO()
    _image(picture_HWC).save(encoded, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return encoded.getvalue()


def resized(picture_HWC: Picture, width: int, height: int) -> Picture:
    """Resize an RGB picture with antialiasing.

    Raises:
        ValueError: the type or shape is wrong.
    """
    if picture_HWC.shape[:2] == (height, width):
        return picture_HWC
    return np.asarray(_image(picture_HWC).resize((width, height), Image.Resampling.BILINEAR))


def contact_sheet(pictures: Sequence[Picture], columns: int) -> Picture:
    """Arrange pictures of equal size row by row; unused cells of the last row are black."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    sheet = np.zeros((rows * height, columns * width, 3), np.uint8)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = picture
    return sheet


def _image(picture_HWC: Picture) -> Image.Image:
    if picture_HWC.dtype != np.uint8 or picture_HWC.ndim != 3 or picture_HWC.shape[2] != 3:
        raise ValueError(f"expected uint8 [H, W, 3], got {picture_HWC.dtype} {picture_HWC.shape}")
    return Image.fromarray(picture_HWC)
