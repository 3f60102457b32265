"""Optical flow between consecutive frames, in the decode child, as the flow stream of I3D expects it.

The procedure follows Carreira and Zisserman (2017, "Quo vadis, action recognition?", and the notes of their released
networks): frames are resized and converted to grey, TV-L1 is computed on whole frames, displacements are clipped to
[-20, 20] pixels and scaled to [-1, 1], and crops are taken afterwards. Details that they leave open are decided here:

* Flow is computed at the size to which the geometry resizes before any crop: 224x224 for ``squash``, the frame with its
  shorter side at 256 for ``center`` and ``ten-crop``. Displacements are in pixels of that size.
* The flow of frame ``i`` leads from frame ``i`` to frame ``i + 1``, so the last frame of a clip needs the frame after
  the clip. If there is none (the video ends, or the frame could not be decoded), the clip's previous flow is repeated,
  as padding repeats the last frame; a clip of a single frame with no successor gets zero flow. Flow is therefore a
  function of two frames of the video, independent of the units into which the video is cut and of where a decode
  starts.
* Flow is stored as usual, in one byte per axis: ``round((d + 20) / 40 * 255)``. A step is 40 / 255 = 0.157 pixels, the
  error at most 0.079 pixels. Zero motion would be 127.5 and is stored as 128.
* In a mirrored view the horizontal displacement changes its sign: ``255 - x``.

``tvl1`` is OpenCV's DualTVL1OpticalFlow with its defaults, as used for the features of the literature. ``dis`` is dense
inverse search (Kroeger et al. 2016) with OpenCV's preset "medium", in about a hundredth of the time.
"""

from __future__ import annotations

import functools
import importlib
import subprocess
from collections.abc import Callable
from typing import get_args

import numpy as np
import numpy.typing as npt

from wsvad.errors import UsageError
from wsvad.video.geometry import Frames, Geometry
from wsvad.video.names import FlowMethod
from wsvad.video.process import run_in_subprocess

FLOW_BOUND = 20.0
"""Maximum displacement per frame in pixels; faster motion is clipped."""
MIN_SIDE = 32
"""Minimum shorter side of a frame in pixels; below it, dense inverse search fails or returns unusable flow."""
ZERO_FLOW = 128
"""Byte that encodes zero motion."""


def require_flow(method: FlowMethod, side: int = MIN_SIDE, *, _code: str | None = None) -> None:
    """Raise UsageError for an unknown method, for frames that are too small, or if OpenCV is not usable.

    OpenCV is tested once (0.3 s) in a separate process, so that it is not loaded into this one.
    """
    if method not in get_args(FlowMethod):
        raise UsageError(f"optical flow must be one of {get_args(FlowMethod)}, got {method!r}")
    if side < MIN_SIDE:
        raise UsageError(f"optical flow needs frames of at least {MIN_SIDE} pixels per side, got {side}")
    fault = _opencv_error(_code or f"from wsvad.video.flow import FlowEstimator; FlowEstimator({method!r})")
    if fault:
        needs = "optical flow needs OpenCV with its contributed modules: pip install 'wsvad[flow]'"
        raise UsageError(f"{needs} (got: {fault})")


@functools.cache
def _opencv_error(code: str) -> str:
    """Return the error message of code that loads OpenCV; empty if it works."""
    try:
        done = run_in_subprocess(code)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else (done.stderr.strip() or f"status {done.returncode}").splitlines()[-1]


def encode_flow(flow: npt.NDArray[np.float32]) -> Frames:
    """Return displacements in pixels (any shape) as bytes.

    [-20, 20] becomes 0 to 255, faster motion is clipped, and NaN is encoded as zero motion.
    """
    steps = (np.clip(np.nan_to_num(flow, nan=0.0), -FLOW_BOUND, FLOW_BOUND) + FLOW_BOUND) * (255 / (2 * FLOW_BOUND))
    levels: Frames = np.rint(steps).astype(np.uint8)
    return levels


def crop_flow(geometry: Geometry, flow_THWC: Frames) -> Frames:
    """Return the views ``[views, T, size, size, 2]`` of flow ``[T, H, W, 2]``, copied.

    The views are those of ``geometry.crops``; mirrored views have the horizontal displacement negated.
    """
    views = geometry.crops(flow_THWC)
    if geometry.kind == "ten-crop":
        mirrored = views[len(views) // 2 :]
        mirrored[..., 0] = 255 - mirrored[..., 0]
    return views


def flow_megapixels(geometry: Geometry, width: int, height: int) -> float:
    """Return the size in megapixels of a frame at which flow is computed, for a video of ``width`` x ``height``."""
    scaled_width, scaled_height = geometry.scaled(width, height)
    return scaled_width * scaled_height / 1e6


def load_opencv() -> None:
    """Load OpenCV into this process, while it may still open files. Raises ImportError if it is missing."""
    importlib.import_module("cv2")


class FlowEstimator:
    """Computes the flow between consecutive frames; keeps the last frame. Raises ImportError if OpenCV is missing.

    OpenCV runs on one thread and without CPU-specific instructions, so that the same frames give the same bytes on
    every machine. The cost is not measurable; optimized instructions differ by up to 0.007 pixels.
    """

    def __init__(self, method: FlowMethod) -> None:
        import cv2  # imported here: an optional dependency of 40 MB, needed only to compute flow

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

    def add_frame(self, number: int, frame_HWC: Frames, *, wanted: bool = True) -> Frames | None:
        """Add frame ``number``, RGB ``[H, W, 3]``, and return the flow of the previous frame, ``[H, W, 2]`` uint8.

        Returns None if the previous frame was not added last, or if its flow is not ``wanted``. If the sizes differ,
        the later frame is resized to the earlier. Raises MemoryError.
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
