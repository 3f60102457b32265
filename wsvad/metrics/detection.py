"""RBDC and TBDC: the region-based and track-based detection criteria.

Ramachandra & Jones 2020, *Street Scene: A new dataset and evaluation protocol for video anomaly detection* (WACV).
At a threshold, the flagged part of a frame consists of connected regions.

* A true region (one box in one frame) is detected if its intersection over union with any flagged region of its frame
  is at least beta. A track is detected if at least the fraction alpha of its regions is.
* A flagged region is a false positive if its intersection over union with every true region of its frame is below beta.
* The criterion is the area under the detection rate over false positives per frame, from 0 to 1.

The paper leaves some points open. Here, a flagged region is the bounding box of adjacent grid cells, which share a side
or a corner, and all frames of a clip have the clip's regions. Because regions merge when the threshold falls, neither
axis is monotonic, so the rate at x is the best of all thresholds with at most x false positives per frame. For regions
that never touch and have different scores, results equal those of the public script, which uses fixed regions.

Axes: T clips, K cuboids, M ground-truth boxes, L thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from wsvad.metrics.grids import Grid, Ints, iou
from wsvad.metrics.options import ALPHA, BETA
from wsvad.metrics.ranking import Curve, Floats, UndefinedMetric
from wsvad.metrics.truth import Bools

MAX_THRESHOLDS = 300
"""Maximum number of thresholds; the result is within half a percentage point below that of all thresholds."""
CELLS_AT_ONCE = 1 << 20
CLIPS_AT_ONCE = 4096
"""Clips whose regions at all thresholds are held at once: 200 MB, whereas a day of video would need 5 GB."""


@dataclass(frozen=True)
class Detections:
    """Counts of one video at each of L thresholds; counts of several videos are additive."""

    region_hits_L: Floats
    track_hits_L: Floats
    false_positives_L: Floats
    regions: int
    tracks: int
    frames: int


def level_thresholds(grids: Sequence[Grid], most: int = MAX_THRESHOLDS) -> Floats:
    """Return the distinct cuboid scores, descending; at most ``most``, more densely among the highest scores.

    One false positive per frame is reached among the highest scores, so most thresholds must be there.
    """
    distinct = np.unique(np.concatenate([np.unique(g.scores_TK) for g in grids] or [np.empty(0)]))
    descending = distinct[::-1]
    if distinct.size > most:
        descending = descending[np.unique(np.geomspace(1, distinct.size, most).round().astype(int)) - 1]
    return descending


def detect(grid: Grid, thresholds_L: Floats, alpha: float = ALPHA, beta: float = BETA) -> Detections:
    """Count the detections in one video at each threshold. Every box without a track is a separate track."""
    levels = len(thresholds_L)
    hit_frames_LM = np.zeros((levels, len(grid.boxes_M4)))
    false_L = np.zeros(levels)
    owned_T2 = np.clip(grid.owned_T2, 0, grid.num_frames)
    for clip, level_C, box_C4 in _regions_by_clip(grid, thresholds_L):
        start, end = owned_T2[clip]
        if end <= start:
            continue
        here = np.flatnonzero((grid.box_spans_M2[:, 0] < end) & (start < grid.box_spans_M2[:, 1]))
        spans = np.clip(grid.box_spans_M2[here], start, end)
        match_CM = iou(box_C4, grid.boxes_M4[here]) >= beta
        for column, box in enumerate(here):
            found = np.bincount(level_C[match_CM[:, column]], minlength=levels) > 0
            hit_frames_LM[:, box] += found * (spans[column, 1] - spans[column, 0])
        frames_F = np.arange(start, end)[:, None]
        active_FM = (spans[:, 0] <= frames_F) & (frames_F < spans[:, 1])
        matched_CF = match_CM.astype(np.int64) @ active_FM.T.astype(np.int64) > 0
        false_L += np.bincount(level_C, weights=(~matched_CF).sum(axis=1), minlength=levels)
    box_spans_M2 = np.clip(grid.box_spans_M2, 0, grid.num_frames)
    lengths_M = box_spans_M2[:, 1] - box_spans_M2[:, 0]
    track_hits_L, tracks = _tracks(grid.tracks_M, hit_frames_LM, lengths_M, alpha)
    return Detections(
        hit_frames_LM.sum(axis=1), track_hits_L, false_L, int(lengths_M.sum()), tracks, int(grid.num_frames)
    )


def detection_curve(
    hits_L: Floats, total: float, false_positives_L: Floats, frames: float, thresholds_L: Floats
) -> Curve:
    """Return the best detection rate (y, in [0, 1]) with at most x false positives per frame; x ascends from 0.

    Raises:
        UndefinedMetric: there is nothing to detect.
    """
    if not total > 0:
        raise UndefinedMetric("no ground-truth box lies within the scored frames")
    x = np.concatenate(([0.0], false_positives_L / frames))
    y = np.concatenate(([0.0], hits_L / total))
    order = np.lexsort((y, x))
    best = np.maximum.accumulate(y[order])
    return Curve(x[order], best, np.concatenate(([np.inf], thresholds_L))[order])


def area_to_one(curve: Curve) -> float:
    """Return the area under a detection curve from 0 to 1 false positives per frame, in [0, 1], without interpolation.

    1 means that everything is detected without a false positive.
    """
    inside = curve.x <= 1
    edges = np.append(curve.x[inside], 1.0)
    return float(np.sum(np.diff(edges) * curve.y[inside]))


def stepped(curve: Curve) -> Curve:
    """Return the corners of a detection curve as a step function, extended to x = 1."""
    inside = curve.x <= 1
    x, y, thresholds = (part[inside] for part in curve)
    return Curve(np.append(np.repeat(x, 2)[1:], 1.0), np.repeat(y, 2), np.repeat(thresholds, 2))


def _tracks(tracks_M: Ints, hit_frames_LM: Floats, lengths_M: Ints, alpha: float) -> tuple[Floats, int]:
    """Return the number of detected tracks at each threshold, and the number of tracks."""
    alone = tracks_M < 0
    names = np.where(alone, -1 - np.arange(tracks_M.size), tracks_M)
    kept = lengths_M > 0
    _, track_of_M = np.unique(names[kept], return_inverse=True)
    count = int(track_of_M.max()) + 1 if track_of_M.size else 0
    member_MT = np.zeros((track_of_M.size, count))
    member_MT[np.arange(track_of_M.size), track_of_M] = 1
    fraction_LT = (hit_frames_LM[:, kept] @ member_MT) / (lengths_M[kept] @ member_MT)
    return ((fraction_LT >= alpha) & (fraction_LT > 0)).sum(axis=1).astype(np.float64), count


def _regions_by_clip(grid: Grid, thresholds_L: Floats) -> Iterator[tuple[int, Ints, Floats]]:
    """Yield each clip with a region at any threshold, with the threshold index and the box of each region."""
    for first in range(0, len(grid.scores_TK), CLIPS_AT_ONCE):
        scores_TK = grid.scores_TK[first : first + CLIPS_AT_ONCE]
        clip_C, level_C, box_C4 = _regions(scores_TK, grid.cells_K4, thresholds_L)
        order = np.argsort(clip_C, kind="stable")
        bounds = np.searchsorted(clip_C[order], np.arange(len(scores_TK) + 1))
        for clip, (start, end) in enumerate(pairwise(bounds)):
            if end > start:
                mine = order[start:end]
                yield first + clip, level_C[mine], box_C4[mine]


def _regions(scores_TK: Floats, cells_K4: Floats, thresholds_L: Floats) -> tuple[Ints, Ints, Floats]:
    """Return clip, threshold index and box of every connected region at every threshold."""
    clips, count = scores_TK.shape
    side = math.isqrt(count)
    found: list[tuple[Ints, Ints, Floats]] = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 4)))]
    at_once = max(1, CELLS_AT_ONCE // max(clips * count, 1))
    for first in range(0, len(thresholds_L), at_once):
        flagged_LTK = scores_TK[None] >= thresholds_L[first : first + at_once, None, None]
        flagged_MK = flagged_LTK.reshape(-1, count)
        some_M = np.flatnonzero(flagged_MK.any(axis=1))
        labels = _components(flagged_MK[some_M].reshape(-1, side, side)).reshape(-1, count)
        map_P, cell_P = np.nonzero(labels)
        name_P = map_P * (count + 1) + labels[map_P, cell_P]
        order = np.argsort(name_P, kind="stable")
        starts = np.flatnonzero(np.diff(name_P[order], prepend=-1))
        if not starts.size:
            continue
        corners = cells_K4[cell_P[order]]
        low, high = np.minimum.reduceat(corners[:, :2], starts), np.maximum.reduceat(corners[:, 2:], starts)
        level_C, clip_C = np.divmod(some_M[map_P[order][starts]], clips)
        found.append((clip_C, level_C + first, np.concatenate((low, high), axis=1)))
    clip_C, level_C, box_C4 = (np.concatenate(part) for part in zip(*found, strict=True))
    return clip_C, level_C, box_C4


def _components(flagged_PHW: Bools) -> npt.NDArray[np.int16]:
    """Label the connected cells of each map with numbers from 1, not consecutive; 0 where nothing is flagged."""
    height, width = flagged_PHW.shape[1:]
    numbers = np.arange(1, height * width + 1, dtype=np.int16).reshape(height, width)
    labels = np.pad(flagged_PHW * numbers, ((0, 0), (1, 1), (1, 1)))
    inner, before = labels[:, 1:-1, 1:-1], np.empty(flagged_PHW.shape, np.int16)
    while True:
        before[:] = inner
        across = np.maximum(np.maximum(labels[:, :, :-2], labels[:, :, 1:-1]), labels[:, :, 2:])
        down = np.maximum(np.maximum(across[:, :-2], across[:, 1:-1]), across[:, 2:])
        np.multiply(down, flagged_PHW, out=inner)
        if np.array_equal(before, inner):
            return before
