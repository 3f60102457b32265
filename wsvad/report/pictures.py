"""Pictures as PNG inside of a page. They are encoded here and never opened: decoding is for the decoder's process."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image


def picture_uri(picture_HWC: npt.NDArray[np.uint8]) -> str:
    """Return a ``data:`` URI of an RGB picture uint8 ``[H, W, 3]``, without loss.

    Raises:
        ValueError: another type or shape.
    """
    if picture_HWC.dtype != np.uint8 or picture_HWC.ndim != 3 or picture_HWC.shape[2] != 3:
        raise ValueError(f"expected uint8 [H, W, 3], got {picture_HWC.dtype} {picture_HWC.shape}")
    encoded = io.BytesIO()
    Image.fromarray(picture_HWC).save(encoded, "PNG")
    return "data:image/png;base64," + base64.b64encode(encoded.getvalue()).decode("ascii")
