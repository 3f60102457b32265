"""Reference pictures: a small grey picture of the scene during a unit, stored with the unit's features.

Each pixel is the median over the unit's clips, so that passing people are not visible. The picture shows whether a
camera was moved or covered. It is not part of the features, so no fingerprint depends on it; units written by earlier
versions have none.
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
"""Width and height of a picture in pixels; the aspect ratio of the frame is not kept."""
KEPT = 64
"""Maximum number of clips of a unit in the median, evenly spaced."""

Grey = npt.NDArray[np.uint8]


class MedianPicture:
    """Median over the first frames of clips; at most ``KEPT`` small pictures are held in memory."""

    def __init__(self) -> None:
        self._kept: list[Grey] = []
        self._step = 1
        self._seen = 0

    def watch(self, clips: Iterator[Clip]) -> Iterator[Clip]:
        """Yield the clips, and add each one before it is released."""
        for clip in clips:
            self.add(clip.frames_THWC[0])
            yield clip

    def add(self, frame_HWC: Grey) -> None:
        """Add a frame, RGB ``[H, W, 3]``."""
        if self._seen % self._step == 0:
            self._kept.append(shrink(frame_HWC))
            if len(self._kept) > KEPT:
                self._kept, self._step = self._kept[::2], 2 * self._step
        self._seen += 1

    def grey(self) -> Grey:
        """Return the picture ``[SIDE, SIDE]``; black without frames."""
        if not self._kept:
            return np.zeros((SIDE, SIDE), np.uint8)
        median: Grey = np.median(np.stack(self._kept), axis=0).astype(np.uint8)
        return median


def shrink(frame_HWC: Grey) -> Grey:
    """Return the luma of an RGB frame ``[H, W, 3]`` as means over a grid, ``[SIDE, SIDE]``.

    Computed with integers, so that every machine gives the same result. Weights: ITU-R BT.601, section 2.5.1.
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
    """Reference picture of a unit."""

    unit_id: str
    video_id: str
    start_s: float
    """Presentation time of the start of its first clip."""
    end_s: float
    """Presentation time of the end of its last clip."""
    grey: str
    """``[SIDE, SIDE]``, 8 bits per pixel, row by row, base64."""

    @classmethod
    def of(cls, unit_id: str, video_id: str, rows: Sequence[ClipRows], median: MedianPicture) -> UnitPicture:
        """Return the picture of a unit with at least one clip."""
        grey = base64.b64encode(median.grey().tobytes()).decode()
        return cls(unit_id, video_id, float(rows[0].start_s), float(rows[-1].end_s), grey)

    @property
    def grey_HW(self) -> Grey:
        """The picture ``[SIDE, SIDE]``. Raises ``ValueError`` if it is invalid."""
        data = base64.b64decode(self.grey, validate=True)
        return np.frombuffer(data, np.uint8).reshape(SIDE, SIDE)


def write_picture(store: Store, picture: UnitPicture) -> None:
    """Store a picture, replacing a different one (of another machine, or damaged). Raises ``StorageError``."""
    key, data = layout.picture_key(picture.unit_id), seal(asdict(picture))
    if store.create(key, data) is Created.DIFFERENT:
        store.replace(key, data)


def read_picture(store: Store, unit_id: str) -> UnitPicture | None:
    """Return the picture of a unit; ``None`` if it has none. Raises ``DamagedError``, ``StorageError``."""
    key = layout.picture_key(unit_id)
    try:
        return decode_picture(key, store.read(key))
    except ObjectNotFound:
        return None


def decode_picture(key: str, data: bytes) -> UnitPicture:
    """Decode a stored picture. Raises ``DamagedError`` if it is damaged or belongs to another unit."""
    fields = unseal(data, key, ("unit_id", "video_id", "start_s", "end_s", "grey"))
    try:
        picture = build(UnitPicture, fields)
        whole = picture.grey_HW.shape == (SIDE, SIDE) and layout.picture_key(picture.unit_id) == key
    except (DocumentError, ValueError) as error:
        raise DamagedError(f"{key} is damaged: {error}") from error
    if not whole:
        raise DamagedError(f"{key} is damaged: it belongs to the unit {picture.unit_id!r:.80}")
    return picture
