"""Frame truth: spans, boxes and the three length modes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.data import record
from wsvad.manifest.records import Box
from wsvad.metrics.ranking import UndefinedMetric
from wsvad.metrics.truth import fit, frame_truth, runs, temporal_iou, truth_spans


@pytest.mark.parametrize(
    ("spans", "frames", "positive"),
    [
        ([], 5, []),
        ([(0, 1)], 5, [0]),
        ([(3, 5)], 5, [3, 4]),
        ([(1, 2), (4, 5)], 5, [1, 4]),
        ([(3, 99)], 5, [3, 4]),
        ([(7, 9)], 5, []),
    ],
)
def test_frame_truth_by_hand(spans: list[tuple[int, int]], frames: int, positive: list[int]) -> None:
    """Half-open, from 0, clipped at the end."""
    assert np.flatnonzero(frame_truth(spans, frames)).tolist() == positive


@pytest.mark.parametrize(
    ("spans", "boxes", "expected"),
    [
        ([(2, 4)], [Box(0, 9, 0, 0, 1, 1)], ((2, 4),)),  # spans take precedence
        (None, [Box(5, 7, 0, 0, 1, 1), Box(0, 2, 0, 0, 1, 1), Box(1, 3, 5, 5, 6, 6)], ((0, 3), (5, 7))),
        (None, None, None),
    ],
)
def test_frame_truth_comes_from_spans_or_else_from_boxes(
    spans: list | None, boxes: list | None, expected: object
) -> None:
    """Without spans, a frame with any box is anomalous."""
    assert truth_spans(record("v", spans, boxes)) == expected


def test_a_normal_video_has_known_frame_truth() -> None:
    """Label 0 means that no frame is anomalous."""
    assert truth_spans(record("v", label=0)) == ()


@pytest.mark.parametrize(
    ("frames", "floor", "pad"), [(15, 0, 16), (16, 16, 16), (17, 16, 32), (100, 96, 112), (160, 160, 160)]
)
def test_lengths_of_the_truth_modes(frames: int, floor: int, pad: int) -> None:
    """16 * floor(n / 16) and 16 * ceil(n / 16); the padding is normal and repeats the last score."""
    truth, scores = frame_truth([(frames - 3, frames)], frames), np.arange(frames) / frames
    assert fit(truth, scores, "true")[1] is scores
    assert [part.size for part in fit(truth, scores, "floor16")] == [floor, floor]
    padded_truth, padded = fit(truth, scores, "pad16")
    assert (padded_truth.size, padded.size, padded_truth.sum()) == (pad, pad, 3)
    assert (padded[frames:] == scores[-1]).all()


def test_totals_of_the_truth_modes() -> None:
    """Three videos of 100, 31 and 7 frames, each with its last 5 anomalous."""
    videos = [(frame_truth([(n - 5, n)], n), np.zeros(n)) for n in (100, 31, 7)]
    totals = {
        mode: (sum(fit(*v, mode)[0].size for v in videos), int(sum(fit(*v, mode)[0].sum() for v in videos)))
        for mode in ("true", "floor16", "pad16")
    }
    # floor16: 96 + 16 + 0 frames; of 95..99 stays 95, of 26..30 nothing, of 2..6 nothing. pad16: 112 + 32 + 16.
    assert totals == {"true": (138, 15), "floor16": (112, 1), "pad16": (160, 15)}


@pytest.mark.parametrize(
    ("truth", "flagged", "value"),
    [
        ([1, 1, 0, 0], [1, 1, 0, 0], 1.0),
        ([1, 1, 0, 0], [0, 1, 1, 0], 1 / 3),
        ([1, 0], [0, 1], 0.0),
        ([1, 0], [0, 0], 0),
    ],
)
def test_temporal_iou_by_hand(truth: list[int], flagged: list[int], value: float) -> None:
    """Frames in the intersection over frames in the union."""
    assert temporal_iou(np.array(truth, bool), np.array(flagged, bool)) == value


def test_temporal_iou_needs_an_anomaly() -> None:
    """A normal video has none."""
    with pytest.raises(UndefinedMetric, match="no frame"):
        temporal_iou(np.zeros(3, bool), np.ones(3, bool))


@pytest.mark.parametrize(
    ("flags", "spans"), [([], []), ([0, 0], []), ([1, 1], [(0, 2)]), ([1, 0, 1, 1], [(0, 1), (2, 4)])]
)
def test_runs_by_hand(flags: list[int], spans: list[tuple[int, int]]) -> None:
    """Consecutive true frames, half-open."""
    assert runs(np.array(flags, bool)) == spans
