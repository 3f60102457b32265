"""Overlap and matching of true and predicted events as time intervals.

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

MIN_OVERLAP_S = 1.0
"""Seconds of a true event that a predicted event must cover (ActEV SDL V2)."""
MIN_OVERLAP_FRACTION = 0.5
"""Fraction of a shorter true event that a predicted event must cover (ActEV SDL V2)."""

Pairs = Iterable[tuple[float, float]]


def as_intervals(pairs: Pairs | npt.ArrayLike) -> Floats:
    """Return intervals as ``[N, 2]``, in the given order.

    Raises:
        UsageError: the values are not pairs of finite numbers, or a start is after its end.
    """
    values = np.asarray(pairs if isinstance(pairs, np.ndarray) else list(pairs), dtype=np.float64)  # type: ignore[arg-type]
    found = values.reshape(0, 2) if not values.size else values
    if found.ndim != 2 or found.shape[1] != 2 or not np.isfinite(found).all() or (found[:, 0] > found[:, 1]).any():
        raise UsageError(f"expected intervals of finite numbers with start <= end, got {values.tolist()!r:.120}")
    return found


def merge_intervals(intervals_N2: Floats) -> Floats:
    """Sort intervals, and merge those that overlap or touch; empty ones are dropped."""
    kept = intervals_N2[intervals_N2[:, 0] < intervals_N2[:, 1]]
    kept = kept[np.argsort(kept[:, 0], kind="stable")]
    if not len(kept):
        return kept
    reach = np.maximum.accumulate(kept[:, 1])
    first = np.concatenate(([True], kept[1:, 0] > reach[:-1]))
    last = np.concatenate((first[1:], [True]))
    return np.stack((kept[first, 0], reach[last]), axis=1)


def overlaps(truth_M2: Floats, events_E2: Floats) -> Floats:
    """Return the overlap of each pair in seconds, ``[M, E]``."""
    start = np.maximum(truth_M2[:, None, 0], events_E2[None, :, 0])
    end = np.minimum(truth_M2[:, None, 1], events_E2[None, :, 1])
    shared: Floats = np.maximum(end - start, 0.0)
    return shared


def detects(truth_M2: Floats, events_E2: Floats) -> Bools:
    """Return whether each predicted event detects each true event as in ActEV SDL V2, ``[M, E]``.

    It must cover at least 1 s of the true event, or at least half of a shorter one. Its own duration and its overlap
    with other events do not matter.
    """
    lengths_M = truth_M2[:, 1] - truth_M2[:, 0]
    needed_M = np.where(lengths_M < MIN_OVERLAP_S, MIN_OVERLAP_FRACTION * lengths_M, MIN_OVERLAP_S)
    return _at_least(overlaps(truth_M2, events_E2), needed_M[:, None])


def iou_at_least(truth_M2: Floats, events_E2: Floats, iou: float) -> Bools:
    """Return whether the temporal IoU of each pair is at least ``iou``, which is above 0; ``[M, E]``."""
    shared = overlaps(truth_M2, events_E2)
    lengths_M, lengths_E = np.diff(truth_M2, axis=1), np.diff(events_E2, axis=1).T
    return (shared > 0) & _at_least(shared, iou * (lengths_M + lengths_E - shared))


def max_matching(allowed_ME: Bools) -> int:
    """Return the size of a maximum one-to-one matching of true and predicted events.

    A maximum bipartite matching (Hopcroft & Karp 1973) does not depend on order or ties. For events with scores, its
    size at each threshold equals that of one assignment with maximum total score for all thresholds, because matchable
    sets of events form a transversal matroid.
    """
    if (allowed_ME.sum(axis=0) <= 1).all() and (allowed_ME.sum(axis=1) <= 1).all():
        return int(np.count_nonzero(allowed_ME))
    return int(np.count_nonzero(maximum_bipartite_matching(csr_array(allowed_ME), perm_type="column") >= 0))


def count_false(truth_M2: Floats, events_E2: Floats) -> int:
    """Return the number of predicted events that do not overlap any true event."""
    return int(np.count_nonzero(~(overlaps(truth_M2, events_E2) > 0).any(axis=0)))


def surplus_s(truth_M2: Floats, events_E2: Floats) -> float:
    """Return the time in which more events are predicted than are true, multiplied by their number.

    ActEV SDL: the integral over time of max(0, predicted - true), with the numbers of concurrent events.
    """
    edges = np.unique(np.concatenate((truth_M2.ravel(), events_E2.ravel())))
    if edges.size < 2:
        return 0.0
    more = _concurrent(events_E2, edges[:-1]) - _concurrent(truth_M2, edges[:-1])
    return float(np.sum(np.diff(edges) * np.maximum(more, 0)))


def _concurrent(intervals_N2: Floats, times_P: Floats) -> npt.NDArray[np.int64]:
    started = np.searchsorted(np.sort(intervals_N2[:, 0]), times_P, side="right")
    ended = np.searchsorted(np.sort(intervals_N2[:, 1]), times_P, side="right")
    return started.astype(np.int64) - ended.astype(np.int64)


def _at_least(value: Floats, bound: Floats) -> Bools:
    """Compare sums of seconds with a tolerance for rounding errors."""
    return value >= bound - 1e-9 * np.maximum(bound, 1.0)
