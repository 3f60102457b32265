"""One video with what was found and what is true: what every figure and every picture of a page is made from."""

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
    """One video with what was found and what is true."""

    record: VideoRecord
    anomalous: bool | None
    """Its label, or what its truth implies; None: not known."""
    scores: VideoScores
    frame_scores_N: Floats
    """At the length that the truth mode asks for."""
    frame_truth_N: Bools | None
    """None: not known."""
    true_spans: tuple[tuple[int, int], ...] | None
    """At true length, cut to the video."""
    true_boxes: tuple[Box, ...] | None
    """In pixels of the video as displayed, cut to its frames."""
    grid: Grid | None
    """None: no cuboid scores, no known boxes, or a geometry that boxes cannot be mapped to."""

    @property
    def peak_clip(self) -> int:
        """Position of the first clip with the highest score."""
        return int(np.argmax(self.scores.score_T))

    @property
    def peak_frame(self) -> int:
        """The frame in the middle of that clip."""
        clip = self.peak_clip
        return (int(self.scores.start_frame[clip]) + int(self.scores.end_frame[clip]) - 1) // 2


def displayed_size(record: VideoRecord, scores: VideoScores) -> tuple[int | None, int | None]:
    """Return width and height of the video as displayed: as the scores know it, else as the manifest does."""
    return scores.width or record.width, scores.height or record.height
