"""A small grey picture of what the camera showed during a unit, stored beside the features of the unit.

People who pass are not in it: each pixel is the median over the unit's clips. It says whether a camera was moved or
covered. It is no part of the features, so no fingerprint depends on it; units of versions before it have none.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from wsvad.dataset import layout
from wsvad.dataset.sealed import seal, unseal
from wsvad.documents import DocumentError, build
from wsvad.errors import DamagedError, ObjectNotFound
from wsvad.features.encoding import ClipRows
from wsvad.storage import Created, Store
from wsvad.video import Clip

SIDE = 32
"""Pixels of a picture, both ways; the shape of the frame is not kept."""
KEPT = 64
"""Clips of a unit that the median is taken of, at most; evenly spread."""

Grey = npt.NDArray[np.uint8]


class MedianPicture:
    """The median over clips, of which it looks at the first frame; at most ``KEPT`` small pictures are held."""

    def __init__(self) -> None:
        self._kept: list[Grey] = []
        self._step = 1
        self._seen = 0

    def watch(self, clips: Iterator[Clip]) -> Iterator[Clip]:
        """Yield the clips, and look at each before it is released."""
        for clip in clips:
            self.add(clip.frames_THWC[0])
            yield clip

    def add(self, frame_HWC: Grey) -> None:
        """Look at a frame, RGB ``[H, W, 3]``."""
        if self._seen % self._step == 0:
            self._kept.append(shrink(frame_HWC))
            if len(self._kept) > KEPT:
                self._kept, self._step = self._kept[::2], 2 * self._step
        self._seen += 1

    def grey(self) -> Grey:
        """Return the picture ``[SIDE, SIDE]``; of no frames it is black."""
        if not self._kept:
            return np.zeros((SIDE, SIDE), np.uint8)
        median: Grey = np.median(np.stack(self._kept), axis=0).astype(np.uint8)
        return median


def shrink(frame_HWC: Grey) -> Grey:
    """Return the luma of an RGB frame ``[H, W, 3]`` as means over a grid, ``[SIDE, SIDE]``.

    In whole numbers, so that every processor finds the same. Weights: ITU-R BT.601, section 2.5.1.
    """
    luma = frame_HWC.astype(np.int64) @ np.array([299, 587, 114])
    for axis in (0, 1):
        length = luma.shape[axis]
        starts = np.arange(SIDE) * length // SIDE
        sizes = np.maximum(1, np.diff(np.append(starts, length)))
        luma = np.add.reduceat(luma, starts, axis=axis) // np.expand_dims(sizes, 1 - axis)
    grey: Grey = (luma // 1000).astype(np.uint8)
    return grey


@dataclass(frozen=True)
class UnitPicture:
    """What a camera showed during a unit."""

    unit_id: str
    video_id: str
    start_s: float
    """Presentation time at which its first clip begins."""
    end_s: float
    """And at which its last one ends."""
    grey: str
    """``[SIDE, SIDE]``, 8 bits a pixel, row by row, base64."""

    @classmethod
    def of(cls, unit_id: str, video_id: str, rows: Sequence[ClipRows], median: MedianPicture) -> UnitPicture:
        """Make what is stored of a unit with at least one clip."""
        grey = base64.b64encode(median.grey().tobytes()).decode()
        return cls(unit_id, video_id, float(rows[0].start_s), float(rows[-1].end_s), grey)

    @property
    def grey_HW(self) -> Grey:
        """The picture ``[SIDE, SIDE]``. Raises ``ValueError`` where it is none."""
        data = base64.b64decode(self.grey, validate=True)
        return np.frombuffer(data, np.uint8).reshape(SIDE, SIDE)


def write_picture(store: Store, picture: UnitPicture) -> None:
    """Store a picture; one that is there, of another processor or damaged, is replaced. Raises ``StorageError``."""
    key, data = layout.picture_key(picture.unit_id), seal(asdict(picture))
    if store.create(key, data) is Created.DIFFERENT:
        store.replace(key, data)


def read_picture(store: Store, unit_id: str) -> UnitPicture | None:
    """Return the picture of a unit; ``None`` where it has none. Raises ``DamagedError``, ``StorageError``."""
    key = layout.picture_key(unit_id)
    try:
        return decode_picture(key, store.read(key))
    except ObjectNotFound:
        return None


def decode_picture(key: str, data: bytes) -> UnitPicture:
    """Undo what ``write_picture`` stores. Raises ``DamagedError``: it is damaged, or of another unit."""
    fields = unseal(data, key, ("unit_id", "video_id", "start_s", "end_s", "grey"))
    try:
        picture = build(UnitPicture, fields)
        whole = picture.grey_HW.shape == (SIDE, SIDE) and layout.picture_key(picture.unit_id) == key
    except (DocumentError, ValueError) as error:
        raise DamagedError(f"{key} is damaged: {error}") from error
    if not whole:
        raise DamagedError(f"{key} is damaged: it is of the unit {picture.unit_id!r:.80}")
    return picture
