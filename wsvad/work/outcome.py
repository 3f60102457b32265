"""Derive from receipts what a run has finished, what is left, and which objects a snapshot lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from wsvad.dataset import layout
from wsvad.dataset.snapshots import SnapshotObject
from wsvad.work.progress import VideoUnit
from wsvad.work.receipt import HasUnitId, Receipt


class ClipUnit(VideoUnit, Protocol):
    """A unit that is a range of the clips of one video."""

    @property
    def first_clip(self) -> int:
        """First clip of the range."""
        ...

    @property
    def last_clip(self) -> int:
        """End of the range, exclusive."""
        ...


Clips = TypeVar("Clips", bound=ClipUnit)
Unit = TypeVar("Unit", bound=HasUnitId)


def snapshot_objects(
    units: Iterable[Clips], receipts: Mapping[str, Receipt], content_id: Callable[[Clips], str]
) -> list[SnapshotObject]:
    """Return the finished units as objects of a snapshot.

    Args:
        units: all planned units, in order.
        receipts: by unit id.
        content_id: returns the content id of a unit's video.
    """
    done = ((u, receipts[u.unit_id]) for u in units if u.unit_id in receipts)
    return [
        SnapshotObject(
            key=layout.unit_key(u.unit_id),
            video_id=u.video_id,
            content_id=content_id(u),
            first_clip=u.first_clip,
            last_clip=u.last_clip,
            clips=r.clips,
            rows=r.rows,
            bytes=r.bytes,
            sha256=r.sha256,
        )
        for u, r in done
        if r.status == "done"
    ]


def unsettled(todo: Iterable[Unit], receipts: Mapping[str, Receipt]) -> list[Unit]:
    """Return the units without a final result. A concurrent run may have finished them."""
    return [u for u in todo if u.unit_id not in receipts or receipts[u.unit_id].status == "failed"]


def existing_receipts(todo: Sequence[Unit], receipts: Mapping[str, Receipt]) -> list[Receipt]:
    """Return the receipts of the given units, as far as they exist."""
    return [receipts[u.unit_id] for u in todo if u.unit_id in receipts]
