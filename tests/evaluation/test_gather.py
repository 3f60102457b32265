"""Scores and ground truth are combined per video; invalid input is rejected with the video's id."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.evaluation.data import gathered, record, scores
from wsvad.errors import UsageError
from wsvad.evaluation.gather import gather, records_of_split
from wsvad.manifest.records import Box
from wsvad.metrics.grids import region_truth
from wsvad.scores.grid import view_of


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.1, np.nan], r"video 'bad': scores must be in \[0, 1\]; 1 of 2 are not, e\.g\. nan"),
        ([0.1, np.inf], "1 of 2 are not"),
        ([-0.1, 1.5], "2 of 2 are not"),
    ],
)
def test_invalid_scores_are_rejected(values: list[float], message: str) -> None:
    """NaN, infinity, numbers outside of [0, 1]: they are never clipped."""
    with pytest.raises(UsageError, match=message):
        gathered([(record("bad", label=0), scores(values))])


def test_invalid_cuboid_scores_are_rejected() -> None:
    """Also if the score of the clip is valid."""
    cuboids = np.full((2, 49), 0.5)
    cuboids[1, 7] = np.nan
    with pytest.raises(UsageError, match=r"video 'bad': cuboid scores must be in .*1 of 98"):
        gathered([(record("bad", label=0), scores([0.5, 0.5], cuboids))])


def test_inconsistent_lengths_are_rejected() -> None:
    """One score per clip, and at least one clip."""
    short = replace(scores([0.1, 0.2, 0.3]), score_T=np.zeros(2, np.float32))
    with pytest.raises(UsageError, match=r"video 'bad': expected one score per clip"):
        gathered([(record("bad", label=0), short)])
    with pytest.raises(UsageError, match="at least one"):
        gathered([(record("bad", label=0), scores([]))])
    grid = replace(scores([0.1, 0.2]), cuboid_scores_TK=np.zeros((3, 49), np.float32))
    with pytest.raises(UsageError, match="one score per clip"):
        gathered([(record("bad", label=0), grid)])


def test_missing_scores_are_an_error_with_the_video_ids() -> None:
    """With ``allow_missing`` they are a note."""
    records = [record("here", label=0), record("gone", label=1)]
    load = {"here": scores([0.5])}.__getitem__
    with pytest.raises(UsageError, match=r"1 of 2 videos have no scores: gone\..*--allow-missing"):
        gather(records, ["here"], load, {})
    found = gather(records, ["here"], load, {}, allow_missing=True)
    assert (found.missing, [r.record.video_id for r in found.results]) == (["gone"], ["here"])
    assert found.notes == ["1 video without scores excluded: gone"]


def test_videos_without_ground_truth_are_excluded_and_listed() -> None:
    """A label is enough for video-level metrics."""
    found = gathered([(record("u"), scores([0.5])), (record("w", label=1), scores([0.5]))])
    assert found.without_truth == ["u"]
    assert [(r.record.video_id, r.anomalous, r.frame_truth_N) for r in found.results] == [("w", True, None)]
    with pytest.raises(UsageError, match=r"none of the 1 videos can be evaluated.*1 have no ground truth"):
        gathered([(record("u"), scores([0.5]))])


def test_ground_truth_past_the_end_is_removed_and_noted() -> None:
    """40 frames are scored; the spans were annotated on a longer copy."""
    found = gathered(
        [(record("v", [(30, 50), (60, 70)], label=1, num_frames=80), scores([0.1, 0.2, 0.3], num_frames=40))]
    )
    result = found.results[0]
    assert result.true_spans == ((30, 40),)
    assert result.frame_truth_N is not None
    assert (result.frame_truth_N.size, result.frame_truth_N.sum()) == (40, 10)
    assert [note.split(":")[0] for note in found.notes] == ["v", "v"]
    assert "80 frames" in found.notes[0]
    assert "removed" in found.notes[1]


def test_ground_truth_removed_by_the_manifest_reader_is_noted() -> None:
    """So that readers of the report see it (docs/metrics.md)."""
    found = gathered([(record("v", [(30, 41)], label=1, num_frames=40), scores([0.1, 0.2, 0.3], num_frames=40))])
    assert found.results[0].true_spans == ((30, 40),)
    assert found.notes == ["v: ground truth past the last frame (40) was removed"]


def test_ground_truth_becomes_unknown_if_nothing_of_it_is_left() -> None:
    """The video is anomalous by its label; its frames are not considered normal."""
    box = Box(50, 60, 0, 0, 9, 9)
    found = gathered([(record("v", [(50, 60)], [box], label=1), scores([0.1, 0.2, 0.3], num_frames=40))])
    (result,) = found.results
    assert (result.anomalous, result.true_spans, result.frame_truth_N, result.true_boxes) == (True, None, None, None)
    assert found.notes == ["v: ground truth past the last frame (40) was removed"]


def test_frames_have_the_score_of_their_clip() -> None:
    """At exact length: 16, 16 and 8 frames."""
    frames = gathered([(record("v", label=0), scores([0.25, 0.5, 0.75], num_frames=40))]).results[0].frame_scores_N
    assert frames.tolist() == [0.25] * 16 + [0.5] * 16 + [0.75] * 8


def test_boxes_are_scaled_to_displayed_pixels() -> None:
    """Boxes in 140x140 pixels, video displayed at 70x70, both squashed: the box is cell 48."""
    boxes = [Box(0, 5, 121, 121, 139, 139)]
    made = record("v", None, boxes, label=1, width=140, height=140)
    grid = gathered([(made, scores([0.5], np.zeros((1, 49))))]).results[0].grid
    assert grid is not None
    assert np.flatnonzero(region_truth(grid)).tolist() == [48]


def test_boxes_of_the_whole_frame_are_noted() -> None:
    """Spatial metrics are not meaningful there: every cuboid of an anomalous clip is a hit."""
    whole, part = [Box(0, 5, 0, 0, 70, 70)], [Box(0, 5, 0, 0, 60, 70)]
    cuboids = np.zeros((1, 49))
    made = [(record("w", None, whole, label=1), scores([0.5], cuboids)), (record("n", label=0), scores([0.5], cuboids))]
    (note,) = gathered(made).notes
    assert "1 video of 1 with boxes" in note
    assert "not meaningful there" in note
    both = [(record("p", None, part, label=1), scores([0.5], cuboids)), *made]
    assert "1 video of 2 with boxes" in gathered(both).notes[0]
    assert gathered(both[:1]).notes == []


@pytest.mark.parametrize(
    ("config", "view"),
    [
        ({"geometry": "squash"}, (0, 0, 320, 240)),
        ({"geometry": "center"}, (54.43, 15, 264.63, 225)),  # 224 of 256 pixels of the shorter side, in the middle
        ({"geometry": "ten-crop"}, None),
        ({"geometry": "of another kind"}, None),
        ({}, None),
    ],
)
def test_position_of_the_grid(config: dict, view: tuple | None) -> None:
    """A centre crop excludes the border; averaged crops have no position."""
    found = view_of(config, 320, 240)
    assert found == (None if view is None else pytest.approx(view, abs=0.05))


def test_records_of_a_split() -> None:
    """A split without videos is an error that lists the available splits."""
    records = [record("a"), record("b", split="train"), record("c", split=None)]
    assert [r.video_id for r in records_of_split(records, "test")] == ["a"]
    with pytest.raises(UsageError, match=r"no video .* has split 'val' \(train: 1, test: 1, no split: 1\)"):
        records_of_split(records, "val")
