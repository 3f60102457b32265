"""Scores and truth meet video by video; what does not fit is refused by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.evaluation.making import gathered, record, scores
from wsvad.errors import UsageError
from wsvad.evaluation.gather import choose, gather
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
def test_scores_that_no_model_gives_are_refused(values: list[float], message: str) -> None:
    """NaN, infinities, numbers outside of [0, 1]: never squashed."""
    with pytest.raises(UsageError, match=message):
        gathered([(record("bad", label=0), scores(values))])


def test_cuboid_scores_that_no_model_gives_are_refused() -> None:
    """Also where the clip's own score is fine."""
    cuboids = np.full((2, 49), 0.5)
    cuboids[1, 7] = np.nan
    with pytest.raises(UsageError, match=r"video 'bad': cuboid scores must be in .*1 of 98"):
        gathered([(record("bad", label=0), scores([0.5, 0.5], cuboids))])


def test_lengths_that_disagree_are_refused() -> None:
    """As many scores as clips, and at least one."""
    short = replace(scores([0.1, 0.2, 0.3]), score_T=np.zeros(2, np.float32))
    with pytest.raises(UsageError, match=r"video 'bad': expected as many scores as clips"):
        gathered([(record("bad", label=0), short)])
    with pytest.raises(UsageError, match="at least one"):
        gathered([(record("bad", label=0), scores([]))])
    grid = replace(scores([0.1, 0.2]), cuboid_scores_TK=np.zeros((3, 49), np.float32))
    with pytest.raises(UsageError, match="as many scores as clips"):
        gathered([(record("bad", label=0), grid)])


def test_missing_scores_are_an_error_that_names_the_videos() -> None:
    """Or a note, if the user says so."""
    records = [record("here", label=0), record("gone", label=1)]
    load = {"here": scores([0.5])}.__getitem__
    with pytest.raises(UsageError, match=r"1 of 2 videos have no scores: gone\..*--allow-missing"):
        gather(records, ["here"], load, {})
    found = gather(records, ["here"], load, {}, allow_missing=True)
    assert (found.missing, [r.record.video_id for r in found.results]) == (["gone"], ["here"])
    assert found.notes == ["1 video without scores left out: gone"]


def test_videos_of_unknown_truth_are_left_out_by_name() -> None:
    """A label alone is enough for the video level; nothing at all is not."""
    found = gathered([(record("u"), scores([0.5])), (record("w", label=1), scores([0.5]))])
    assert found.without_truth == ["u"]
    assert [(r.record.video_id, r.anomalous, r.frame_truth_N) for r in found.results] == [("w", True, None)]
    with pytest.raises(UsageError, match=r"none of the 1 videos can be evaluated.*1 have no truth"):
        gathered([(record("u"), scores([0.5]))])


def test_truth_past_the_end_is_cut_and_noted() -> None:
    """40 frames scored; the spans were made for a longer copy."""
    found = gathered(
        [(record("v", [(30, 50), (60, 70)], label=1, num_frames=80), scores([0.1, 0.2, 0.3], num_frames=40))]
    )
    result = found.results[0]
    assert result.true_spans == ((30, 40),)
    assert result.frame_truth_N is not None
    assert (result.frame_truth_N.size, result.frame_truth_N.sum()) == (40, 10)
    assert [note.split(":")[0] for note in found.notes] == ["v", "v"]
    assert "80 frames" in found.notes[0]
    assert "cut off" in found.notes[1]


def test_truth_that_reading_the_manifest_cut_is_noted_as_well() -> None:
    """As docs/metrics.md says: whoever reads the report must see it."""
    found = gathered([(record("v", [(30, 41)], label=1, num_frames=40), scores([0.1, 0.2, 0.3], num_frames=40))])
    assert found.results[0].true_spans == ((30, 40),)
    assert found.notes == ["v: truth past the last frame (40) was cut off"]


def test_truth_of_which_nothing_is_left_is_not_known() -> None:
    """The video is anomalous by its label; no frame of it is said to be normal."""
    box = Box(50, 60, 0, 0, 9, 9)
    found = gathered([(record("v", [(50, 60)], [box], label=1), scores([0.1, 0.2, 0.3], num_frames=40))])
    (result,) = found.results
    assert (result.anomalous, result.true_spans, result.frame_truth_N, result.true_boxes) == (True, None, None, None)
    assert found.notes == ["v: truth past the last frame (40) was cut off"]


def test_frames_have_the_score_of_their_clip() -> None:
    """At true length: 16, 16 and 8 frames."""
    frames = gathered([(record("v", label=0), scores([0.25, 0.5, 0.75], num_frames=40))]).results[0].frame_scores_N
    assert frames.tolist() == [0.25] * 16 + [0.5] * 16 + [0.75] * 8


def test_boxes_meet_the_grid_in_displayed_pixels() -> None:
    """Truth in 140x140 pixels, video displayed at 70x70, both squashed: the box is cell 48."""
    boxes = [Box(0, 5, 121, 121, 139, 139)]
    made = record("v", None, boxes, label=1, width=140, height=140)
    grid = gathered([(made, scores([0.5], np.zeros((1, 49))))]).results[0].grid
    assert grid is not None
    assert np.flatnonzero(region_truth(grid)).tolist() == [48]


def test_boxes_of_the_whole_picture_are_noted() -> None:
    """Figures of place are none there: a cuboid of an anomalous clip cannot be wrong."""
    whole, part = [Box(0, 5, 0, 0, 70, 70)], [Box(0, 5, 0, 0, 60, 70)]
    cuboids = np.zeros((1, 49))
    made = [(record("w", None, whole, label=1), scores([0.5], cuboids)), (record("n", label=0), scores([0.5], cuboids))]
    (note,) = gathered(made).notes
    assert "1 video of 1 with boxes" in note
    assert "say nothing of where" in note
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
def test_where_the_grid_lies_by_hand(config: dict, view: tuple | None) -> None:
    """A centre crop leaves the border out; averaged crops have no place."""
    found = view_of(config, 320, 240)
    assert found == (None if view is None else pytest.approx(view, abs=0.05))


def test_only_the_split_asked_for_is_chosen() -> None:
    """A split without videos is an error that says what there is."""
    records = [record("a"), record("b", split="train"), record("c", split=None)]
    assert [r.video_id for r in choose(records, "test")] == ["a"]
    with pytest.raises(UsageError, match=r"no video .* has split 'val' \(train: 1, test: 1, no split: 1\)"):
        choose(records, "val")
