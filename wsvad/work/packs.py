"""Group small units into packs that are sent to a worker together, because Ray needs about 10 ms per row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from wsvad.work.receipt import WorkUnit

MAX_UNITS = 64
"""Maximum number of units in a pack: few enough to use little memory, enough to amortise Ray's overhead per row."""
_PACKS_FOR_A_WORKER = 8  # so that workers finish at about the same time


Unit = TypeVar("Unit", bound=WorkUnit)


def make_packs(units: Sequence[Unit], max_clips: int, workers: int) -> list[list[Unit]]:
    """Group units into packs, keeping their order. A unit of ``max_clips`` or more clips is a pack of its own.

    Args:
        units: units to run.
        max_clips: maximum clips of a pack. Packs are smaller if there is little work, so that every worker gets some.
        workers: number of workers.
    """
    share = sum(u.num_clips for u in units) / (workers * _PACKS_FOR_A_WORKER)
    limit = min(max_clips, share)
    packs: list[list[Unit]] = []
    clips = 0.0
    for unit in units:
        clips += unit.num_clips
        if not packs or clips > limit or len(packs[-1]) >= MAX_UNITS:
            packs.append([])
            clips = unit.num_clips
        packs[-1].append(unit)
    return packs
