"""Metrics of each category of anomaly, and of each video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wsvad.metrics.grids import pointing, region_truth
from wsvad.metrics.metric import Resamples, metric_to_dict
from wsvad.metrics.options import MetricOptions
from wsvad.metrics.ranking import UndefinedMetric, roc_auc
from wsvad.metrics.results import VideoResult
from wsvad.metrics.temporal import frames_of
from wsvad.metrics.truth import temporal_iou

NO_CATEGORY = "(no category)"


def category_rows(results: Sequence[VideoResult], resamples: Resamples) -> list[dict[str, Any]]:
    """Return one row per category: its anomalous videos and *all* normal videos; categories with most videos first."""
    normal = [n for n, r in enumerate(results) if not r.anomalous]
    members: dict[str, list[int]] = {}
    for n, result in enumerate(results):
        if result.anomalous:
            members.setdefault(result.record.category or NO_CATEGORY, []).append(n)
    rows = []
    for name, own in sorted(members.items(), key=lambda item: (-len(item[1]), item[0])):
        items = frames_of(results, [*own, *normal], resamples)
        rows.append(
            {
                "category": name,
                "anomalous_videos": len(own),
                "normal_videos": len(normal),
                "frame_auc": metric_to_dict(items.auc()),
                "frame_ap": metric_to_dict(items.ap()),
                "anomalous_auc": metric_to_dict(frames_of(results, own, resamples).auc()),
            }
        )
    return rows


def video_rows(results: Sequence[VideoResult], options: MetricOptions) -> list[dict[str, Any]]:
    """Return one row per video, in the order of the manifest; undefined metrics are None."""
    return [_video_row(result, options) for result in results]


def _video_row(result: VideoResult, options: MetricOptions) -> dict[str, Any]:
    truth, scores = result.frame_truth_N, result.frame_scores_N
    own_auc = overlap = hit = None
    if truth is not None:
        try:
            own_auc = roc_auc(truth, scores)
        except UndefinedMetric:
            own_auc = None
        overlap = temporal_iou(truth, scores >= options.threshold) if truth.any() else None
    if result.grid is not None:
        cuboids = region_truth(result.grid, options.min_overlap)
        hit = pointing(result.grid.scores_TK.ravel(), cuboids.ravel()) if cuboids.any() else None
    return {
        "video_id": result.record.video_id,
        "label": int(bool(result.anomalous)),
        "category": result.record.category,
        "frames": int(result.scores.num_frames),
        "anomalous_frames": None if truth is None else int(np.count_nonzero(truth)),
        "max_score": float(result.scores.score_T.max()),
        "mean_score": float(np.mean(result.scores.score_T, dtype=np.float64)),
        "peak_frame": result.peak_frame,
        "frame_auc": own_auc,
        "temporal_iou": overlap,
        "pointing_peak": hit,
    }
