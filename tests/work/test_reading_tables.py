"""A published data set as a Ray Data set; here, where other tests need the same Ray."""

from __future__ import annotations

import numpy as np

from tests.features.factories import random_videos, write_features
from wsvad.features.reading import FeatureSet

SHAPE = (4, 6)


def test_ray_reads_in_its_workers(tmp_path, ray_session):
    """Every row, tensors of their shape."""
    pooled, cuboids = random_videos({"b b/1.mp4": 30, "a": 5, "none": 0}, cuboid_shape=SHAPE)
    opened = FeatureSet.open(write_features(tmp_path / "with space", pooled, cuboids, clips_per_unit=8))
    rows = opened.to_ray(["video_id", "clip", "pooled"]).take_all()
    found = {(row["video_id"], int(row["clip"])): row["pooled"] for row in rows}
    assert len(rows) == len(found) == 35
    for clip in range(30):
        np.testing.assert_array_equal(found["b b/1.mp4", clip], pooled["b b/1.mp4"][clip, 0])
