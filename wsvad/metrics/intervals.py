"""True and predicted events as intervals of time: overlap, and which belongs to which.

Intervals are half-open and in seconds. Axes: M true events, E predicted events.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from wsvad.errors import UsageError
from wsvad.metrics.ranking import Floats
from wsvad.metrics.truth import Bools

LEAST_OVERLAP_S = 1.0
"""Seconds of a true event that a predicted one must cover (ActEV SDL V2)."""
LEAST_SHARE = 0.5
"""Share of a true event shorter than that which a predicted one must cover (ActEV SDL V2)."""

Pairs = Iterable[tuple[float, float]]


def as_intervals(pairs: Pairs | npt.ArrayLike) -> Floats:
    """Return intervals as ``[N, 2]``, in the order given.

    Raises:
        UsageError: not pairs of finite numbers, or a start after its end.
    """
    values = np.asarray(pairs if isinstance(pairs, np.ndarray) else list(pairs), dtype=np.float64)  # type: ignore[arg-type]
    found = values.reshape(0, 2) if not values.size else values
    if found.ndim != 2 or found.shape[1] != 2 or not np.isfinite(found).all() or (found[:, 0] > found[:, 1]).any():
        raise UsageError(f"expected intervals of finite numbers, start before end, got {values.tolist()!r:.120}")
    return found


def joined(intervals_N2: Floats) -> Floats:
    """Sort intervals and join those that overlap or touch; empty ones vanish."""
    kept = intervals_N2[intervals_N2[:, 0] < intervals_N2[:, 1]]
    kept = kept[np.argsort(kept[:, 0], kind="stable")]
    if not len(kept):
        return kept
    reach = np.maximum.accumulate(kept[:, 1])
    first = np.concatenate(([True], kept[1:, 0] > reach[:-1]))
    last = np.concatenate((first[1:], [True]))
    return np.stack((kept[first, 0], reach[last]), axis=1)


def overlaps(truth_M2: Floats, events_E2: Floats) -> Floats:
    """Return the seconds ``[M, E]`` that each pair shares."""
    start = np.maximum(truth_M2[:, None, 0], events_E2[None, :, 0])
    end = np.minimum(truth_M2[:, None, 1], events_E2[None, :, 1])
    shared: Floats = np.maximum(end - start, 0.0)
    return shared


def meets(truth_M2: Floats, events_E2: Floats) -> Bools:
    """Return ``[M, E]``: whether a predicted event detects a true one as ActEV SDL V2 asks.

    It covers at least 1 s of the true event or, where that is shorter, at least half of it. Its own length and its
    overlap with anything else do not matter.
    """
    lengths_M = truth_M2[:, 1] - truth_M2[:, 0]
    needed_M = np.where(lengths_M < LEAST_OVERLAP_S, LEAST_SHARE * lengths_M, LEAST_OVERLAP_S)
    return _at_least(overlaps(truth_M2, events_E2), needed_M[:, None])


def agrees(truth_M2: Floats, events_E2: Floats, iou: float) -> Bools:
    """Return ``[M, E]``: whether intersection over union in time is at least ``iou``, which is above 0."""
    shared = overlaps(truth_M2, events_E2)
    lengths_M, lengths_E = np.diff(truth_M2, axis=1), np.diff(events_E2, axis=1).T
    return (shared > 0) & _at_least(shared, iou * (lengths_M + lengths_E - shared))


def most_pairs(allowed_ME: Bools) -> int:
    """Return how many true events can be paired with a predicted one each, no event twice.

    A largest matching of a bipartite graph (Hopcroft & Karp 1973). It depends on no order and no ties. For events
    with scores it gives at each threshold what one assignment of greatest total score gives for all thresholds, because
    sets of events that can be paired form a transversal matroid.
    """
    if (allowed_ME.sum(axis=0) <= 1).all() and (allowed_ME.sum(axis=1) <= 1).all():
        return int(np.count_nonzero(allowed_ME))
    return int(np.count_nonzero(maximum_bipartite_matching(csr_array(allowed_ME), perm_type="column") >= 0))


def outside(truth_M2: Floats, events_E2: Floats) -> int:
    """Return how many predicted events share no time with any true one."""
    return int(np.count_nonzero(~(overlaps(truth_M2, events_E2) > 0).any(axis=0)))


def surplus_s(truth_M2: Floats, events_E2: Floats) -> float:
    """Return seconds in which more events are predicted than are true, each surplus one counted.

    ActEV SDL: the integral over time of max(0, predicted - true), where both count how many are going on.
    """
    edges = np.unique(np.concatenate((truth_M2.ravel(), events_E2.ravel())))
    if edges.size < 2:
        return 0.0
    more = _going_on(events_E2, edges[:-1]) - _going_on(truth_M2, edges[:-1])
    return float(np.sum(np.diff(edges) * np.maximum(more, 0)))


def _going_on(intervals_N2: Floats, times_P: Floats) -> npt.NDArray[np.int64]:
    started = np.searchsorted(np.sort(intervals_N2[:, 0]), times_P, side="right")
    ended = np.searchsorted(np.sort(intervals_N2[:, 1]), times_P, side="right")
    return started.astype(np.int64) - ended.astype(np.int64)


def _at_least(value: Floats, bound: Floats) -> Bools:
    """Compare seconds that were added up from times of frames: a rounding error is no shortfall."""
    return value >= bound - 1e-9 * np.maximum(bound, 1.0)
