"""Optical flow between neighbouring frames, in the child, as the flow stream of I3D expects it.

As Carreira and Zisserman (2017, "Quo vadis, action recognition?", section 3 and the notes of their released networks)
make it: frames are resized, turned to grey, TV-L1 is computed on whole frames, displacements are clipped to [-20, 20]
pixels and scaled to [-1, 1], and crops are taken after. What they leave open is decided here:

* Flow is computed at the size that the geometry resizes to before any crop: 224x224 for ``squash``, the frame with its
  shorter side at 256 for ``center`` and ``ten-crop``. Displacements are in pixels of that size.
* The flow of frame ``i`` leads from frame ``i`` to frame ``i + 1``, so that a clip's last flow looks at the frame behind
  the clip. Where there is none (the video ends, or it could not be decoded) the clip's last flow is the one before
  again, as padding repeats the last frame; a clip of a single frame with nothing behind it stands still. So every flow
  is a function of two frames of the video, whatever units the video is cut into and wherever the decode started.
* It is stored as it is usually stored, in one byte an axis: ``round((d + 20) / 40 * 255)``, 40 / 255 = 0.157 pixels a
  step, so that it is at most 0.079 pixels off within the range. No motion is 127.5 and becomes 128.
* The mirror image of a flow moves the other way across: ``255 - x``.

``tvl1`` is OpenCV's DualTVL1OpticalFlow with its defaults, which the features of the literature come from. ``dis`` is
dense inverse search (Kroeger et al. 2016) with OpenCV's preset "medium", about a hundredth of the time.
"""

from __future__ import annotations

import importlib.util
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from wsvad.errors import UsageError
from wsvad.video.geometry import Frames, Geometry

FlowMethod = Literal["tvl1", "dis"]

FLOW_BOUND = 20.0
"""Pixels from one frame to the next that are told apart; a faster motion is given as this."""


def require_flow(method: FlowMethod) -> None:
    """Raise UsageError for an unknown method, or where the library that computes flow is not installed."""
    if method not in get_args(FlowMethod):
        raise UsageError(f"optical flow must be one of {get_args(FlowMethod)}, got {method!r}")
    if importlib.util.find_spec("cv2") is None:
        raise UsageError("optical flow needs OpenCV, which is not installed here: pip install 'wsvad[flow]'")


def encode_flow(flow: npt.NDArray[np.float32]) -> Frames:
    """Return displacements in pixels (any shape) as bytes: clipped to [-20, 20], which becomes 0 to 255."""
    return np.rint((np.clip(flow, -FLOW_BOUND, FLOW_BOUND) + FLOW_BOUND) * (255 / (2 * FLOW_BOUND))).astype(np.uint8)


def decode_flow(flow: Frames) -> npt.NDArray[np.float32]:
    """Return what ``encode_flow`` made bytes of, in pixels. What I3D takes, in [-1, 1], is ``flow / 127.5 - 1``: the
    same as for RGB.
    """
    return flow.astype(np.float32) * np.float32(2 * FLOW_BOUND / 255) - np.float32(FLOW_BOUND)


def crop_flow(geometry: Geometry, flow_THWC: Frames) -> Frames:
    """Return the views ``[views, T, size, size, 2]`` of delivered flow ``[T, H, W, 2]`` (x, y), as ``geometry.crops``
    does for frames; in mirrored views motion across has the other sign.
    """
    views = geometry.crops(flow_THWC)
    mirrored = views[geometry.views // 2 :] if geometry.kind == "ten-crop" else views[:0]
    mirrored[..., 0] = 255 - mirrored[..., 0]
    return views
