"""Overlap and matching of true and predicted events, by hand and compared with sets of whole seconds."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsvad.errors import UsageError
from wsvad.metrics.intervals import (
    as_intervals,
    count_false,
    detects,
    iou_at_least,
    max_matching,
    merge_intervals,
    overlaps,
    surplus_s,
)

END = 30
PAIRS = st.lists(st.tuples(st.integers(0, END), st.integers(0, END)).map(sorted).map(tuple), max_size=6)


def seconds(pairs: list) -> list[set[int]]:
    """Return each interval as the set of its whole seconds."""
    return [set(range(start, end)) for start, end in pairs]


@given(truth=PAIRS, events=PAIRS)
def test_overlap_iou_surplus_and_false_events(truth: list, events: list) -> None:
    """Compared with sets of seconds."""
    truth_M2, events_E2 = as_intervals(truth), as_intervals(events)
    shared, same = overlaps(truth_M2, events_E2), iou_at_least(truth_M2, events_E2, 0.3)
    for m, t in enumerate(seconds(truth)):
        for e, p in enumerate(seconds(events)):
            assert shared[m, e] == len(t & p)
            assert same[m, e] == (len(t & p) > 0 and 10 * len(t & p) >= 3 * len(t | p))
    going = [[sum(s in one for one in seconds(pairs)) for s in range(END)] for pairs in (events, truth)]
    apart = [p for p in seconds(events) if not any(t & p for t in seconds(truth))]
    assert count_false(truth_M2, events_E2) == len(apart)
    assert surplus_s(truth_M2, events_E2) == sum(max(p - t, 0) for p, t in zip(*going, strict=True))


@given(pairs=PAIRS)
def test_merged_intervals_contain_the_same_seconds(pairs: list) -> None:
    """Sorted, not empty, not adjacent, and with every second of the union once."""
    found = merge_intervals(as_intervals(pairs))
    assert (found[:, 0] < found[:, 1]).all()
    assert (found[1:, 0] > found[:-1, 1]).all()
    assert [s for a, b in found for s in range(int(a), int(b))] == sorted(set().union(*seconds(pairs)))


@pytest.mark.parametrize(
    ("truth", "event", "detected"),
    [
        ((10, 20), (19, 40), True),  # just 1 s
        ((10, 20), (19.01, 40), False),
        ((10, 20), (0, 100), True),  # the duration of the predicted event does not matter
        ((10, 20), (20, 30), False),  # touching is not overlapping
        ((10, 10.6), (10.3, 11), True),  # shorter than 1 s: half of it
        ((10, 10.6), (10.31, 11), False),
        ((10, 11), (10.5, 12), False),  # 1 s long: all of it
        ((10, 11), (10, 11), True),
        ((0, 0.04), (0, 0.04), True),  # one frame
    ],
)
def test_detection_of_a_true_event(truth: tuple, event: tuple, detected: bool) -> None:
    """1 s of it, or half of a shorter one."""
    assert detects(as_intervals([truth]), as_intervals([event])).tolist() == [[detected]]


def test_rounding_errors_are_tolerated() -> None:
    """0.1 + 0.2 is not 0.3, but 1 s as a sum of tenths is still 1 s."""
    start = sum([0.1] * 3)
    assert detects(as_intervals([(0.0, start + 0.7 + 0.3)]), as_intervals([(start, start + 1.0 - 1e-12)])).all()


@given(st.integers(0, 5).flatmap(lambda m: st.lists(st.lists(st.booleans(), min_size=4, max_size=4), max_size=m)))
def test_max_matching_equals_the_best_of_all_assignments(rows: list) -> None:
    """Compared with every order of the columns."""
    allowed = np.array(rows, dtype=bool).reshape(-1, 4)
    places = [*range(4), *[None] * len(allowed)]
    best = max(
        sum(place is not None and allowed[m, place] for m, place in enumerate(order))
        for order in set(permutations(places, len(allowed)))
    )
    assert max_matching(allowed) == best


def test_greedy_matching_is_not_optimal() -> None:
    """The first event matches both true events; both are matched only if it takes the second one."""
    assert max_matching(np.array([[True, True], [True, False]])) == 2


@pytest.mark.parametrize("wrong", [[(2, 1)], [(0, float("nan"))], [(0, float("inf"))], [(1, 2, 3)]])
def test_invalid_intervals_are_rejected(wrong: list) -> None:
    """End before start, not finite, not pairs."""
    with pytest.raises(UsageError, match="expected intervals"):
        as_intervals(wrong)
