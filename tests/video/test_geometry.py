"""Geometry: content and source boxes of the views."""

from __future__ import annotations

import numpy as np
import pytest

from wsvad.errors import UsageError
from wsvad.video import Geometry


def test_squash_delivers_the_whole_frame_and_its_box_is_the_whole_frame() -> None:
    """The 7x7 grid over a squashed view must cover every source pixel."""
    geometry = Geometry()
    assert geometry.views == 1
    assert geometry.delivered(1920, 1080) == (224, 224)
    assert geometry.box_of(0, 1920, 1080) == (0, 0, 1920, 1080)
    frames = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    assert np.array_equal(geometry.crops(frames), frames[None])


@pytest.mark.parametrize(
    ("width", "height", "scaled"),
    [
        (320, 240, (341, 256)),
        (240, 320, (256, 341)),
        (256, 256, (256, 256)),
        (1920, 1080, (455, 256)),
        (50, 51, (256, 261)),
    ],
)
def test_the_shorter_side_becomes_256_and_the_ratio_is_kept(width: int, height: int, scaled: tuple[int, int]) -> None:
    """Sizes computed by hand: the longer side times 256 divided by the shorter, rounded."""
    assert Geometry("center").scaled(width, height) == scaled
    assert Geometry("ten-crop").delivered(width, height) == scaled
    assert Geometry("center").delivered(width, height) == (224, 224)


def test_ten_crops_are_four_corners_centre_and_their_mirrors_in_that_order() -> None:
    """Each view is compared with a slice written out by hand."""
    frames = np.random.default_rng(1).integers(0, 256, (3, 256, 341, 3), dtype=np.uint8)
    views = Geometry("ten-crop").crops(frames)
    assert views.shape == (10, 3, 224, 224, 3)
    corners = [
        frames[:, :224, :224],
        frames[:, :224, 117:],
        frames[:, 32:, :224],
        frames[:, 32:, 117:],
        frames[:, 16:240, 58:282],
    ]
    for view, expected in enumerate(corners):
        assert np.array_equal(views[view], expected)
        assert np.array_equal(views[view + 5], expected[:, :, ::-1])


def test_boxes_of_crops_lie_in_the_source_and_a_mirror_has_the_box_of_its_original() -> None:
    """The box times the scale is the crop; corner views touch the frame's corners."""
    geometry = Geometry("ten-crop")
    assert geometry.box_of(0, 640, 480)[:2] == (0, 0)
    assert geometry.box_of(3, 640, 480)[2:] == pytest.approx((640, 480))
    for view in range(5):
        x1, y1, x2, y2 = geometry.box_of(view, 640, 480)
        assert x2 - x1 == pytest.approx(224 * 640 / 341)
        assert y2 - y1 == pytest.approx(224 * 480 / 256)
        assert geometry.box_of(view + 5, 640, 480) == (x1, y1, x2, y2)
    with pytest.raises(IndexError):
        geometry.box_of(10, 640, 480)


@pytest.mark.parametrize(
    "wrong", [{"kind": "fisheye"}, {"size": 0}, {"kind": "center", "size": 300}, {"kind": "ten-crop", "resize": 100}]
)
def test_invalid_geometries_are_usage_errors(wrong: dict[str, object]) -> None:
    """Invalid sizes and kinds are refused on construction."""
    with pytest.raises(UsageError):
        Geometry(**wrong)


def test_frames_smaller_than_a_crop_are_refused() -> None:
    """Crops never shrink silently."""
    with pytest.raises(UsageError, match="at least 224x224"):
        Geometry("center").crops(np.zeros((1, 100, 300, 3), dtype=np.uint8))
