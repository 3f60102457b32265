"""Spatial metrics over cuboids and boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from wsvad.metrics.bootstrap import Ratio, Statistic
from wsvad.metrics.detection import Detections, area_to_one, detect, detection_curve, level_thresholds
from wsvad.metrics.grids import Grid, pointing, region_truth, tight_box_iou
from wsvad.metrics.metric import Metric, Resamples, undefined
from wsvad.metrics.options import MetricOptions
from wsvad.metrics.ranking import Curve, Floats
from wsvad.metrics.results import VideoResult
from wsvad.metrics.temporal import Items
from wsvad.metrics.truth import Bools

NAMES = ("region_auc", "region_ap", "pointing_peak", "pointing_clips", "box_iou", "box_iou_half_peak", "rbdc", "tbdc")


@dataclass(frozen=True)
class Spatial:
    """Spatial metrics, and the data of their charts."""

    metrics: dict[str, Metric]
    regions: Items | None
    curves: dict[str, Curve]
    """``rbdc`` and ``tbdc`` if defined: detection rate over false positives per frame."""


def spatial_metrics(results: Sequence[VideoResult], resamples: Resamples, options: MetricOptions) -> Spatial:
    """Compute the metrics over cuboids and boxes; ``wsvad.metrics.definitions`` defines them."""
    grids = [(n, r.grid) for n, r in enumerate(results)]
    available = [(n, grid) for n, grid in grids if grid is not None]
    if not available:
        return Spatial(dict.fromkeys(NAMES, undefined(_why_none(results), videos=0)), None, {})
    truths = {n: region_truth(grid, options.min_overlap) for n, grid in available}
    regions = Items(
        ((n, truths[n].ravel(), grid.scores_TK.ravel()) for n, grid in available),
        resamples,
        "cuboids",
        "no video has boxes",
    )
    detections, curves = _detections(available, resamples, options)
    metrics = {
        "region_auc": regions.auc(),
        "region_ap": regions.ap(),
        **_localisation([(n, grid, truths[n]) for n, grid in available if truths[n].any()], resamples, options),
        **detections,
    }
    return Spatial(metrics, regions, curves)


def _why_none(results: Sequence[VideoResult]) -> str:
    if all(r.scores.cuboid_scores_TK is None for r in results):
        return "the scores have no cuboids: the model has no spatial output"
    if all(r.record.boxes is None for r in results):
        return "no video has boxes in the manifest"
    return "no video has both boxes and cuboid scores with a known position in the frame (ten-crop scores have none)"


def _localisation(
    videos: Sequence[tuple[int, Grid, Bools]], resamples: Resamples, options: MetricOptions
) -> dict[str, Metric]:
    names = ("pointing_peak", "pointing_clips", "box_iou", "box_iou_half_peak")
    if not videos:
        return dict.fromkeys(names, undefined("no ground-truth box lies within the scored clips", videos=0))
    members = [n for n, _, _ in videos]
    clips = [np.flatnonzero(truth.any(axis=1)) for _, _, truth in videos]
    counts = {"videos": len(videos), "clips": sum(len(c) for c in clips)}
    peak = np.array([pointing(grid.scores_TK.ravel(), truth.ravel()) for _, grid, truth in videos])
    rows: dict[str, Floats] = {name: np.zeros(len(videos)) for name in names[1:]}
    for row, ((_, grid, truth), own) in enumerate(zip(videos, clips, strict=True)):
        for clip in own:
            scores_K = grid.scores_TK[clip]
            rows["pointing_clips"][row] += pointing(scores_K, truth[clip])
            rows["box_iou"][row] += tight_box_iou(grid, clip, options.threshold)
            rows["box_iou_half_peak"][row] += tight_box_iou(grid, clip, scores_K.max() / 2)
    in_clips = np.concatenate([truth[own] for (_, _, truth), own in zip(videos, clips, strict=True)])
    chance = {
        "pointing_peak": float(np.mean([truth.mean() for _, _, truth in videos])),
        "pointing_clips": float(in_clips.mean()),
    }
    number_V = np.array([len(c) for c in clips], dtype=np.float64)
    found = {"pointing_peak": _mean(peak, np.ones_like(peak), resamples, members, {"videos": len(videos)}, chance)}
    return found | {
        name: _mean(sums, number_V, resamples, members, counts, chance, name) for name, sums in rows.items()
    }


def _mean(
    sums_V: Floats,
    numbers_V: Floats,
    resamples: Resamples,
    members: Sequence[int],
    counts: dict[str, int],
    chance: dict[str, float],
    name: str = "pointing_peak",
) -> Metric:
    return resamples.metric(
        lambda: float(sums_V.sum() / numbers_V.sum()),
        lambda: Ratio(sums_V, numbers_V).value,
        members,
        counts,
        chance.get(name),
    )


def _detections(
    videos: Sequence[tuple[int, Grid]], resamples: Resamples, options: MetricOptions
) -> tuple[dict[str, Metric], dict[str, Curve]]:
    grids = [grid for _, grid in videos]
    thresholds_L = level_thresholds(grids)
    found = [detect(grid, thresholds_L, options.alpha, options.beta) for grid in grids]
    counts = {
        "videos": len(found),
        "frames": sum(d.frames for d in found),
        "regions": sum(d.regions for d in found),
        "tracks": sum(d.tracks for d in found),
    }
    untracked = any((grid.tracks_M < 0).any() for grid in grids)
    metrics: dict[str, Metric] = {}
    curves: dict[str, Curve] = {}
    for name in ("rbdc", "tbdc"):
        if name == "tbdc" and untracked:
            metrics[name] = undefined("ground-truth boxes have no track numbers", **counts)
            continue
        hits_VL, total_V = _hits(found, name)
        false_VL = np.stack([d.false_positives_L for d in found])
        frames_V = np.array([d.frames for d in found], dtype=np.float64)
        if not total_V.sum() > 0:
            metrics[name] = undefined("no ground-truth box lies within the frames of the videos", **counts)
            continue
        curves[name] = detection_curve(
            hits_VL.sum(axis=0), float(total_V.sum()), false_VL.sum(axis=0), float(frames_V.sum()), thresholds_L
        )
        area, statistic = area_to_one(curves[name]), area_statistic(hits_VL, total_V, false_VL, frames_V)
        metrics[name] = resamples.metric(
            partial(float, area), partial(_same, statistic), [n for n, _ in videos], counts
        )
    return metrics, curves


def _same(statistic: Statistic) -> Statistic:
    return statistic


def _hits(found: Sequence[Detections], name: str) -> tuple[Floats, Floats]:
    if name == "tbdc":
        return np.stack([d.track_hits_L for d in found]), np.array([d.tracks for d in found], dtype=np.float64)
    return np.stack([d.region_hits_L for d in found]), np.array([d.regions for d in found], dtype=np.float64)


def area_statistic(hits_VL: Floats, total_V: Floats, false_VL: Floats, frames_V: Floats) -> Statistic:
    """Return the statistic that maps resampled weights ``[R, V]`` to the area under the detection curve, ``[R]``."""

    def areas(weights_RV: Floats) -> Floats:
        total_R = weights_RV @ total_V
        x_RL = (weights_RV @ false_VL) / (weights_RV @ frames_V)[:, None]
        y_RL = (weights_RV @ hits_VL) / np.where(total_R > 0, total_R, np.nan)[:, None]
        order_RL = np.argsort(x_RL, axis=1, kind="stable")
        best_RL = np.maximum.accumulate(np.take_along_axis(y_RL, order_RL, axis=1), axis=1)
        edges_RL = np.minimum(np.take_along_axis(x_RL, order_RL, axis=1), 1.0)
        widths_RL = np.diff(edges_RL, axis=1, append=1.0)
        area: Floats = np.sum(widths_RL * best_RL, axis=1)
        return area

    return areas
