"""Repair timestamps as recorders write them: repeated, missing, jumping. Single ones are replaced, the others kept.

All arrays refer to packets that give a picture, in file order. Times are in ticks of the stream's time base.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Stamps = npt.NDArray[np.int64]

NONE = -(1 << 63)
"""Value of a missing timestamp."""
JUMP_S = 86_400.0
"""A step of more seconds than this inside a file is a clock that was set. Shorter steps are pauses and are kept."""
FINER = 256
"""Subdivision of a tick on repaired clocks, so that frames fit between two timestamps that are one tick apart."""
_AHEAD = 16
"""Maximum number of consecutive timestamps out of order before the clock counts as set back."""
_NEIGHBOURS = 8
_TOO_SLOW = 1.5
_MAX_REORDERED = 16
"""Maximum number of pictures stored before one that is presented before them, in H.264 and H.265."""
PAUSE_S = 2.0
_PAUSE_STEPS = 16
"""A step of more seconds than ``PAUSE_S`` and more usual steps than this is verified before it may order frames."""
_FEW_WRONG = 8
_MANY_WRONG = 4
"""A clock that is set or wrong at more than one frame in this many is not used."""


@dataclass
class RepairedClock:
    """Times of packets: timestamp times ``scale`` plus the offset of its part of the file; single ones replaced."""

    times: Stamps
    """Time of every packet, in ticks / ``scale``."""
    scale: int = 1
    shifts: list[tuple[int, int]] = field(default_factory=list)
    """``(position, offset)``: offset from this position on, in ticks / ``scale``."""
    replaced: list[int] = field(default_factory=list)
    """Positions whose timestamp was missing or wrong."""
    jumps: list[tuple[int, float]] = field(default_factory=list)
    """``(rank, ticks)``: frame at which the clock was set, as rank in presentation order, and by how much."""


def median_step(ordered: Stamps) -> float:
    """Return the median step between ascending times, in ticks; 0 if there is none."""
    steps = np.diff(ordered)
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else 0.0


def without_outliers(stamps: Stamps, jump: float) -> Stamps:
    """Return the timestamps with outliers set to NONE: single ones over ``jump`` ticks away from all around them."""
    known = np.flatnonzero(stamps != NONE)
    values = stamps[known].astype(np.float64)
    far = np.abs(np.diff(values)) > jump
    if len(known) < 3 or not bool(far.any()):
        return stamps
    cleaned = stamps.copy()
    for i in np.flatnonzero(np.concatenate((far, [False])) | np.concatenate(([False], far))):
        around = np.concatenate((values[max(0, i - _NEIGHBOURS) : i], values[i + 1 : i + 1 + _NEIGHBOURS]))
        if around.max() - around.min() <= jump and np.abs(around - values[i]).min() > jump:
            cleaned[known[i]] = NONE
    return cleaned


def parts(stamps: Stamps, key: npt.NDArray[np.bool_]) -> list[int]:
    """Return where parts of joined recordings begin: at 0, and at key frames whose timestamp is not a new maximum."""
    raised = np.maximum.accumulate(stamps)  # NONE is below every timestamp
    if not bool((key[1:] & (stamps[1:] != NONE) & (stamps[1:] <= raised[:-1])).any()):
        return [0]
    starts, highest = [0], NONE
    for position, (stamp, is_key) in enumerate(zip(stamps.tolist(), key.tolist(), strict=True)):
        if is_key and position and NONE != stamp <= highest:
            starts.append(position)
            highest = stamp
        highest = max(highest, stamp)
    return starts


def order_by_stamps(
    stamps: Stamps, key: npt.NDArray[np.bool_], *, reorders: bool, pause: float = np.inf
) -> list[int] | None:
    """Return the positions in presentation order; None if the timestamps do not determine it.

    They determine it if each part of the file has a distinct timestamp on every packet and is reordered the way an
    encoder reorders packets, or if nothing is reordered.

    Args:
        stamps: Timestamp per packet, NONE if missing.
        key: Mask of key frames.
        reorders: Whether the stream may present packets in another order than it stores them.
        pause: Steps of more ticks than this are a pause or a clock that was set: see ``PAUSE_S``.
    """
    known = stamps[stamps != NONE]
    if reorders and len(known) < len(stamps):
        return None
    least = 1 if reorders else 0  # equal consecutive timestamps do not prove that packets are presented in that order
    if bool((np.diff(known) >= least).all()):
        return list(range(len(stamps)))
    order: list[int] = []
    starts = parts(stamps, key)
    for start, stop in zip(starts, [*starts[1:], len(stamps)], strict=True):
        part = stamps[start:stop]
        seen = part[part != NONE]
        if bool((np.diff(seen) >= least).all()):
            order.extend(range(start, stop))
        elif reorders and len(seen) == len(part) == len(np.unique(part)):
            ranked = np.argsort(part, kind="stable")
            if not _is_encoder_order(part, ranked, key[start:stop], pause):
                return None
            order.extend((start + ranked).tolist())
        else:
            return None
    return order


def _is_encoder_order(part: Stamps, ranked: npt.NDArray[np.int64], key: npt.NDArray[np.bool_], pause: float) -> bool:
    """Return True if an encoder may have stored packets in this order, so that no wrong timestamp reordered them.

    Encoders move packets by few positions. At a long pause, all packets before it are stored before, and a key frame
    follows it.
    """
    if int(np.abs(ranked - np.arange(len(part))).max()) > _MAX_REORDERED:
        return False
    steps = np.diff(part[ranked])
    ranks = np.flatnonzero(steps > max(pause, _PAUSE_STEPS * float(np.median(steps))))
    stored = np.maximum.accumulate(ranked)
    return bool((stored[ranks] == ranks).all()) and bool(key[ranked[ranks + 1]].all())


def repair(stamps: Stamps, order: Sequence[int], jump: float) -> RepairedClock | None:
    """Return a clock on which times increase along ``order``; None if the timestamps are unusable.

    They are unusable if fewer than two differ, or if the clock would have been set too often.

    Args:
        stamps: Timestamp per packet, NONE if missing.
        order: Positions in presentation order.
        jump: Steps of more ticks than this mean that the clock was set.
    """
    raw = stamps[np.asarray(order, dtype=np.int64)]
    if bool((raw != NONE).all()):
        steps = np.diff(raw)
        if bool((steps > 0).all()) and bool((steps <= jump).all()):
            return RepairedClock(stamps)
    first = _first_of_equal(raw)
    times, offsets, jumps = _along(first, jump)
    left = int((~np.isnan(times)).sum())
    used = int((first != NONE).sum())
    if left < min(2, len(times)) or len(jumps) + used - left > max(_FEW_WRONG, used // _MANY_WRONG):
        return None
    fine = np.rint(_filled(times) * FINER).astype(np.int64)
    if bool((np.diff(fine) <= 0).any()):
        return None
    clock = RepairedClock(np.empty_like(stamps), FINER, jumps=jumps)
    clock.times[np.asarray(order, dtype=np.int64)] = fine
    # in file order, a part begins with the packet of it that is stored first
    first_behind = np.minimum.accumulate(np.asarray(order, dtype=np.int64)[::-1])[::-1]
    clock.shifts = [(int(first_behind[at]), round(offset * FINER)) for at, offset in offsets]
    clock.replaced = np.flatnonzero((stamps == NONE) | (shifted(stamps, clock) != clock.times)).tolist()
    return clock


def shifted(stamps: Stamps, clock: RepairedClock) -> Stamps:
    """Return the timestamps after the clock's scale and offsets, without its replacements."""
    begins = np.array([0, *(position for position, _ in clock.shifts), len(stamps)], dtype=np.int64)
    offsets = np.repeat(np.array([0, *(offset for _, offset in clock.shifts)], dtype=np.int64), np.diff(begins))
    known = np.where(stamps == NONE, 0, stamps)
    return known * clock.scale + offsets


def _filled(times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Replace NaN by interpolation between two known times, or with the local step if that would be too slow.

    A frame without a timestamp follows the previous one at the step of its neighbours; a pause is placed before the
    next known timestamp.
    """
    good = np.flatnonzero(~np.isnan(times))
    positions = np.arange(len(times), dtype=np.float64)
    if len(good) < 2:
        return positions
    filled = np.interp(positions, positions[good], times[good])
    ranks = np.diff(good)
    steps = np.diff(times[good]) / ranks
    for gap in np.flatnonzero(ranks > 1):
        around = np.concatenate((steps[max(0, gap - _NEIGHBOURS) : gap], steps[gap + 1 : gap + 1 + _NEIGHBOURS]))
        usual = float(np.median(around)) if len(around) else float(steps[gap])
        if steps[gap] > _TOO_SLOW * usual:
            first, last = int(good[gap]), int(good[gap + 1])
            filled[first + 1 : last] = times[first] + usual * (positions[first + 1 : last] - first)
    first, last = int(good[0]), int(good[-1])
    usual = float(np.median(steps))
    filled[:first] = times[first] - usual * (first - positions[:first])
    filled[last + 1 :] = times[last] + usual * (positions[last + 1 :] - last)
    return filled


def _first_of_equal(raw: Stamps) -> Stamps:
    """Return the timestamps with repetitions set to NONE (a clock in whole seconds, a clock that stands still)."""
    known = np.flatnonzero(raw != NONE)
    cleaned = raw.copy()
    cleaned[known[1:][np.diff(raw[known]) == 0]] = NONE
    return cleaned


def _usual(raw: Stamps) -> float:
    """Return the median step from frame to frame, in ticks."""
    known = np.flatnonzero(raw != NONE)
    steps = np.diff(raw[known]) / np.diff(known)
    return float(np.median(steps[steps > 0])) if bool((steps > 0).any()) else 1.0


def _along(
    raw: Stamps, jump: float
) -> tuple[npt.NDArray[np.float64], list[tuple[int, float]], list[tuple[int, float]]]:
    """Walk the timestamps in presentation order; return times (NaN: to be filled), offsets and jumps by rank."""
    usual = _usual(raw)
    times = np.full(len(raw), np.nan)
    offsets: list[tuple[int, float]] = []
    jumps: list[tuple[int, float]] = []
    known = np.flatnonzero(raw != NONE).tolist()
    offset, last, last_rank = 0.0, -np.inf, -1
    for i, rank in enumerate(known):
        time = float(raw[rank]) + offset
        if time - last > _TOO_SLOW * usual:
            behind = [float(raw[k]) + offset for k in known[i + 1 : i + 1 + _NEIGHBOURS]]
            if 2 * sum(last < t < time for t in behind) > len(behind):
                continue  # an outlier: the following frames continue from the previous one
        if last_rank >= 0:
            expected = last + usual * (rank - last_rank)
            if time <= last:
                if any(last < float(raw[k]) + offset <= last + jump for k in known[i + 1 : i + 1 + _AHEAD]):
                    continue
                jumps.append((rank, time - expected))
                offset += expected - time
            elif time - last > jump:
                jumps.append((rank, time - expected))
                offset += expected - time
            if jumps and jumps[-1][0] == rank:
                offsets.append((rank, offset))
                time = expected
        times[rank] = last = time
        last_rank = rank
    return times, offsets, jumps
