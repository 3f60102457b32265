"""Timelines: scores over time with the ground truth in the background, one strip per video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wsvad.metrics.results import VideoResult
from wsvad.report.svg import text

WIDTH, HEIGHT = 600.0, 60.0
PER_GROUP = 12

Row = dict[str, Any]
Scale = tuple[float, float]


def common_scale(low: float, high: float) -> Scale:
    """Return the range of scores to draw: 0 to 1, or the used range if it is smaller than a quarter."""
    if high - low >= 0.25:
        return 0.0, 1.0
    margin = max((high - low) * 0.1, 0.005)
    return max(0.0, low - margin), min(1.0, high + margin)


def choose(results: Sequence[VideoResult], rows: Sequence[Row]) -> list[tuple[str, list[int]]]:
    """Select the strips: anomalous videos with the worst and best AUC, and normal ones with the highest scores."""
    anomalous = [n for n, r in enumerate(results) if r.anomalous]
    ranked = sorted(anomalous, key=lambda n: (_quality(rows[n]), rows[n]["video_id"]))
    normal = sorted(
        (n for n, r in enumerate(results) if not r.anomalous),
        key=lambda n: (-rows[n]["max_score"], rows[n]["video_id"]),
    )
    half = (len(ranked) + 1) // 2 if len(ranked) < 2 * PER_GROUP else PER_GROUP
    best = ranked[half:][-PER_GROUP:][::-1]
    return [
        ("Anomalous videos, hardest first", ranked[:half]),
        ("Anomalous videos, best first", best),
        ("Normal videos, highest scores first", normal[:PER_GROUP]),
    ]


def _quality(row: Row) -> float:
    """Return the frame AUC within the video, or the highest score if it has none."""
    return float(row["max_score"] if row["frame_auc"] is None else row["frame_auc"])


@dataclass(frozen=True)
class Strip:
    """One video of the page."""

    video_id: str
    category: str
    """Empty if unknown."""
    truth_known: bool
    own_auc: float | None
    """Frame AUC within the video, 0 to 1."""
    peak: float
    frames: int
    end_s: float
    """Duration of the video in seconds."""
    svg: str
    """SVG; texts in it are escaped."""


def strip(result: VideoResult, row: Row, scale: Scale, threshold: float) -> Strip:
    """Return the strip of one video."""
    scores = result.scores
    return Strip(
        row["video_id"],
        result.record.category or "",
        result.true_spans is not None,
        row["frame_auc"],
        row["max_score"],
        scores.num_frames,
        float(scores.end_s[-1]),
        _svg(result, row["video_id"], scale, threshold),
    )


def _svg(result: VideoResult, video_id: str, scale: Scale, threshold: float) -> str:
    frames = max(result.scores.num_frames, 1)
    bands = "".join(
        f'<rect class="truth" x="{a / frames * WIDTH:.1f}" y="0" '
        f'width="{max((b - a) / frames * WIDTH, 1):.1f}" height="{HEIGHT:.0f}"/>'
        for a, b in result.true_spans or ()
    )
    path = _path(result, scale)
    level = _y(threshold, scale)
    line = (
        f'<line class="threshold" x1="0" x2="{WIDTH:.0f}" y1="{level:.1f}" y2="{level:.1f}"/>'
        if level is not None
        else ""
    )
    return (
        f'<svg class="line" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" preserveAspectRatio="none" role="img" '
        f'aria-label="score over time of {text(video_id)}">{bands}{line}'
        f'<path class="area" d="{path} L{_end(result):.1f},{HEIGHT:.0f} L{_start(result):.1f},{HEIGHT:.0f} Z"/>'
        f'<path class="score" d="{path}"/></svg>'
    )


def _y(score: float, scale: Scale) -> float | None:
    low, high = scale
    if not low <= score <= high:
        return None
    return HEIGHT - 2 - (score - low) / (high - low) * (HEIGHT - 4)


def _start(result: VideoResult) -> float:
    return float(result.scores.start_frame[0]) / max(result.scores.num_frames, 1) * WIDTH


def _end(result: VideoResult) -> float:
    return min(float(result.scores.end_frame[-1]) / max(result.scores.num_frames, 1), 1.0) * WIDTH


def _path(result: VideoResult, scale: Scale) -> str:
    """Return an SVG path of steps; with more clips than pixels, neighbours share a pixel that shows the highest."""
    scores = result.scores
    start, end, score = scores.start_frame, np.minimum(scores.end_frame, scores.num_frames), scores.score_T
    if len(score) > WIDTH:
        cuts = np.unique(np.linspace(0, len(score), int(WIDTH) + 1).astype(int))[:-1]
        last = np.append(cuts[1:], len(score)) - 1
        start, end, score = start[cuts], end[last], np.maximum.reduceat(score, cuts)
    unit = WIDTH / max(scores.num_frames, 1)
    low, high = scale
    y = HEIGHT - 2 - (np.clip(score, low, high) - low) / (high - low) * (HEIGHT - 4)
    steps = [f"{a * unit:.1f},{v:.1f} L{b * unit:.1f},{v:.1f}" for a, b, v in zip(start, end, y, strict=True)]
    return "M" + " L".join(steps)
