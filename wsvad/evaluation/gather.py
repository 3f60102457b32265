"""Combine the scores and the ground truth of each video."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wsvad.errors import UsageError
from wsvad.manifest.names import Split
from wsvad.manifest.records import Box, VideoRecord
from wsvad.manifest.truth import cut_boxes, cut_spans
from wsvad.metrics.grids import Grid, make_grid, reaches_everywhere
from wsvad.metrics.options import TruthMode
from wsvad.metrics.results import VideoResult, displayed_size
from wsvad.metrics.truth import fit, frame_truth, truth_spans
from wsvad.report.svg import count
from wsvad.scores.grid import view_of
from wsvad.scores.table import VideoScores

Load = Callable[[str], VideoScores]


@dataclass
class Gathered:
    """Everything to evaluate, and notes for the report."""

    results: list[VideoResult] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Ids in the manifest without scores."""
    without_truth: list[str] = field(default_factory=list)
    """Ids without label, spans and boxes; these videos are excluded."""
    notes: list[str] = field(default_factory=list)
    """Notes for readers of the report."""


def records_of_split(records: Sequence[VideoRecord], split: Split) -> list[VideoRecord]:
    """Return the records of a split.

    Raises:
        UsageError: there are none.
    """
    chosen = [record for record in records if record.split == split]
    if not chosen:
        counts = {name: sum(r.split == name for r in records) for name in ("train", "val", "test", None)}
        available = ", ".join(f"{name or 'no split'}: {n}" for name, n in counts.items() if n)
        raise UsageError(f"no video of the manifest has split {split!r} ({available}); choose another with --split")
    return chosen


def gather(
    records: Sequence[VideoRecord],
    scored_ids: Sequence[str],
    load: Load,
    features_config: Mapping[str, Any],
    mode: TruthMode = "true",
    *,
    allow_missing: bool = False,
) -> Gathered:
    """Load and check the scores of the records, and combine them with the ground truth.

    Args:
        records: records to evaluate.
        scored_ids: ids of videos with scores.
        load: returns the scores of a video id.
        features_config: configuration of the features, which defines the position of the grid.
        mode: length of the frame truth, see :func:`wsvad.metrics.truth.fit`.
        allow_missing: exclude records without scores instead of raising an error.

    Raises:
        UsageError: records have no scores, none can be evaluated, or scores are invalid (NaN, outside of [0, 1],
            inconsistent lengths).
    """
    scored = set(scored_ids)
    found = Gathered(missing=[r.video_id for r in records if r.video_id not in scored])
    if found.missing and not allow_missing:
        raise UsageError(
            f"{len(found.missing)} of {len(records)} videos have no scores: {_some(found.missing)}. Score them, or "
            "exclude them with --allow-missing; the report will list them."
        )
    for record in records:
        if record.video_id not in scored:
            continue
        if record.label is None and truth_spans(record) is None:
            found.without_truth.append(record.video_id)
            continue
        found.results.append(_result(record, load(record.video_id), features_config, mode, found.notes))
    if not found.results:
        raise UsageError(
            f"none of the {len(records)} videos can be evaluated: {len(found.missing)} have no scores, "
            f"{len(found.without_truth)} have no ground truth (label, spans or boxes) in the manifest"
        )
    for what, names in (("scores", found.missing), ("ground truth", found.without_truth)):
        if names:
            found.notes.append(f"{count(len(names), 'videos')} without {what} excluded: {_some(names)}")
    _note_boxes_of_the_whole_frame(found)
    return found


def _note_boxes_of_the_whole_frame(found: Gathered) -> None:
    boxed = [r.grid for r in found.results if r.grid is not None and len(r.grid.boxes_M4)]
    whole = sum(map(reaches_everywhere, boxed))
    if whole:
        found.notes.append(
            f"{count(whole, 'videos')} of {len(boxed)} with boxes: the boxes reach every cuboid. Spatial metrics are "
            "not meaningful there: pointing is always a hit, and region AUC requires that all cuboids of an anomalous "
            "clip score high, which scores that localise the anomaly do not"
        )


def _result(
    record: VideoRecord,
    scores: VideoScores,
    features_config: Mapping[str, Any],
    mode: TruthMode,
    notes: list[str],
) -> VideoResult:
    check_scores(record.video_id, scores)
    frame_scores = np.asarray(scores.frame_scores(), dtype=np.float64)
    if record.num_frames not in (None, scores.num_frames):
        notes.append(
            f"{record.video_id}: the manifest states {record.num_frames} frames, the scored video has "
            f"{scores.num_frames}; ground truth is applied to the frames of the video"
        )
    given = truth_spans(record)
    spans = None if given is None else cut_spans(given, scores.num_frames)
    boxes = truth = None
    if record.cut_off or spans != given:
        notes.append(f"{record.video_id}: ground truth past the last frame ({scores.num_frames}) was removed")
    if spans is not None:
        truth, frame_scores = fit(frame_truth(spans, scores.num_frames), frame_scores, mode)
    if record.boxes is not None:
        boxes = _displayed(record, scores)
    grid = _grid(record, scores, boxes, features_config)
    label = bool(record.label) if record.label is not None else bool(given)
    return VideoResult(record, label, scores, frame_scores, truth, spans, boxes, grid)


def check_scores(video_id: str, scores: VideoScores) -> None:
    """Raise ``UsageError`` with the video id if its scores are invalid."""
    score_T, cuboids_TK = np.asarray(scores.score_T), scores.cuboid_scores_TK
    clips = score_T.shape[0] if score_T.ndim == 1 else -1
    shapes = {np.shape(scores.start_frame), np.shape(scores.end_frame)}
    if clips < 1 or shapes != {(clips,)} or (cuboids_TK is not None and len(cuboids_TK) != clips):
        raise UsageError(
            f"video {video_id!r:.120}: expected one score per clip and at least one clip, got scores {score_T.shape}, "
            f"spans {sorted(shapes)}, cuboid scores {None if cuboids_TK is None else np.shape(cuboids_TK)}"
        )
    for name, values in (("scores", score_T), ("cuboid scores", cuboids_TK)):
        if values is not None and not ((values >= 0) & (values <= 1)).all():
            bad = np.asarray(values)[~((values >= 0) & (values <= 1))]
            raise UsageError(
                f"video {video_id!r:.120}: {name} must be in [0, 1]; {bad.size} of {np.size(values)} are not, "
                f"e.g. {bad.flat[0]}. Score it again."
            )


def _displayed(record: VideoRecord, scores: VideoScores) -> tuple[Box, ...] | None:
    """Return the record's boxes in pixels of the displayed video, clipped to its frames; None if none is left."""
    x_scale = scores.width / record.width if record.width and scores.width else 1.0
    y_scale = scores.height / record.height if record.height and scores.height else 1.0
    boxes = cut_boxes(record.boxes or (), scores.num_frames)
    return boxes and tuple(
        box._replace(x1=box.x1 * x_scale, y1=box.y1 * y_scale, x2=box.x2 * x_scale, y2=box.y2 * y_scale)
        for box in boxes
    )


def _grid(
    record: VideoRecord, scores: VideoScores, boxes: tuple[Box, ...] | None, features_config: Mapping[str, Any]
) -> Grid | None:
    if boxes is None or scores.cuboid_scores_TK is None:
        return None
    width, height = displayed_size(record, scores)
    view = view_of(features_config, width, height) if width and height else None
    if view is None:
        return None
    spans = np.stack((scores.start_frame, scores.end_frame), axis=1)
    return make_grid(scores.cuboid_scores_TK, spans, view, boxes, scores.num_frames)


def _some(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"{name:.120}" for name in names[:most]) + more
