"""Ground truth of a video: anomalous frame spans and boxes, and their text form in CSV cells."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

NONE = "none"
"""Content of a cell that is known to have no spans or boxes; an empty cell means unknown."""

MAX_FRAMES = 1 << 40
"""Maximum number of frames of a video: a thousand years."""

_SPAN = re.compile(r"(\d+)-(\d+)")
_BOX = re.compile(r"(\d+)-(\d+):([^,#]+),([^,#]+),([^,#]+),([^,#]+)(?:#(\d+))?")

Span = tuple[int, int]
"""Frames ``[start, end)``, numbered from 0."""


class Box(NamedTuple):
    """A rectangle over a range of frames. Frames and pixels are half-open; pixels are those of the displayed frame."""

    start_frame: int
    end_frame: int
    x1: float
    y1: float
    x2: float
    y2: float
    track: int | None = None
    """Boxes of one track are one moving object; unique within the video. None: unknown."""


def merge_spans(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sort spans, and merge those that overlap or touch; empty ones are dropped."""
    merged: list[Span] = []
    for start, end in sorted(s for s in spans if s[0] < s[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def known_spans(spans: Sequence[Span] | None, boxes: Iterable[Box] | None) -> tuple[Span, ...] | None:
    """Return the anomalous frames of a video: its spans, else the frames with boxes; None if both are unknown."""
    if spans is not None:
        return tuple(spans)
    return None if boxes is None else merge_spans((box.start_frame, box.end_frame) for box in boxes)


def cut_spans(spans: Sequence[Span], num_frames: int) -> tuple[Span, ...] | None:
    """Clip spans to the number of frames; return None (unknown) if none of several is left."""
    kept = tuple((start, min(end, num_frames)) for start, end in spans if start < num_frames)
    return kept if kept or not spans else None


def cut_boxes(boxes: Sequence[Box], num_frames: int) -> tuple[Box, ...] | None:
    """Clip boxes to the number of frames; return None (unknown) if none of several is left."""
    kept = tuple(b._replace(end_frame=min(b.end_frame, num_frames)) for b in boxes if b.start_frame < num_frames)
    return kept if kept or not boxes else None


def spans_problem(spans: Sequence[Span]) -> str | None:
    """Return why the spans of a video are invalid, or None if they are valid."""
    previous = 0
    for start, end in spans:
        if not previous <= start < end:
            return f"spans must be non-empty, sorted, disjoint and not negative; got {format_spans(spans)}"
        previous = end
    if previous > MAX_FRAMES:
        return f"a span ends at frame {previous}, expected at most {MAX_FRAMES}"
    return None


def box_problem(box: Box) -> str | None:
    """Return why a box of a video is invalid, or None if it is valid."""
    if not 0 <= box.start_frame < box.end_frame <= MAX_FRAMES:
        return f"a box needs 0 <= start_frame < end_frame <= {MAX_FRAMES}, got {format_boxes([box])}"
    if box.track is not None and not -(1 << 31) <= box.track < 1 << 31:
        return f"the track of a box must be a 32-bit integer, got {box.track}"
    if not all(math.isfinite(v) for v in box[2:6]) or not (box.x1 < box.x2 and box.y1 < box.y2):
        return f"a box needs finite x1 < x2 and y1 < y2, got {format_boxes([box])}"
    return None


def format_spans(spans: Sequence[Span]) -> str:
    """Format spans as ``60-180 200-210``, or ``none`` if there are none."""
    return " ".join(f"{start}-{end}" for start, end in spans) or NONE


def parse_spans(text: str) -> tuple[Span, ...]:
    """Parse the output of :func:`format_spans`. Raises ``ValueError``."""
    spans = []
    for word in [] if text.strip() == NONE else text.split():
        match = _SPAN.fullmatch(word)
        if match is None:
            raise ValueError(f"expected spans such as '60-180 200-210' or '{NONE}', got {word!r:.80}")
        spans.append((int(match[1]), int(match[2])))
    return tuple(spans)


def format_boxes(boxes: Sequence[Box]) -> str:
    """Format boxes as ``start-end:x1,y1,x2,y2[#track] …``, or ``none`` if there are none. Floats round-trip exactly."""
    words = []
    for box in boxes:
        corners = ",".join(repr(float(value)).removesuffix(".0") for value in box[2:6])
        track = "" if box.track is None else f"#{box.track}"
        words.append(f"{box.start_frame}-{box.end_frame}:{corners}{track}")
    return " ".join(words) or NONE


def parse_boxes(text: str) -> tuple[Box, ...]:
    """Parse the output of :func:`format_boxes`. Raises ``ValueError``."""
    boxes = []
    for word in [] if text.strip() == NONE else text.split():
        match = _BOX.fullmatch(word)
        if match is None:
            raise ValueError(f"expected boxes such as '60-180:0,95,23,128#1' or '{NONE}', got {word!r:.80}")
        x1, y1, x2, y2 = (float(match[n]) for n in range(3, 7))
        track = None if match[7] is None else int(match[7])
        boxes.append(Box(int(match[1]), int(match[2]), x1, y1, x2, y2, track))
    return tuple(boxes)
