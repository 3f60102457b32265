"""Links boxes of single frames into tracks, and extends sparse boxes to neighbouring frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wsvad.manifest.records import Box
from wsvad.manifest.truth import Span


def iou(a: Box, b: Box) -> float:
    """Return the intersection over union of two rectangles, 0 to 1; frames are ignored."""
    width = min(a.x2, b.x2) - max(a.x1, b.x1)
    height = min(a.y2, b.y2) - max(a.y1, b.y1)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - shared)


def link(boxes: Sequence[Box], *, min_iou: float = 0.1, max_gap: int = 3) -> tuple[Box, ...]:
    """Assign track numbers to boxes that each cover one or a few frames.

    At each frame, pairs of an open track's last box and a new box are matched greedily by decreasing IoU; an unmatched
    box starts a new track.

    Args:
        boxes: boxes of one video.
        min_iou: minimum IoU of two boxes of one object, above 0 and at most 1.
        max_gap: maximum number of frames without a box within a track.

    Returns:
        The same boxes sorted by frame, each with its ``track``, counted from 0.
    """
    linked: list[Box] = []
    last: dict[int, Box] = {}
    for start in sorted({box.start_frame for box in boxes}):
        new = sorted(box for box in boxes if box.start_frame == start)
        live = {track: box for track, box in last.items() if start - box.end_frame <= max_gap}
        pairs = [(iou(box, other), track, n) for track, box in live.items() for n, other in enumerate(new)]
        taken: dict[int, int] = {}
        for overlap, track, n in sorted(pairs, key=lambda p: (-p[0], p[1], p[2])):
            if overlap >= min_iou and n not in taken and track not in taken.values():
                taken[n] = track
        for n, box in enumerate(new):
            track = taken.get(n, len(last))
            last[track] = box._replace(track=track)
            linked.append(last[track])
    return tuple(linked)


class Sighting(NamedTuple):
    """A box annotated in one frame."""

    frame: int
    x1: float
    y1: float
    x2: float
    y2: float


def extend(sightings: Sequence[Sighting], *, reach: int, within: Sequence[Span] | None = None) -> tuple[Box, ...]:
    """Extend boxes annotated in single frames to the neighbouring frames.

    A frame takes the box of the nearest annotated frame of its event, the earlier one on ties. It has no box if the
    nearest is more than ``reach`` frames away, because annotators did not see the object there.

    Args:
        sightings: annotated boxes of one object, at most one per frame.
        reach: number of frames by which a box is extended to both sides.
        within: events; a box never extends beyond its event. None: events are unknown.

    Returns:
        Boxes sorted by frame, disjoint in time; ``track`` is the index of the event, None without events.

    Raises:
        ValueError: an annotated frame is in none of the events.
    """
    ordered = sorted(sightings)
    if within is None:
        return tuple(_extended(ordered, reach, None, None))
    boxes: list[Box] = []
    for number, event in enumerate(within):
        boxes += _extended([s for s in ordered if event[0] <= s.frame < event[1]], reach, event, number)
    outside = [s.frame for s in ordered if not any(start <= s.frame < end for start, end in within)]
    if outside:
        raise ValueError(f"frame {outside[0]} has a box but is in none of the events {list(within)}")
    return tuple(boxes)


def _extended(ordered: Sequence[Sighting], reach: int, event: Span | None, track: int | None) -> list[Box]:
    boxes = []
    for number, sighting in enumerate(ordered):
        start, end = sighting.frame - reach, sighting.frame + reach + 1
        if number:
            start = max(start, (ordered[number - 1].frame + sighting.frame) // 2 + 1)
        if number + 1 < len(ordered):
            end = min(end, (sighting.frame + ordered[number + 1].frame) // 2 + 1)
        if event is not None:
            start, end = max(start, event[0]), min(end, event[1])
        boxes.append(Box(max(start, 0), end, *sighting[1:], track))
    return boxes
