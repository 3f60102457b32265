"""Heat maps: the 7x7 grid of cuboid scores over the frame of the peak, with the ground-truth boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wsvad.metrics.results import VideoResult, displayed_size
from wsvad.report.pictures import picture_uri
from wsvad.report.svg import text
from wsvad.scores.grid import cells

ANOMALOUS, NORMAL = 16, 8

View = tuple[float, float, float, float]


def choose(results: Sequence[VideoResult], rows: Sequence[dict[str, Any]]) -> list[int]:
    """Select the videos with cuboid scores to show: the highest peaks, anomalous videos first."""
    with_cuboids = [n for n, r in enumerate(results) if r.scores.cuboid_scores_TK is not None]
    ranked = sorted(with_cuboids, key=lambda n: (-rows[n]["max_score"], rows[n]["video_id"]))
    anomalous = [n for n in ranked if results[n].anomalous]
    normal = [n for n in ranked if not results[n].anomalous]
    return anomalous[:ANOMALOUS] + normal[:NORMAL]


@dataclass(frozen=True)
class Heat:
    """The peak of one video, for the page."""

    video_id: str
    kind: str
    frame: int
    """Number of the shown frame."""
    peak: float
    hit: float | None
    """Whether the strongest cuboid contains a box, 0 to 1; None without ground truth."""
    svg: str
    """SVG; texts in it are escaped."""


def picture(
    result: VideoResult,
    row: dict[str, Any],
    view: View | None,
    scale: tuple[float, float],
    frame: np.ndarray | None,
) -> Heat:
    """Draw one video's peak: frame (grey if missing), grid, and the boxes of that frame."""
    return Heat(
        row["video_id"],
        "anomalous" if result.anomalous else "normal",
        result.peak_frame,
        row["max_score"],
        row["pointing_peak"],
        _svg(result, row["video_id"], view, scale, frame),
    )


def _svg(
    result: VideoResult, video_id: str, view: View | None, scale: tuple[float, float], frame: np.ndarray | None
) -> str:
    width, height = displayed_size(result.record, result.scores)
    wide, high = (width or 320, height or 240)
    boxes = [b for b in result.true_boxes or () if b.start_frame <= result.peak_frame < b.end_frame]
    shown = (
        f'<image href="{picture_uri(frame)}" width="{wide}" height="{high}" preserveAspectRatio="none"/>'
        if frame is not None
        else f'<rect class="blank" width="{wide}" height="{high}"/>'
    )
    truth = "".join(
        f'<rect class="box" x="{b.x1:.1f}" y="{b.y1:.1f}" width="{b.x2 - b.x1:.1f}" height="{b.y2 - b.y1:.1f}"/>'
        for b in boxes
    )
    return (
        f'<svg viewBox="0 0 {wide} {high}" role="img" aria-label="peak of {text(video_id)}">'
        f"{shown}{_cells(result, view or (0.0, 0.0, float(wide), float(high)), scale)}{truth}</svg>"
    )


def _cells(result: VideoResult, view: View, scale: tuple[float, float]) -> str:
    cuboids_TK = result.scores.cuboid_scores_TK
    if cuboids_TK is None:
        return ""
    scores_K = np.asarray(cuboids_TK[result.peak_clip], dtype=np.float64)
    strength_K = np.clip((scores_K - scale[0]) / (scale[1] - scale[0]), 0, 1)
    strongest = scores_K.max()
    parts = []
    for box, score, strength in zip(cells(view, scores_K.size), scores_K, strength_K, strict=True):
        peak = " peak" if score == strongest else ""
        parts.append(
            f'<rect class="cell{peak}" x="{box[0]:.1f}" y="{box[1]:.1f}" width="{box[2] - box[0]:.1f}" '
            f'height="{box[3] - box[1]:.1f}" fill-opacity="{0.75 * strength:.2f}"><title>{score:.3f}</title></rect>'
        )
    return "".join(parts)
