"""Presentation order of the pictures of a full decode, and positions of the packets that gave none."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

import numpy as np

from wsvad.video.scanning import Decoded
from wsvad.video.timestamps import Stamps


@dataclass
class DecodedOrder:
    """Presentation order of a list of packets, from a full decode."""

    positions: list[int]
    """Positions in the list (without the hidden packets) in presentation order. Packets without a picture are included
    at their most likely position."""
    hidden: set[int] = field(default_factory=set)
    """Ordinals of packets that are not frames: they gave no picture, and were not expected to."""
    lost: list[int] = field(default_factory=list)
    """Frames (ranks in ``positions``) that gave no picture."""
    uncertain: list[int] = field(default_factory=list)
    """Frames so close to a lost one that it may come before or after them."""
    depth: int = 0
    """Maximum number of packets behind its own that a picture waits for."""


def file_order(count: int) -> DecodedOrder:
    """Return the order of packets that are presented in file order."""
    return DecodedOrder(list(range(count)))


def decoded_order(ordinals: Stamps, decoded: Decoded, doubtful: set[int]) -> DecodedOrder:
    """Return the order in which a full decode presented packets.

    Args:
        ordinals: Ascending ordinals of the packets that may give a picture.
        decoded: Result of the decode.
        doubtful: Ordinals of packets that do not count as frames if they give no picture.
    """
    wanted = set(ordinals.tolist())
    shown = list(dict.fromkeys(o for o in decoded.pictures if o in wanted))
    silent = wanted.difference(shown)
    hidden = {o for o in silent if o in doubtful and o not in decoded.refused}
    kept = np.array([o for o in ordinals.tolist() if o not in hidden], dtype=np.int64)
    position_of = {int(o): position for position, o in enumerate(kept)}
    order = [position_of[o] for o in shown]
    ranks = np.arange(len(order))
    packet_ranks = np.searchsorted(np.sort(np.array(order, dtype=np.int64)), np.array(order, dtype=np.int64))
    depth = int((packet_ranks - ranks).max(initial=0))
    missing = sorted(silent - hidden)
    positions = _with_missing(order, [position_of[o] for o in missing])
    gone = {position_of[o] for o in missing}
    lost = [rank for rank, position in enumerate(positions) if position in gone]
    near = {r for rank in lost for r in range(max(0, rank - depth), min(len(positions), rank + depth + 1))}
    return DecodedOrder(positions, hidden, lost, sorted(near.difference(lost)), depth)


def _with_missing(order: list[int], missing: list[int]) -> list[int]:
    """Insert packets without a picture before the first picture from which on all packets come later in the file."""
    if not missing:
        return order
    lowest_behind = np.minimum.accumulate(np.array(order[::-1], dtype=np.int64))[::-1].tolist() if order else []
    positions: list[int] = []
    taken = 0
    for position in missing:
        until = bisect_left(lowest_behind, position)
        positions += order[taken : max(taken, until)]
        taken = max(taken, until)
        positions.append(position)
    return positions + order[taken:]
