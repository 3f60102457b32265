"""References for the scores of a camera: created once per camera and model, and then kept.

They contain bin edges and counts by hour of the day, but no score of a clip and no video id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from wsvad.dataset.sealed import seal, unseal
from wsvad.documents import DocumentError, build
from wsvad.errors import DamagedError, ObjectNotFound, UsageError
from wsvad.metrics.drift import Reference
from wsvad.nightly.layout import REFERENCES, folder_name
from wsvad.nightly.published import digest_of
from wsvad.storage import Created, Store

CLOCKS = ("utc", "offsets")
"""Clocks of a reference: ``utc`` if the recording times of the camera's videos are known, otherwise ``offsets``."""


@dataclass(frozen=True)
class StoredReference:
    """A reference for scores as stored."""

    model: str
    """Digest of the model."""
    camera: str
    clock: str
    from_utc: str | None
    """Start of its footage; None: unknown."""
    until_utc: str | None
    """End of its footage, exclusive; None: unknown."""
    edges: tuple[float, ...]
    means: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]
    """Edges, means and counts: see :class:`Reference`."""

    @classmethod
    def of(
        cls, reference: Reference, model: str, camera: str, clock: str, from_utc: str | None, until_utc: str | None
    ) -> StoredReference:
        """Return the stored form of a reference."""
        edges, means = (tuple(part.tolist()) for part in (reference.edges, reference.means))
        counts = tuple(tuple(row) for row in reference.counts_HB.tolist())
        return cls(model, camera, clock, from_utc, until_utc, edges, means, counts)

    @property
    def key(self) -> str:
        """Key of its object."""
        return reference_key(self.model, self.camera, self.clock)

    @property
    def reference(self) -> Reference:
        """The reference as arrays. Raises ``UsageError`` if its parts are inconsistent."""
        edges, means = (np.array(part, np.float64) for part in (self.edges, self.means))
        if len({len(row) for row in self.counts}) != 1:
            raise UsageError("invalid reference of scores: its hours have different numbers of bins")
        return Reference(edges, means, np.array(self.counts, np.int64))


def reference_key(model: str, camera: str, clock: str) -> str:
    """Return the key of a reference; it does not contain the camera's name."""
    return f"{REFERENCES}{folder_name(model)}/{reference_name(camera, clock)}.json"


def reference_name(camera: str, clock: str) -> str:
    """Return the name of a camera's reference, a digest that does not contain the camera's name."""
    return digest_of({"camera": camera, "clock": clock})[:32]


def read_reference(root: Store, model: str, camera: str, clock: str) -> StoredReference | None:
    """Return the reference of a camera; ``None`` if it has none.

    Raises:
        DamagedError: the reference is damaged or belongs to another camera or model.
    """
    key = reference_key(model, camera, clock)
    remedy = "delete it, and the next night creates a new one from the footage before the newest day"
    try:
        fields = unseal(root.read(key), root.uri_of(key), ("model", "camera", "clock", "counts"), remedy=remedy)
        kept = build(StoredReference, fields)
        hours = kept.reference.counts_HB.shape[0]
        if kept.key != key or hours != hours_of(clock):
            raise DocumentError("it belongs to another camera or model")
    except ObjectNotFound:
        return None
    except (DocumentError, UsageError) as error:
        raise DamagedError(f"{root.uri_of(key)} is damaged: {error}; {remedy}") from error
    return kept


def hours_of(clock: str) -> int:
    """Return the number of hours of the day that a reference distinguishes."""
    return 24 if clock == "utc" else 1


def store_reference(root: Store, kept: StoredReference) -> StoredReference:
    """Store a reference unless one exists; return the stored one. Raises ``DamagedError``."""
    if root.create(kept.key, seal(asdict(kept))) is Created.DIFFERENT:
        return read_reference(root, kept.model, kept.camera, kept.clock) or kept
    return kept


def delete_other_references(root: Store, cameras: Iterable[str]) -> int:
    """Delete the references of all cameras except these, for all models; return the number of deleted references."""
    names = {f"{reference_name(camera, clock)}.json" for camera in cameras for clock in CLOCKS}
    gone = [info.key for info in root.list(REFERENCES) if info.key.rpartition("/")[2] not in names]
    for key in gone:
        root.delete(key)
    return len(gone)
