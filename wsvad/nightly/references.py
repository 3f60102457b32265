"""References that the scores of a camera are held against: made once for each camera and model, and then kept.

They hold the edges of bins and counts by hour of the day, no score of a clip and no name of a video.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from wsvad.dataset.sealed import seal, unseal
from wsvad.documents import DocumentError, build
from wsvad.errors import DamagedError, ObjectNotFound, UsageError
from wsvad.metrics.drift import Reference
from wsvad.nightly.places import REFERENCES, short
from wsvad.nightly.published import digest_of
from wsvad.storage import Created, Store

CLOCKS = ("utc", "offsets")
"""Whether times of a camera's videos are known; a reference is of one of both."""


@dataclass(frozen=True)
class Kept:
    """A reference as it is stored."""

    model: str
    """Digest."""
    camera: str
    clock: str
    from_utc: str | None
    """When its footage begins; None: not known."""
    until_utc: str | None
    """When it ends, exclusive."""
    edges: tuple[float, ...]
    means: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]
    """See :class:`Reference`, as the two before."""

    @classmethod
    def of(
        cls, reference: Reference, model: str, camera: str, clock: str, from_utc: str | None, until_utc: str | None
    ) -> Kept:
        """Make what is stored of a reference."""
        edges, means = (tuple(part.tolist()) for part in (reference.edges, reference.means))
        counts = tuple(tuple(row) for row in reference.counts_HB.tolist())
        return cls(model, camera, clock, from_utc, until_utc, edges, means, counts)

    @property
    def key(self) -> str:
        """Of its object."""
        return reference_key(self.model, self.camera, self.clock)

    @property
    def reference(self) -> Reference:
        """What scores are held against. Raises ``UsageError``: the parts do not belong together."""
        edges, means = (np.array(part, np.float64) for part in (self.edges, self.means))
        if len({len(row) for row in self.counts}) != 1:
            raise UsageError("no reference of scores: its hours have different bins")
        return Reference(edges, means, np.array(self.counts, np.int64))


def reference_key(model: str, camera: str, clock: str) -> str:
    """Return the key of a reference; the name of the camera is not in it."""
    return f"{REFERENCES}{short(model)}/{name_of(camera, clock)}.json"


def name_of(camera: str, clock: str) -> str:
    """Return the name of a reference; that of the camera is not in it."""
    return digest_of({"camera": camera, "clock": clock})[:32]


def read_reference(root: Store, model: str, camera: str, clock: str) -> Kept | None:
    """Return the reference of a camera; ``None`` where none was made.

    Raises:
        DamagedError: it is damaged, or of another camera or model.
    """
    key = reference_key(model, camera, clock)
    remedy = "delete it, and a new one is made of the footage before the newest day"
    try:
        fields = unseal(root.read(key), root.uri_of(key), ("model", "camera", "clock", "counts"), remedy=remedy)
        kept = build(Kept, fields)
        hours = kept.reference.counts_HB.shape[0]
        if kept.key != key or hours != hours_of(clock):
            raise DocumentError("it is of another camera or model")
    except ObjectNotFound:
        return None
    except (DocumentError, UsageError) as error:
        raise DamagedError(f"{root.uri_of(key)} is damaged: {error}; {remedy}") from error
    return kept


def hours_of(clock: str) -> int:
    """Return how many hours of the day are told apart."""
    return 24 if clock == "utc" else 1


def keep_reference(root: Store, kept: Kept) -> Kept:
    """Store a reference and return it; one that is there stays, and is returned instead. Raises ``DamagedError``."""
    if root.create(kept.key, seal(asdict(kept))) is Created.DIFFERENT:
        return read_reference(root, kept.model, kept.camera, kept.clock) or kept
    return kept


def drop_references(root: Store, cameras: Iterable[str]) -> int:
    """Delete the references of all cameras but these, of all models; return how many those were."""
    names = {f"{name_of(camera, clock)}.json" for camera in cameras for clock in CLOCKS}
    gone = [info.key for info in root.list(REFERENCES) if info.key.rpartition("/")[2] not in names]
    for key in gone:
        root.delete(key)
    return len(gone)
