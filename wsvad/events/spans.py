"""From scores over time to events: hysteresis, merging, cutting. Pure functions of arrays.

Axes: T clips of one camera, in the order of time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wsvad.errors import UsageError
from wsvad.events.config import CUT_S, EventSettings
from wsvad.events.smoothing import Floats, smooth

Ints = npt.NDArray[np.int64]


class Span(NamedTuple):
    """One event. Times are those of the clips that were given."""

    first: int
    """Position of its first clip."""
    last: int
    """Position after its last clip; clips between that lie below ``low`` were merged into it."""
    start_s: float
    end_s: float
    """Above ``start_s``, unless two clips have the same start."""
    peak: int
    """Position of the clip with the highest smoothed score, the first of several."""
    score: float
    """That smoothed score; it is what ``high`` and ``low`` are compared with."""
    continues: bool
    """Whether it is the rest of a longer event that was cut at its start; see :func:`find_events`."""


def find_events(times_T2: npt.ArrayLike, scores_T: npt.ArrayLike, settings: EventSettings) -> list[Span]:
    """Find the events in the scores of one camera.

    1. Scores are smoothed (:func:`wsvad.events.smoothing.smooth`).
    2. An event opens at a clip of at least ``high`` and goes on while clips are at least ``low``. A hole in the footage
       of more than ``gap_s`` closes it, a shorter one does not.
    3. Events with at most ``gap_s`` between the end of one and the start of the next are one.
    4. A stretch above ``low`` that covers a whole hour (of the clock of ``times_T2``, from 0) is cut where that hour
       begins and ends, and hysteresis begins anew there. So no event is as long as two hours, and what happens at a
       point of time never depends on scores farther away than ``settings.reach_s``.
    5. Events shorter than ``min_length_s`` are left out.

    Args:
        times_T2: start and end of each clip in seconds on one clock, ascending by start; clips that are missing are
            simply not there. Clips may overlap.
        scores_T: score of each clip in [0, 1].
        settings: the operating point.

    Returns:
        The events in the order of time. They share no clip, and overlap only where clips do.

    Raises:
        UsageError: other shapes, times that do not ascend, values that are not finite.
    """
    times_T2, scores_T = _checked(times_T2, scores_T)
    if not len(scores_T):
        return []
    start_T, end_T = times_T2[:, 0], times_T2[:, 1]
    smooth_T = smooth(start_T, scores_T, settings.smooth_s)
    above = np.flatnonzero(smooth_T >= settings.low_level)
    if not len(above):
        return []
    pieces = _pieces(start_T[above], end_T[above], settings.gap_s)
    found = []
    for first, last, reached_s, piece in _merged(
        _opened(above, pieces, smooth_T, times_T2, settings.high), times_T2, settings.gap_s
    ):
        end_s = min(reached_s, pieces.end_s[piece])
        peak = first + int(np.argmax(smooth_T[first:last]))
        continues = bool(pieces.continues[piece]) and first == above[pieces.first[piece]]
        found.append(Span(first, last, float(start_T[first]), end_s, peak, float(smooth_T[peak]), continues))
    return [span for span in found if span.end_s - span.start_s >= settings.min_length_s]


def _checked(times: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Floats, Floats]:
    times_T2, scores_T = np.asarray(times, np.float64).reshape(-1, 2), np.asarray(scores, np.float64)
    if scores_T.shape != times_T2.shape[:1]:
        raise UsageError(f"expected one span a score, got scores {scores_T.shape} and spans {times_T2.shape}")
    if not (np.isfinite(times_T2).all() and np.isfinite(scores_T).all()):
        raise UsageError("expected finite times and scores")
    if (np.diff(times_T2[:, 0]) < 0).any() or (times_T2[:, 1] < times_T2[:, 0]).any():
        raise UsageError("expected clips in the order of their starts, none of which ends before it starts")
    return times_T2, scores_T


class _Pieces(NamedTuple):
    """Groups of the clips above ``low`` that hysteresis and merging never leave."""

    of_clip: Ints
    """Number of the piece of each clip above ``low``."""
    first: Ints
    """Of each piece: which of the clips above ``low`` is its first."""
    end_s: list[float]
    """Of each piece: where it was cut, else infinity."""
    continues: npt.NDArray[np.bool_]
    """Of each piece: whether it is the rest of one that was cut."""


def _pieces(start_A: Floats, end_A: Floats, gap_s: float) -> _Pieces:
    """Group clips above ``low``: a hole of more than ``gap_s`` parts them, and so does the end of a covered hour."""
    reached_A = np.maximum.accumulate(end_A)
    new_A = np.concatenate(([True], start_A[1:] - reached_A[:-1] > gap_s))
    island_A = np.cumsum(new_A) - 1
    begin_I, end_I = start_A[new_A], np.maximum.reduceat(end_A, np.flatnonzero(new_A))
    first_cut_I, last_cut_I = np.ceil(begin_I / CUT_S), np.floor(end_I / CUT_S)
    whole_A = (last_cut_I > first_cut_I)[island_A]  # at least one whole hour
    hour_A = np.clip(np.floor(start_A / CUT_S), (first_cut_I - 1)[island_A], last_cut_I[island_A])
    hour_A = np.where(whole_A, hour_A, 0.0)
    cut_A = np.concatenate(([False], np.diff(hour_A) > 0)) & ~new_A
    first = np.flatnonzero(new_A | cut_A)
    continues = cut_A[first]
    after = [float(start_A[place]) if cut else np.inf for place, cut in zip(first[1:], continues[1:], strict=True)]
    return _Pieces(np.cumsum(new_A | cut_A) - 1, first, [*after, np.inf], continues)


class _Run(NamedTuple):
    """Clips in an event, not merged yet."""

    first: int
    last: int
    end_s: float
    piece: int


def _opened(above: Ints, pieces: _Pieces, smooth_T: Floats, times_T2: Floats, high: float) -> Iterator[_Run]:
    """Yield every run of neighbouring clips at ``low`` or more, from its first clip at ``high`` on."""
    broken_A = (np.diff(above) > 1) | (np.diff(pieces.of_clip) > 0)
    starts = np.concatenate(([0], np.flatnonzero(broken_A) + 1))
    ends = np.concatenate((starts[1:], [len(above)]))
    high_A = np.concatenate((np.flatnonzero(smooth_T[above] >= high), [len(above)]))
    opened = high_A[np.searchsorted(high_A, starts)]
    for begin, end in zip(opened[opened < ends], ends[opened < ends], strict=True):
        first, last = int(above[begin]), int(above[end - 1]) + 1
        yield _Run(first, last, float(times_T2[first:last, 1].max()), int(pieces.of_clip[begin]))


def _merged(runs: Iterator[_Run], times_T2: Floats, gap_s: float) -> Iterator[_Run]:
    """Join runs of one piece that lie within ``gap_s`` of each other."""
    held: _Run | None = None
    for run in runs:
        if held and held.piece == run.piece and times_T2[run.first, 0] - held.end_s <= gap_s:
            held = held._replace(last=run.last, end_s=max(held.end_s, run.end_s))
            continue
        if held:
            yield held
        held = run
    if held:
        yield held
