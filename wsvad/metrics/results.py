"""One video with its scores and ground truth, the input of all metrics and charts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wsvad.manifest.records import Box, VideoRecord
from wsvad.metrics.grids import Grid
from wsvad.metrics.ranking import Floats
from wsvad.metrics.truth import Bools
from wsvad.scores.table import VideoScores


@dataclass(frozen=True)
class VideoResult:
    """One video with its scores and ground truth."""

    record: VideoRecord
    anomalous: bool | None
    """Its label, or what its ground truth implies; None if unknown."""
    scores: VideoScores
    frame_scores_N: Floats
    """At the length given by the truth mode."""
    frame_truth_N: Bools | None
    """None if unknown."""
    true_spans: tuple[tuple[int, int], ...] | None
    """At exact length, clipped to the video."""
    true_boxes: tuple[Box, ...] | None
    """In pixels of the displayed video, clipped to its frames."""
    grid: Grid | None
    """None without cuboid scores or known boxes, or with a geometry that boxes cannot be mapped to."""

    @property
    def peak_clip(self) -> int:
        """Index of the first clip with the highest score."""
        return int(np.argmax(self.scores.score_T))

    @property
    def peak_frame(self) -> int:
        """The frame in the middle of that clip."""
        clip = self.peak_clip
        return (int(self.scores.start_frame[clip]) + int(self.scores.end_frame[clip]) - 1) // 2


def displayed_size(record: VideoRecord, scores: VideoScores) -> tuple[int | None, int | None]:
    """Return width and height of the displayed video, from the scores or else from the manifest."""
    return scores.width or record.width, scores.height or record.height
