"""Event detection on a score series: hysteresis, merging, splitting. Pure functions of arrays.

Axes: T clips of one camera, in chronological order.
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
    """One event. Times are on the clock of the input clips."""

    first: int
    """Index of its first clip."""
    last: int
    """Index after its last clip. Clips below ``low`` in between were merged into the event."""
    start_s: float
    end_s: float
    """Greater than ``start_s``, unless two clips have the same start."""
    peak: int
    """Index of the clip with the highest smoothed score, the first one on ties."""
    score: float
    """Smoothed score at ``peak``, the value that is compared with ``high`` and ``low``."""
    continues: bool
    """Whether the event continues a longer one that was split at its start; see :func:`find_events`."""


def find_events(times_T2: npt.ArrayLike, scores_T: npt.ArrayLike, settings: EventSettings) -> list[Span]:
    """Find the events in the scores of one camera.

    1. Smooth the scores (:func:`wsvad.events.smoothing.smooth`).
    2. Open an event at a clip of at least ``high`` and extend it while clips are at least ``low``. A gap in the footage
       of more than ``gap_s`` closes it.
    3. Merge events with at most ``gap_s`` between the end of one and the start of the next.
    4. Split a stretch above ``low`` at the start and end of every full hour that it covers (hours count from 0 of
       ``times_T2``), and restart hysteresis there. So every event is shorter than two hours, and an event never depends
       on scores farther away than ``settings.reach_s``.
    5. Drop events shorter than ``min_length_s``.

    Args:
        times_T2: start and end of each clip in seconds on one clock, ascending by start. Missing clips are left out.
            Clips may overlap.
        scores_T: score of each clip in [0, 1].
        settings: the operating point.

    Returns:
        The events in chronological order. They share no clips, and overlap only where clips do.

    Raises:
        UsageError: shapes differ, times do not ascend, or values are not finite.

    >>> from wsvad.events.config import EventSettings
    >>> clips = [(0, 1), (1, 2), (2, 3), (3, 4)]
    >>> settings = EventSettings(high=0.5, low=0.4, gap_s=1, smooth_s=0, min_length_s=1)
    >>> (event,) = find_events(clips, [0.1, 0.9, 0.45, 0.2], settings)
    >>> event.start_s, event.end_s
    (1.0, 3.0)
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
        raise UsageError(f"expected one time span per score, got scores {scores_T.shape} and spans {times_T2.shape}")
    if not (np.isfinite(times_T2).all() and np.isfinite(scores_T).all()):
        raise UsageError("expected finite times and scores")
    if (np.diff(times_T2[:, 0]) < 0).any() or (times_T2[:, 1] < times_T2[:, 0]).any():
        raise UsageError("expected clips sorted by start, each with an end that is not before its start")
    return times_T2, scores_T


class _Pieces(NamedTuple):
    """Groups of clips above ``low``; hysteresis and merging never cross their borders."""

    of_clip: Ints
    """Index of the piece of each clip above ``low``."""
    first: Ints
    """Index, among the clips above ``low``, of each piece's first clip."""
    end_s: list[float]
    """Time at which each piece was split, else infinity."""
    continues: npt.NDArray[np.bool_]
    """Whether each piece continues one that was split."""


def _pieces(start_A: Floats, end_A: Floats, gap_s: float) -> _Pieces:
    """Group clips above ``low``, split at gaps of more than ``gap_s`` and at the borders of fully covered hours."""
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
    """Clips of an event before merging."""

    first: int
    last: int
    end_s: float
    piece: int


def _opened(above: Ints, pieces: _Pieces, smooth_T: Floats, times_T2: Floats, high: float) -> Iterator[_Run]:
    """Yield every run of adjacent clips of at least ``low``, from its first clip of at least ``high`` on."""
    broken_A = (np.diff(above) > 1) | (np.diff(pieces.of_clip) > 0)
    starts = np.concatenate(([0], np.flatnonzero(broken_A) + 1))
    ends = np.concatenate((starts[1:], [len(above)]))
    high_A = np.concatenate((np.flatnonzero(smooth_T[above] >= high), [len(above)]))
    opened = high_A[np.searchsorted(high_A, starts)]
    for begin, end in zip(opened[opened < ends], ends[opened < ends], strict=True):
        first, last = int(above[begin]), int(above[end - 1]) + 1
        yield _Run(first, last, float(times_T2[first:last, 1].max()), int(pieces.of_clip[begin]))


def _merged(runs: Iterator[_Run], times_T2: Floats, gap_s: float) -> Iterator[_Run]:
    """Merge runs of one piece with at most ``gap_s`` between them."""
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
