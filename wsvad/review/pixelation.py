"""Pixelation of detected regions with coarse blocks, extended to the pictures before and after a detection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from wsvad.review.detection import BlockMask, Picture, union_of

LOOK_S = 0.1
"""Minimum interval between two detections, in seconds."""
HOLD_S = 0.5
"""Detections also apply to pictures this many seconds before and after, because single detections can fail."""
LEAST, MOST = 2, 32
"""Minimum and maximum number of pictures on each side to which a detection applies."""


class PictureDetector(Protocol):
    """Detector of regions to hide."""

    def find(self, picture_HWC: Picture) -> BlockMask:
        """Return the blocks to hide in the next picture."""


class Frame(NamedTuple):
    """A picture with its presentation times in seconds."""

    picture_HWC: Picture
    start_s: float
    end_s: float


@dataclass
class _Waiting:
    shot: Frame
    cover: BlockMask


class Pixelator:
    """Delays pictures until all detections that apply to them are known, and returns them pixelated."""

    def __init__(self, finder: PictureDetector) -> None:
        self._finder = finder
        self._kept: list[_Waiting] = []
        self._next = 0
        """Index in ``_kept`` of the first picture that was not returned."""
        self._checked_s = -np.inf

    def add(self, shot: Frame) -> Iterator[Frame]:
        """Add the next picture; yield the pictures that no later detection can change."""
        cover: BlockMask = {}
        if shot.start_s - self._checked_s >= LOOK_S - 1e-6:
            cover = self._finder.find(shot.picture_HWC)
            self._checked_s = shot.start_s
        self._kept.append(_Waiting(shot, cover))
        last = len(self._kept) - 1
        while self._next < last and not self._reaches(self._next, last):
            yield self._given()
            last = len(self._kept) - 1

    def flush(self) -> Iterator[Frame]:
        """Yield the remaining pictures."""
        while self._next < len(self._kept):
            yield self._given()

    def _reaches(self, one: int, other: int) -> bool:
        apart = abs(one - other)
        if apart <= LEAST:
            return True
        near_s = abs(self._kept[one].shot.start_s - self._kept[other].shot.start_s)
        return apart < MOST and near_s <= HOLD_S + 1e-6

    def _given(self) -> Frame:
        number = self._next
        near = [kept.cover for n, kept in enumerate(self._kept) if self._reaches(number, n)]
        shot = self._kept[number].shot
        hidden = shot._replace(picture_HWC=pixelated(shot.picture_HWC, union_of(near)))
        self._next += 1
        gone = 0
        while gone < self._next and not self._reaches(gone, self._next if self._next < len(self._kept) else number):
            gone += 1
        del self._kept[:gone]
        self._next -= gone
        return hidden


def pixelated(picture_HWC: Picture, cover: BlockMask) -> Picture:
    """Return a picture whose hidden blocks are replaced by their mean colour; the largest overlapping block wins.

    The grid is fixed and blocks are computed from the original picture, so equal inputs give equal outputs.
    """
    made = picture_HWC
    height, width = picture_HWC.shape[:2]
    for block, hidden in sorted(cover.items()):
        if not hidden.any():
            continue
        rows, columns = hidden.shape
        edge = (0, rows * block - height), (0, columns * block - width), (0, 0)
        whole = np.pad(picture_HWC, edge, mode="edge")
        means = whole.reshape(rows, block, columns, block, 3).mean(axis=(1, 3)).round().astype(np.uint8)
        large = means.repeat(block, axis=0).repeat(block, axis=1)[:height, :width]
        where = hidden.repeat(block, axis=0).repeat(block, axis=1)[:height, :width, None]
        made = np.where(where, large, made)
    return made
