"""Rendered clips are reproducible, and pictures change where the ground truth says."""

from __future__ import annotations

import numpy as np
import pytest

from wsvad.backbones.compact import MEASURES
from wsvad.pretraining.clips import render_clip
from wsvad.pretraining.degradation import recode


def test_a_clip_is_a_function_of_seed_and_index() -> None:
    """Other seeds and indexes give other clips."""
    one, again, other = render_clip(3, 5), render_clip(3, 5), render_clip(3, 6)
    assert one.frames_THW.shape == (16, 224, 224)
    assert one.frames_THW.dtype == np.uint8
    np.testing.assert_array_equal(one.frames_THW, again.frames_THW)
    for a, b in zip(one.targets, again.targets, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (one.frames_THW != other.frames_THW).any()


def test_pictures_change_most_where_bodies_move() -> None:
    """Cells with moving bodies differ more from frame to frame than others."""
    inside, outside = [], []
    for number in range(30):
        clip = render_clip(11, number)
        change = np.abs(np.diff(clip.frames_THW.astype(np.float32), axis=0)).mean(0)
        cells = change.reshape(7, 32, 7, 32).mean((1, 3))
        moves = clip.targets.motion_WYXM[..., MEASURES.index("mass")].max(0) > 1
        steady = not clip.targets.clip[-7:-2].any()  # no camera motion, flicker or cut
        if steady and moves.any() and not moves.all():
            inside.append(cells[moves].mean())
            outside.append(cells[~moves].mean())
    assert len(inside) > 5
    assert np.median(np.array(inside) / np.array(outside)) > 1.5


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mpeg2video", "mjpeg"])
def test_codecs_change_pictures_slightly_and_more_with_severity(codec: str) -> None:
    """Severity 1 changes pictures more than severity 0."""
    frames = render_clip(3, 5).frames_THW[:, :96, :128]
    mild, bad = (recode(frames, codec, severity, 8).astype(float) for severity in (0.0, 1.0))
    errors = [np.abs(frames - found).mean() for found in (mild, bad)]
    assert 0 < errors[0] < errors[1] < 25
