"""Where a video's anomalies are, in time and in the picture, and how a CSV cell says it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

NONE = "none"
"""What a cell holds where it is known that there is nothing; an empty cell means that nothing is known."""

MAX_FRAMES = 1 << 40
"""Frames of a video, at most: a thousand years."""

_SPAN = re.compile(r"(\d+)-(\d+)")
_BOX = re.compile(r"(\d+)-(\d+):([^,#]+),([^,#]+),([^,#]+),([^,#]+)(?:#(\d+))?")

Span = tuple[int, int]
"""Frames ``[start, end)``, numbered from 0."""


class Box(NamedTuple):
    """A rectangle that holds through some frames. Everything is half-open; pixels are those of the picture as shown."""

    start_frame: int
    end_frame: int
    x1: float
    y1: float
    x2: float
    y2: float
    track: int | None = None
    """Boxes of one track are one object that moves; unique within the video. None: not known."""


def merge_spans(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sort spans and join those that overlap or touch; empty ones vanish."""
    merged: list[Span] = []
    for start, end in sorted(s for s in spans if s[0] < s[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def known_spans(spans: Sequence[Span] | None, boxes: Iterable[Box] | None) -> tuple[Span, ...] | None:
    """Return a video's anomalous frames: its spans, else the frames with any box; None where nothing is known."""
    if spans is not None:
        return tuple(spans)
    return None if boxes is None else merge_spans((box.start_frame, box.end_frame) for box in boxes)


def cut_spans(spans: Sequence[Span], num_frames: int) -> tuple[Span, ...] | None:
    """Return spans without what lies past the last frame; None, not known, where nothing is left of some."""
    kept = tuple((start, min(end, num_frames)) for start, end in spans if start < num_frames)
    return kept if kept or not spans else None


def cut_boxes(boxes: Sequence[Box], num_frames: int) -> tuple[Box, ...] | None:
    """Return boxes without what lies past the last frame; None, not known, where nothing is left of some."""
    kept = tuple(b._replace(end_frame=min(b.end_frame, num_frames)) for b in boxes if b.start_frame < num_frames)
    return kept if kept or not boxes else None


def spans_problem(spans: Sequence[Span]) -> str | None:
    """Say what is wrong with the spans of a video, or return None."""
    previous = 0
    for start, end in spans:
        if not previous <= start < end:
            return f"spans must be non-empty, sorted and disjoint, from frame 0 on; got {format_spans(spans)}"
        previous = end
    if previous > MAX_FRAMES:
        return f"a span ends at frame {previous}, which no video has"
    return None


def box_problem(box: Box) -> str | None:
    """Say what is wrong with a box of a video, or return None."""
    if not 0 <= box.start_frame < box.end_frame <= MAX_FRAMES:
        return f"a box needs 0 <= start_frame < end_frame, and frames that a video has, got {format_boxes([box])}"
    if box.track is not None and not -(1 << 31) <= box.track < 1 << 31:
        return f"the track of a box is a number of 32 bits, got {box.track}"
    if not all(math.isfinite(v) for v in box[2:6]) or not (box.x1 < box.x2 and box.y1 < box.y2):
        return f"a box needs finite x1 < x2 and y1 < y2, got {format_boxes([box])}"
    return None


def format_spans(spans: Sequence[Span]) -> str:
    """Write spans as ``60-180 200-210``, none at all as ``none``."""
    return " ".join(f"{start}-{end}" for start, end in spans) or NONE


def parse_spans(text: str) -> tuple[Span, ...]:
    """Read what :func:`format_spans` writes. Raises ``ValueError``."""
    spans = []
    for word in [] if text.strip() == NONE else text.split():
        match = _SPAN.fullmatch(word)
        if match is None:
            raise ValueError(f"expected spans such as '60-180 200-210' or '{NONE}', got {word!r:.80}")
        spans.append((int(match[1]), int(match[2])))
    return tuple(spans)


def format_boxes(boxes: Sequence[Box]) -> str:
    """Write boxes as ``start-end:x1,y1,x2,y2[#track] …``, none at all as ``none``. Floats survive exactly."""
    words = []
    for box in boxes:
        corners = ",".join(repr(float(value)).removesuffix(".0") for value in box[2:6])
        track = "" if box.track is None else f"#{box.track}"
        words.append(f"{box.start_frame}-{box.end_frame}:{corners}{track}")
    return " ".join(words) or NONE


def parse_boxes(text: str) -> tuple[Box, ...]:
    """Read what :func:`format_boxes` writes. Raises ``ValueError``."""
    boxes = []
    for word in [] if text.strip() == NONE else text.split():
        match = _BOX.fullmatch(word)
        if match is None:
            raise ValueError(f"expected boxes such as '60-180:0,95,23,128#1' or '{NONE}', got {word!r:.80}")
        x1, y1, x2, y2 = (float(match[n]) for n in range(3, 7))
        track = None if match[7] is None else int(match[7])
        boxes.append(Box(int(match[1]), int(match[2]), x1, y1, x2, y2, track))
    return tuple(boxes)
