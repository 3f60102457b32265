"""Linking of boxes into tracks, and extension of boxes, compared with hand-made cases and naive loops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsvad.manifest.public.tracks import Sighting, extend, iou, link
from wsvad.manifest.records import Box


def _walk(start, first, last, *, y=0, step=4):
    """Return a 20x20 box that moves to the right, one box per frame."""
    return [
        Box(f, f + 1, start + step * (f - first), y, start + step * (f - first) + 20, y + 20)
        for f in range(first, last)
    ]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 2, 2), (0, 0, 2, 2), 1),
        ((0, 0, 2, 2), (1, 0, 3, 2), 1 / 3),
        ((0, 0, 2, 2), (2, 0, 4, 2), 0),
        ((0, 0, 4, 4), (1, 1, 2, 2), 1 / 16),
    ],
)
def test_iou(a, b, expected):
    """Equal, half shifted, touching, nested; symmetric."""
    first, second = Box(0, 1, *a), Box(5, 6, *b)
    assert iou(first, second) == iou(second, first) == pytest.approx(expected)


def test_moving_objects_keep_their_tracks():
    """Two objects side by side and one that returns after two frames without a box are three tracks."""
    one, two = _walk(0, 0, 10), _walk(200, 3, 9, y=50, step=-4)
    gap = [b for b in _walk(0, 0, 10, y=120) if b.start_frame not in (4, 5)]
    linked = link([*two, *gap, *one])
    tracks = {}
    for box in linked:
        tracks.setdefault(box.track, []).append(box._replace(track=None))
    assert sorted(map(sorted, tracks.values())) == sorted(map(sorted, [one, two, gap]))
    assert [b.start_frame for b in linked] == sorted(b.start_frame for b in linked)


def test_a_long_gap_starts_another_track():
    """A gap of three frames is bridged, four frames are not."""
    for missing, tracks in ((3, 1), (4, 2)):
        boxes = [Box(0, 1, 0, 0, 9, 9), Box(1 + missing, 2 + missing, 0, 0, 9, 9)]
        assert len({b.track for b in link(boxes)}) == tracks


def test_the_larger_overlap_is_matched_first():
    """A box that two tracks could match is assigned to the nearer one; the other new box starts no track."""
    boxes = [Box(0, 1, 0, 0, 10, 10), Box(0, 1, 6, 0, 16, 10), Box(1, 2, 5, 0, 15, 10), Box(1, 2, 1, 0, 11, 10)]
    assert {(b.start_frame, b.x1): b.track for b in link(boxes)} == {(0, 0): 0, (0, 6): 1, (1, 5): 1, (1, 1): 0}


@given(
    st.sets(st.integers(0, 200), min_size=1, max_size=12),
    st.integers(0, 20),
    st.none() | st.sampled_from([((0, 201),), ((0, 90), (90, 201)), ((0, 100), (100, 150), (150, 300))]),
)
def test_every_frame_has_the_nearest_box_within_reach(frames, reach, events):
    """Compared with a loop over frames; the earlier box on ties; never across the border of an event."""
    sightings = [Sighting(f, f, 0, f + 1, 1) for f in frames]
    held = {f: b for b in extend(sightings, reach=reach, within=events) for f in range(b.start_frame, b.end_frame)}
    for frame in range(320):
        event = next(((n, e) for n, e in enumerate(events or ()) if e[0] <= frame < e[1]), None)
        own = [f for f in frames if events is None or (event and event[1][0] <= f < event[1][1])]
        near = min(((abs(frame - f), f) for f in own), default=(reach + 1, 0))
        if near[0] > reach or (events and event is None):
            assert frame not in held
        else:
            assert held[frame][2] == near[1]
            assert held[frame].track == (event[0] if event else None)


def test_a_box_outside_all_events_is_rejected():
    """The message contains the frame."""
    with pytest.raises(ValueError, match="frame 7 has a box"):
        extend([Sighting(7, 0, 0, 1, 1)], reach=3, within=[(0, 7)])
