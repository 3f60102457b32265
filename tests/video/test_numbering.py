"""Numbering: the position of a picture in a full decode, whatever was lost before it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from wsvad.video.numbering import CountNumbering, OrderNumbering, TimestampNumbering


def by_time(base: int = 0, start: int = 0) -> TimestampNumbering:
    """One tick per second, frames of half a second."""
    return TimestampNumbering(base, start, 0, Fraction(1), 0.5)


def test_reordered_pictures_are_numbered_by_their_times() -> None:
    """Decode order I P B B, presentation order I B B P."""
    numbering = by_time()
    for ordinal, time in enumerate((0, 30, 10, 20)):
        numbering.packet(ordinal, time, ordinal, 10)
    places = [numbering.picture(ordinal) for ordinal in (0, 2, 3, 1)]
    assert [p and (p.number, p.start_s) for p in places] == [(0, 0.0), (1, 10.0), (2, 20.0), (3, 30.0)]
    assert numbering.last_end_s() == 40.0


def test_a_lost_packet_keeps_its_number() -> None:
    """Pictures after a gap keep their numbers; the frame before it ends where the lost one would start."""
    numbering = by_time()
    for ordinal, time in enumerate((0, 10, 20, 30)):
        numbering.packet(ordinal, time, time, 10)
    assert numbering.picture(0) is not None
    place = numbering.picture(3)
    assert place is not None
    assert (place.number, place.previous_end_s) == (3, 10.0)


def test_after_a_seek_leading_pictures_get_no_number() -> None:
    """Open GOP: frame 7 is the key frame at time 70; pictures before it belong to the previous GOP."""
    numbering = by_time(base=7, start=70)
    for ordinal, time in enumerate((70, 50, 60, 100, 80, 90)):
        numbering.packet(ordinal, time, ordinal, 10)
    numbers = [place and place.number for place in map(numbering.picture, (1, 2, 0, 4, 5, 3))]
    assert numbers == [None, None, 7, 8, 9, 10]


def test_after_a_truncation_only_certain_pictures_are_numbered() -> None:
    """I P B with one B cut off: P may be frame 2 or 3, so it gets no number."""
    numbering = by_time()
    for ordinal, (time, decode_time) in enumerate(((0, -20), (30, -10), (10, 0))):
        numbering.packet(ordinal, time, decode_time, 10)
    first = numbering.picture(0)
    numbering.end_of_packets(complete=False)
    assert first is not None
    assert first.number == 0
    assert numbering.picture(1) is None


def test_a_late_packet_does_not_shift_later_frames() -> None:
    """A packet whose picture should precede one already output is lost; later frames keep their numbers."""
    numbering = by_time()
    numbering.packet(0, 0, 0, 10)
    numbering.packet(1, 20, 1, 10)
    assert [place and place.number for place in map(numbering.picture, (0, 1))] == [0, 1]
    numbering.packet(2, 10, 2, 10)
    numbering.packet(3, 30, 3, 10)
    assert numbering.picture(2) is None
    place = numbering.picture(3)
    assert place is not None
    assert place.number == 3


def test_without_reordering_the_count_is_the_packet_index() -> None:
    """A lost packet leaves a gap at once."""
    numbering = CountNumbering(0, 25.0)
    for ordinal in range(4):
        numbering.packet(ordinal, None, None, 0)
    numbers = [place and place.number for place in map(numbering.picture, (0, 1, 3))]
    assert numbers == [0, 1, 3]


@pytest.mark.parametrize("depth", [2, 16])
def test_after_damage_no_number_is_given_until_the_count_is_certain(depth: int) -> None:
    """Of 200 reordered pictures, one is lost: every number given is correct, and most are given."""
    order = np.arange(200)
    order[1:193] = order[1:193].reshape(-1, 4)[:, [3, 0, 1, 2]].reshape(-1)  # I, then P B B B
    numbering, right, given = CountNumbering(depth, 25.0), True, 0
    lost = 101
    waiting: list[int] = []
    presented = 0
    for ordinal, place in enumerate(order.tolist()):
        numbering.packet(ordinal, None, None, 0)
        if ordinal == lost:
            numbering.refused(ordinal)
        waiting.append(place)
        while presented in waiting:
            source = int(np.flatnonzero(order == presented)[0])
            if source != lost:
                numbered = numbering.picture(source)
                right &= numbered is None or numbered.number == presented
                given += numbered is not None
            presented += 1
    assert right
    assert given >= 200 - 4 * depth - 5


def test_table_positions_reveal_packets_that_were_not_read() -> None:
    """The container's own table shows that packets 2 and 3 are lost."""
    numbering = CountNumbering(0, 25.0)
    for ordinal, place in enumerate((0, 1, 4, 5)):
        numbering.packet(ordinal, place, None, 0)
    assert [p and p.number for p in map(numbering.picture, range(4))] == [0, 1, 4, 5]


def test_order_numbering_skips_known_lost_frames() -> None:
    """Frame 2 gives no picture, so 1 and 3 are ambiguous; from 4 on all numbers are certain again."""
    numbering = OrderNumbering(lambda frame: frame / 10, lost=[2], uncertain=[1, 3])
    for ordinal in range(7):
        numbering.packet(ordinal, None, None, 0)
    places = [numbering.picture(ordinal) for ordinal in (0, 2, 1, 4, 5)]
    assert [p and p.number for p in places] == [0, None, None, 4, 5]
    assert [p and p.previous_end_s for p in places] == [0.0, None, None, 0.1, 0.5]
    assert numbering.picture(99) is None
    assert numbering.last_end_s() == pytest.approx(0.6)
