"""Matching of the events of two nights: against a brute-force reference, and by hand."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from wsvad.nightly.changes import EventSpan, compare_events

spans = st.builds(
    lambda clock, start, length: EventSpan(clock, start / 4, (start + length) / 4),
    st.sampled_from("ab"),
    st.integers(0, 40),
    st.integers(0, 12),
)


def reference(before: list[EventSpan], now: list[EventSpan]) -> Counter[str]:
    """Match greedily by brute force: take the pair with the highest IoU until none is left."""
    old, new = sorted(before), sorted(now)
    found: Counter[str] = Counter()
    while True:
        pairs = []
        for i, a in enumerate(old):
            for j, b in enumerate(new):
                shared = min(a.end_s, b.end_s) - max(a.start_s, b.start_s)
                if a.clock == b.clock and (shared > 0 or a == b):
                    union = max(a.end_s, b.end_s) - min(a.start_s, b.start_s)
                    pairs.append((-(shared / union if union else 1.0), a, b, i, j))
        if not pairs:
            break
        _, _, _, i, j = min(pairs)
        found["kept" if old.pop(i) == new.pop(j) else "moved"] += 1
    return found + Counter({"gone": len(old), "new": len(new)})


@given(st.lists(spans, max_size=7), st.lists(spans, max_size=7))
def test_matches_brute_force(before, now):
    """The counts of each kind are equal, and every event occurs once."""
    changes = compare_events(before, now)
    assert Counter(change.change for change in changes) == reference(before, now)
    assert Counter(change.before for change in changes if change.before) == Counter(before)
    assert Counter(change.now for change in changes if change.now) == Counter(now)


@given(st.lists(spans, max_size=7))
def test_identical_nights_keep_all_events(events):
    """All events of identical nights are kept."""
    assert {change.change for change in compare_events(events, events)} <= {"kept"}


def test_lengthened_removed_and_other_camera():
    """An event that was lengthened, one that is gone, one on another camera at the same time."""
    before = [EventSpan("a", 0, 10), EventSpan("a", 20, 30), EventSpan("b", 0, 10)]
    now = [EventSpan("a", 0, 12), EventSpan("b", 0, 10), EventSpan("c", 20, 30)]
    assert [(c.change, c.before, c.now) for c in compare_events(before, now)] == [
        ("moved", before[0], now[0]),
        ("gone", before[1], None),
        ("kept", before[2], now[1]),
        ("new", None, now[2]),
    ]
