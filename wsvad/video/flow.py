"""Optical flow between neighbouring frames, in the child, as the flow stream of I3D expects it.

As Carreira and Zisserman (2017, "Quo vadis, action recognition?", and the notes of their released networks) make it:
frames are resized and turned to grey, TV-L1 is computed on whole frames, displacements are clipped to [-20, 20] pixels
and scaled to [-1, 1], and crops are taken after. What they leave open is decided here:

* Flow is computed at the size to which the geometry resizes before any crop: 224x224 for ``squash``, the frame with its
  shorter side at 256 for ``center`` and ``ten-crop``. Displacements are in pixels of that size.
* The flow of frame ``i`` leads from frame ``i`` to frame ``i + 1``, so the last of a clip looks at the frame behind it.
  Where there is none (the video ends, or it could not be decoded) the clip's last flow is the one before, again, as
  padding repeats the last frame; a clip of a single frame with nothing behind it stands still. So every flow is a
  function of two frames of the video, whatever units the video is cut into and wherever a decode starts.
* It is stored as is usual, in one byte an axis: ``round((d + 20) / 40 * 255)``. A step is 40 / 255 = 0.157 pixels, the
  error at most 0.079 pixels. No motion would be 127.5 and is 128.
* In a mirror image motion across has the other sign: ``255 - x``.

``tvl1`` is OpenCV's DualTVL1OpticalFlow with its defaults, which is what the features of the literature were made with.
``dis`` is dense inverse search (Kroeger et al. 2016) with OpenCV's preset "medium", in about a hundredth of the time.
"""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable
from typing import get_args

import numpy as np
import numpy.typing as npt

from wsvad.errors import UsageError
from wsvad.video.geometry import Frames, Geometry
from wsvad.video.names import FlowMethod
from wsvad.video.process import run_beside

FLOW_BOUND = 20.0
"""Pixels from one frame to the next that are told apart; faster motion is given as this."""
MIN_SIDE = 32
"""Pixels of a frame's shorter side, at least; below, dense inverse search gives rubbish or nothing."""
STILL = 128
"""The byte that stands for no motion."""


def require_flow(method: FlowMethod, side: int = MIN_SIDE, *, _code: str | None = None) -> None:
    """Raise UsageError for an unknown method, for frames of too few pixels a side, and where OpenCV does not work.

    OpenCV is tried in a process of its own, once (0.3 s), so that nothing of it is loaded here.
    """
    if method not in get_args(FlowMethod):
        raise UsageError(f"optical flow must be one of {get_args(FlowMethod)}, got {method!r}")
    if side < MIN_SIDE:
        raise UsageError(f"optical flow needs frames of at least {MIN_SIDE} pixels a side, got {side}")
    fault = _fault(_code or f"from wsvad.video.flow import Motion; Motion({method!r})")
    if fault:
        needs = "optical flow needs OpenCV with its contributed modules: pip install 'wsvad[flow]'"
        raise UsageError(f"{needs} (here: {fault})")


@functools.cache
def _fault(code: str) -> str:
    """Return what is wrong with OpenCV; empty when nothing is."""
    try:
        done = run_beside(code)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else (done.stderr.strip() or f"status {done.returncode}").splitlines()[-1]


def encode_flow(flow: npt.NDArray[np.float32]) -> Frames:
    """Return displacements in pixels (any shape) as bytes: [-20, 20] becomes 0 to 255, faster motion is clipped, and
    what is not a number is no motion.
    """
    steps = (np.clip(np.nan_to_num(flow, nan=0.0), -FLOW_BOUND, FLOW_BOUND) + FLOW_BOUND) * (255 / (2 * FLOW_BOUND))
    levels: Frames = np.rint(steps).astype(np.uint8)
    return levels


def crop_flow(geometry: Geometry, flow_THWC: Frames) -> Frames:
    """Return the views ``[views, T, size, size, 2]`` of delivered flow ``[T, H, W, 2]``, copied.

    They are the views of ``geometry.crops``; in the mirrored ones motion across has the other sign.
    """
    views = geometry.crops(flow_THWC)
    if geometry.kind == "ten-crop":
        mirrored = views[len(views) // 2 :]
        mirrored[..., 0] = 255 - mirrored[..., 0]
    return views


def flow_megapixels(geometry: Geometry, width: int, height: int) -> float:
    """Return how many millions of pixels a frame has where the flow of a video of this size is computed."""
    scaled_width, scaled_height = geometry.scaled(width, height)
    return scaled_width * scaled_height / 1e6


class Motion:
    """Computes the flow of frame after frame; it keeps the last one. Raises ImportError where OpenCV is missing.

    One thread, and only what every processor of the kind has, so that the same frames give the same bytes anywhere: it
    costs nothing measurable, and the difference to the faster instructions is up to 0.007 pixels.
    """

    def __init__(self, method: FlowMethod) -> None:
        import cv2  # here: an extra, and 40 MB that only a child that computes flow needs

        cv2.setNumThreads(1)
        cv2.setUseOptimized(False)
        cv2.ocl.setUseOpenCL(False)
        self._cv2 = cv2
        if method == "tvl1":
            self._calc: Callable[..., object] = cv2.optflow.DualTVL1OpticalFlow.create().calc
        else:
            self._calc = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc
        self._number: int | None = None
        self._grey: npt.NDArray[np.uint8] = np.zeros((0, 0), dtype=np.uint8)

    def to(self, number: int, frame_HWC: Frames, *, wanted: bool = True) -> Frames | None:
        """Take frame ``number``, RGB ``[H, W, 3]``, and return the flow of the frame before it, ``[H, W, 2]`` as bytes.

        None where the frame before it was not the last one taken, or is not ``wanted``. Where the two differ in size,
        the later one is resized to the earlier. Raises MemoryError.
        """
        cv2, earlier = self._cv2, self._grey
        follows = self._number is not None and self._number + 1 == number
        try:
            grey = np.asarray(cv2.cvtColor(frame_HWC, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
            self._number, self._grey = number, grey
            if not (follows and wanted):
                return None
            height, width = earlier.shape
            later = grey
            if grey.shape != earlier.shape:
                later = np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
            flow = self._calc(earlier, later, None)
        except cv2.error as error:
            if error.code == cv2.Error.StsNoMem or "bad_alloc" in str(error):
                raise MemoryError(str(error)) from error
            raise
        return encode_flow(np.asarray(flow, dtype=np.float32))
