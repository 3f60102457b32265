"""Packs: small units that travel to a worker together, because Ray takes about 10 ms for each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from wsvad.work.receipt import WorkUnit

MOST_UNITS = 64
"""Units of a pack; a row of so many takes little memory, and Ray's cost of it is shared by enough."""
_PACKS_FOR_A_WORKER = 8  # so that workers end at about the same time


Unit = TypeVar("Unit", bound=WorkUnit)


def packed(units: Sequence[Unit], most_clips: int, workers: int) -> list[list[Unit]]:
    """Group units, in their order, into packs; a unit that is as large as a pack is one by itself.

    Args:
        units: all that are to be run.
        most_clips: clips of a pack, at most; less where there is little to do, so that every worker gets several.
        workers: how many there are.
    """
    share = sum(u.num_clips for u in units) / (workers * _PACKS_FOR_A_WORKER)
    limit = min(most_clips, share)
    packs: list[list[Unit]] = []
    clips = 0.0
    for unit in units:
        clips += unit.num_clips
        if not packs or clips > limit or len(packs[-1]) >= MOST_UNITS:
            packs.append([])
            clips = unit.num_clips
        packs[-1].append(unit)
    return packs
