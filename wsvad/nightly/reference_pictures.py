"""Reference pictures of a camera: the median of its footage by hour of the day, made once and then kept.

Digests of the videos that they were made of are kept beside them: a purge of one of those drops the reference.
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
from wsvad.nightly.places import REFERENCES, short
from wsvad.nightly.references import name_of
from wsvad.nightly.tombstones import mark_of
from wsvad.storage import Created, Store

_PART = f"{REFERENCES}pictures/"
_FIELDS = ("features", "camera", "clock", "steady", "hours", "details", "videos")
_ALIKE = 0.3
"""Share of the other pictures that a picture must be like, in a reference of one scene; by night perhaps only those of
the night."""
_STEADY = 0.8
"""Share of the pictures of which that must hold."""
_SAMPLE = 32
"""Pictures that are held against each other, at most; evenly spread."""
LEAST_SIMILARITY = 0.4
"""To any picture of the reference, below which a picture shows another scene.

Of 28 videos of one camera (UCSD Ped2) every two have at least 0.96, and with a tenth of the light 0.98. Of videos of
different cameras (SurvFight) 99 of 100 pairs have at most 0.19. A shift by a tenth of the picture has at most 0.46.
"""
_REMEDY = "delete it, and a new one is made of the footage before the newest day"


@dataclass(frozen=True)
class KeptPictures:
    """A reference as it is stored."""

    features: str
    """Fingerprint of the features beside which the pictures are: another geometry shows another part of the frame."""
    camera: str
    clock: str
    steady: bool
    """Whether it was one scene. Of a camera that turns, or a folder of several cameras, no change can be told."""
    hours: dict[str, str]
    """Base64 of a picture ``[SIDE, SIDE]`` by hour of the day (UTC), ``0`` where no times are known."""
    details: dict[str, float]
    """A low value (the 5th percentile) of the detail of its pictures, by hour likewise."""
    videos: tuple[str, ...]
    """Marks of the videos that it was made of; they do not tell their names."""

    @classmethod
    def of(
        cls, features: str, camera: str, clock: str, pictures: Mapping[int, Sequence[Grey]], video_ids: Collection[str]
    ) -> KeptPictures:
        """Make a reference of pictures ``[SIDE, SIDE]`` by hour; of each hour at least one."""
        every = [picture for found in pictures.values() for picture in found]
        return cls(
            features,
            camera,
            clock,
            steady=_one_scene(every),
            hours={str(hour): _encoded(np.median(np.stack(found), axis=0)) for hour, found in sorted(pictures.items())},
            details={str(hour): _low(detail(picture) for picture in found) for hour, found in sorted(pictures.items())},
            videos=tuple(sorted(mark_of(video_id) for video_id in video_ids)),
        )

    @property
    def key(self) -> str:
        """Of its object."""
        return _key(self.features, self.camera, self.clock)

    def pictures(self) -> dict[int, Grey]:
        """Return the pictures by hour. Raises ``ValueError`` where one is none."""
        return {
            int(hour): np.frombuffer(base64.b64decode(text, validate=True), np.uint8).reshape(SIDE, SIDE)
            for hour, text in self.hours.items()
        }


def _encoded(grey_HW: npt.NDArray[np.float64]) -> str:
    return base64.b64encode(grey_HW.astype(np.uint8).tobytes()).decode()


def _low(values: Iterable[float]) -> float:
    return round(float(np.quantile(list(values), 0.05)), 4)


def _one_scene(pictures: Sequence[Grey]) -> bool:
    """Whether pictures are of one scene: most of them are like a good part of the others."""
    chosen = [pictures[n] for n in np.unique(np.linspace(0, len(pictures) - 1, _SAMPLE).astype(int))]
    alike = np.array([[similarity(a, b) >= LEAST_SIMILARITY for b in chosen] for a in chosen])
    others = (alike.sum(axis=1) - np.diag(alike)) / max(1, len(chosen) - 1)
    return bool((others >= _ALIKE).mean() >= _STEADY)


def _key(features: str, camera: str, clock: str) -> str:
    return f"{_PART}{short(features)}/{name_of(camera, clock)}.json"


def read_pictures(root: Store, features: str, camera: str, clock: str) -> KeptPictures | None:
    """Return the reference of a camera; ``None`` where none was made.

    Raises:
        DamagedError: it is damaged, or of another camera.
    """
    key = _key(features, camera, clock)
    try:
        fields = unseal(root.read(key), root.uri_of(key), _FIELDS, remedy=_REMEDY)
        kept = build(KeptPictures, fields)
        if kept.key != key or not kept.pictures():
            raise DocumentError("it is of another camera")
    except ObjectNotFound:
        return None
    except (DocumentError, ValueError) as error:
        raise DamagedError(f"{root.uri_of(key)} is damaged: {error}; {_REMEDY}") from error
    return kept


def keep_pictures(root: Store, kept: KeptPictures) -> KeptPictures:
    """Store a reference and return it; one that is there stays, and is returned instead. Raises ``DamagedError``."""
    if root.create(kept.key, seal(asdict(kept))) is Created.DIFFERENT:
        return read_pictures(root, kept.features, kept.camera, kept.clock) or kept
    return kept


def drop_pictures_of(root: Store, video_ids: Collection[str]) -> int:
    """Delete the references that any of these videos is in, or that nobody can read; return how many those were."""
    marks, gone = {mark_of(video_id) for video_id in video_ids}, 0
    for info in list(root.list(_PART)):
        try:
            fields = unseal(root.read(info.key), info.key, _FIELDS)
            theirs = not marks.isdisjoint(build(KeptPictures, fields).videos)
        except (DamagedError, DocumentError):
            theirs = True
        if theirs:
            root.delete(info.key)
            gone += 1
    return gone
