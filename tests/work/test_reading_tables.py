"""A published data set as a Ray Dataset; in this folder, because its tests share a Ray."""

from __future__ import annotations

import numpy as np

from tests.features.factories import random_videos, write_features
from wsvad.features.reading import FeatureSet

SHAPE = (4, 6)


def test_workers_read_the_rows(tmp_path, ray_session):
    """All rows, with tensors of the right shape."""
    pooled, cuboids = random_videos({"b b/1.mp4": 30, "a": 5, "none": 0}, cuboid_shape=SHAPE)
    opened = FeatureSet.open(write_features(tmp_path / "with space", pooled, cuboids, clips_per_unit=8))
    rows = opened.to_ray(["video_id", "clip", "pooled"]).take_all()
    found = {(row["video_id"], int(row["clip"])): row["pooled"] for row in rows}
    assert len(rows) == len(found) == 35
    for clip in range(30):
        np.testing.assert_array_equal(found["b b/1.mp4", clip], pooled["b b/1.mp4"][clip, 0])
