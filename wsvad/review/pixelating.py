"""Makes what was found in pictures unrecognisable: coarse blocks, held over the pictures before and after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from wsvad.review.finding import Cover, Picture, united

LOOK_S = 0.1
"""Pictures are searched when the last search is so long ago."""
HOLD_S = 0.5
"""What was found in one picture is hidden in those before and after it, so long: a search may miss what others find."""
LEAST, MOST = 2, 32
"""Pictures over which it is held, on each side: at least, where pictures are rare, and at most, as they are kept."""


class Searches(Protocol):
    """What finds."""

    def find(self, picture_HWC: Picture) -> Cover:
        """Return what is to be hidden of the next picture."""


class Shot(NamedTuple):
    """A picture, and when it is shown."""

    picture_HWC: Picture
    start_s: float
    end_s: float


@dataclass
class _Waiting:
    shot: Shot
    cover: Cover


class Pixelator:
    """Gives pictures on, hidden where something was found in them or shortly before or after."""

    def __init__(self, finder: Searches) -> None:
        self._finder = finder
        self._kept: list[_Waiting] = []
        self._next = 0
        """Of those kept, the first that was not given on."""
        self._looked_s = -np.inf

    def add(self, shot: Shot) -> Iterator[Shot]:
        """Take the next picture; return those that nothing later can change."""
        cover: Cover = {}
        if shot.start_s - self._looked_s >= LOOK_S - 1e-6:
            cover = self._finder.find(shot.picture_HWC)
            self._looked_s = shot.start_s
        self._kept.append(_Waiting(shot, cover))
        last = len(self._kept) - 1
        while self._next < last and not self._reaches(self._next, last):
            yield self._given()
            last = len(self._kept) - 1

    def flush(self) -> Iterator[Shot]:
        """Return the rest."""
        while self._next < len(self._kept):
            yield self._given()

    def _reaches(self, one: int, other: int) -> bool:
        apart = abs(one - other)
        if apart <= LEAST:
            return True
        near_s = abs(self._kept[one].shot.start_s - self._kept[other].shot.start_s)
        return apart < MOST and near_s <= HOLD_S + 1e-6

    def _given(self) -> Shot:
        number = self._next
        near = [kept.cover for n, kept in enumerate(self._kept) if self._reaches(number, n)]
        shot = self._kept[number].shot
        hidden = shot._replace(picture_HWC=pixelated(shot.picture_HWC, united(near)))
        self._next += 1
        gone = 0
        while gone < self._next and not self._reaches(gone, self._next if self._next < len(self._kept) else number):
            gone += 1
        del self._kept[:gone]
        self._next -= gone
        return hidden


def pixelated(picture_HWC: Picture, cover: Cover) -> Picture:
    """Return a picture in which hidden blocks have one colour each, their mean; of those that overlap the largest.

    The grid stands still, whatever moves in it, and is computed from the picture as it was: the same gives the same.
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
