"""Reference pictures of a camera: the median of its footage for each hour of the day, created once and then kept.

The tombstone names of their source videos are stored with them, so that a purge of such a video deletes the reference.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from wsvad.dataset.sealed import seal, unseal
from wsvad.documents import DocumentError, build
from wsvad.errors import DamagedError, ObjectNotFound
from wsvad.features.pictures import SIDE, Grey
from wsvad.metrics.picture_similarity import detail, similarity
from wsvad.nightly.layout import REFERENCES, folder_name
from wsvad.nightly.references import reference_name
from wsvad.nightly.tombstones import tombstone_name
from wsvad.storage import Created, Store

_PART = f"{REFERENCES}pictures/"
_FIELDS = ("features", "camera", "clock", "steady", "hours", "details", "videos")
_ALIKE = 0.3
"""In a reference of one scene: minimum fraction of the other pictures that a picture resembles. Night pictures may
resemble only other night pictures."""
_STEADY = 0.8
"""Minimum fraction of the pictures for which that holds."""
_SAMPLE = 32
"""Maximum number of pictures that are compared with each other, evenly spaced."""
LEAST_SIMILARITY = 0.4
"""Minimum similarity to the best-matching reference picture; below, a picture shows another scene.

Measured: all pairs of the 28 videos of one camera (UCSD Ped2) have at least 0.96, and 0.98 with a tenth of the light.
Of pairs of different cameras (SurvFight), 99 % have at most 0.19. A shift by a tenth of the picture gives at most 0.46.
"""
_REMEDY = "delete it, and the next night creates a new one from the footage before the newest day"


@dataclass(frozen=True)
class StoredPictures:
    """Reference pictures as stored."""

    features: str
    """Fingerprint of the features stored with the pictures: another geometry shows another part of the frame."""
    camera: str
    clock: str
    steady: bool
    """Whether all pictures show one scene; otherwise (rotating camera, several cameras) changes are unknown."""
    hours: dict[str, str]
    """Base64 of a picture ``[SIDE, SIDE]`` by hour of the day (UTC); the only key is ``0`` if times are unknown."""
    details: dict[str, float]
    """The 5th percentile of the detail of its pictures, by hour of the day."""
    videos: tuple[str, ...]
    """Tombstone names of the source videos, which do not reveal their ids."""

    @classmethod
    def of(
        cls, features: str, camera: str, clock: str, pictures: Mapping[int, Sequence[Grey]], video_ids: Collection[str]
    ) -> StoredPictures:
        """Create a reference from pictures ``[SIDE, SIDE]`` by hour of the day, at least one per hour."""
        every = [picture for found in pictures.values() for picture in found]
        return cls(
            features,
            camera,
            clock,
            steady=_one_scene(every),
            hours={str(hour): _encoded(np.median(np.stack(found), axis=0)) for hour, found in sorted(pictures.items())},
            details={str(hour): _low(detail(picture) for picture in found) for hour, found in sorted(pictures.items())},
            videos=tuple(sorted(tombstone_name(video_id) for video_id in video_ids)),
        )

    @property
    def key(self) -> str:
        """Key of its object."""
        return _key(self.features, self.camera, self.clock)

    def pictures(self) -> dict[int, Grey]:
        """Return the pictures by hour. Raises ``ValueError`` if one cannot be decoded."""
        return {
            int(hour): np.frombuffer(base64.b64decode(text, validate=True), np.uint8).reshape(SIDE, SIDE)
            for hour, text in self.hours.items()
        }


def _encoded(grey_HW: npt.NDArray[np.float64]) -> str:
    return base64.b64encode(grey_HW.astype(np.uint8).tobytes()).decode()


def _low(values: Iterable[float]) -> float:
    return round(float(np.quantile(list(values), 0.05)), 4)


def _one_scene(pictures: Sequence[Grey]) -> bool:
    """Whether the pictures show one scene: most of them resemble a sufficient fraction of the others."""
    chosen = [pictures[n] for n in np.unique(np.linspace(0, len(pictures) - 1, _SAMPLE).astype(int))]
    alike = np.array([[similarity(a, b) >= LEAST_SIMILARITY for b in chosen] for a in chosen])
    others = (alike.sum(axis=1) - np.diag(alike)) / max(1, len(chosen) - 1)
    return bool((others >= _ALIKE).mean() >= _STEADY)


def _key(features: str, camera: str, clock: str) -> str:
    return f"{_PART}{folder_name(features)}/{reference_name(camera, clock)}.json"


def read_pictures(root: Store, features: str, camera: str, clock: str) -> StoredPictures | None:
    """Return the reference pictures of a camera; ``None`` if it has none.

    Raises:
        DamagedError: the reference is damaged or belongs to another camera.
    """
    key = _key(features, camera, clock)
    try:
        fields = unseal(root.read(key), root.uri_of(key), _FIELDS, remedy=_REMEDY)
        kept = build(StoredPictures, fields)
        if kept.key != key or not kept.pictures():
            raise DocumentError("it belongs to another camera")
    except ObjectNotFound:
        return None
    except (DocumentError, ValueError) as error:
        raise DamagedError(f"{root.uri_of(key)} is damaged: {error}; {_REMEDY}") from error
    return kept


def store_pictures(root: Store, kept: StoredPictures) -> StoredPictures:
    """Store a reference unless one exists; return the stored one. Raises ``DamagedError``."""
    if root.create(kept.key, seal(asdict(kept))) is Created.DIFFERENT:
        return read_pictures(root, kept.features, kept.camera, kept.clock) or kept
    return kept


def delete_pictures_of(root: Store, video_ids: Collection[str]) -> int:
    """Delete references that contain any of these videos or are unreadable; return the number of deleted references."""
    marks, gone = {tombstone_name(video_id) for video_id in video_ids}, 0
    for info in list(root.list(_PART)):
        try:
            fields = unseal(root.read(info.key), info.key, _FIELDS)
            matches = not marks.isdisjoint(build(StoredPictures, fields).videos)
        except (DamagedError, DocumentError):
            matches = True
        if matches:
            root.delete(info.key)
            gone += 1
    return gone
