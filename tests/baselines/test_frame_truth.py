"""What features are worth without weak labels: their named answers as scores, and classifiers that know the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.baselines.raw_scores import channels_of, raw_figures, smoothed
from tests.bench.feature_ceiling import ceiling
from tests.features.factories import CONFIG, write_features
from wsvad.backbones.compact import ANSWERS
from wsvad.errors import UsageError
from wsvad.features.reading import FeatureSet
from wsvad.manifest.records import Box, VideoRecord

CLIPS, WIDTH, HEIGHT, CELL = 12, 320, 240, 24
ANOMALOUS = slice(4, 8)
RECORDS = [
    VideoRecord(
        f"v{n}.mp4", f"v{n}.mp4", label=n % 2, split="val", num_frames=16 * CLIPS, width=WIDTH, height=HEIGHT,
        spans=((16 * ANOMALOUS.start, 16 * ANOMALOUS.stop),) if n % 2 else (),
        boxes=(Box(64, 128, 150, 110, 170, 130),) if n % 2 else (),
    )
    for n in range(12)
]  # fmt: skip
"""Every other one has an anomaly for four of twelve clips, in the middle cell of the picture."""


def features(folder, strength: float, backbone: str = "i3d") -> FeatureSet:
    """Noise, and ``strength`` more in one of 30 values of the cuboids where the anomaly is, and of those clips."""
    rng = np.random.default_rng(0)
    pooled = {r.video_id: rng.standard_normal((CLIPS, 1, 30)) for r in RECORDS}
    cuboids = {r.video_id: rng.standard_normal((CLIPS, 1, 49, 30)) for r in RECORDS}
    for record in RECORDS[1::2]:
        pooled[record.video_id][ANOMALOUS, :, 8] += strength
        cuboids[record.video_id][ANOMALOUS, :, CELL, 8] += strength
    return FeatureSet.open(write_features(folder, pooled, cuboids, config=replace(CONFIG, backbone=backbone)))


@pytest.mark.parametrize("classifier", ["logistic regression", "network of 64 units"])
def test_truth_finds_what_is_in_the_features(tmp_path, classifier):
    """A value that moves by six standard deviations is found in unseen videos, and in its place."""
    found = ceiling(features(tmp_path, 6.0), RECORDS, classifier, seed=0)
    assert found["clips"]["frame AUC"] > 0.97
    assert found["cuboids"]["region AUC"] > 0.97
    assert found["cuboids"]["pointing"] > 0.95
    assert found["clips"]["pointing"] is None, "of clips nothing is known of the place"


def test_truth_finds_nothing_in_noise(tmp_path):
    """Videos are unseen: what is learned by heart is worth nothing."""
    found = ceiling(features(tmp_path, 0.0), RECORDS, "logistic regression", seed=0)
    assert found["clips"]["frame AUC"] < 0.65
    assert found["cuboids"]["region AUC"] < 0.65


def test_answers_of_the_embedded_backbone_have_names(tmp_path):
    """``fight`` is a channel of its features; other backbones have no names."""
    compact = features(tmp_path / "compact", 6.0, "i3d-compact")
    names = channels_of(compact)
    assert len(names) == ANSWERS
    assert raw_figures(compact, RECORDS, names.index("fight"), pooling=1)["frame AUC"] > 0.97
    with pytest.raises(UsageError, match="'i3d' have no named channels"):
        channels_of(features(tmp_path / "plain", 6.0))


def test_smoothing_is_a_mean_over_neighbours():
    """Of fewer clips at the ends; one clip changes nothing."""
    values = np.array([[0.0, 1], [3, 1], [6, 1], [0, 1]])
    assert smoothed(values, 1) == pytest.approx(values)
    assert smoothed(values, 3)[:, 0] == pytest.approx([1.5, 3, 3, 3])
    assert smoothed(values, 3)[:, 1] == pytest.approx([1, 1, 1, 1])
    assert smoothed(values[:2], 5)[:, 0] == pytest.approx([1.5, 1.5]), "shorter than the kernel"
