"""Scores of stored features equal those of the model, for features in memory and in units."""

import numpy as np
import pytest
import torch

from tests.features.factories import random_videos, write_features
from tests.scoring.factories import make_checkpoint
from wsvad.errors import UsageError, VideoError
from wsvad.features.reading import FeatureSet
from wsvad.scoring.scorer import BAD_SCORES, Scorer

MODELS = [("sultani", 8), ("st_mil", 6)]
BASELINES = [("ur_dmu", 8), ("bn_wvad", 8), ("mgfn", 8)]


def _plain(checkpoint, values_TVX):
    """Compute scores directly: mean over crops, rounded as in the cache, all clips at once."""
    mean = torch.from_numpy(values_TVX.astype(np.float32)).mean(1).half().float()
    with torch.no_grad():
        output = checkpoint.model().eval()(mean[None])
    cuboids = output.cuboid_scores_BTK
    return output.scores_BT[0].numpy(), None if cuboids is None else cuboids[0].numpy()


@pytest.mark.parametrize(("name", "dim"), [*MODELS, *BASELINES])
@pytest.mark.parametrize("video", ["long", "gappy", "one"])
def test_crops_are_averaged(features, arrays, name, dim, video):
    """Scores, cuboid scores, spans and size; a video may consist of many objects and have gaps."""
    checkpoint = make_checkpoint(name, dim)
    loaded = FeatureSet.open(features).load(video)
    scores = Scorer(checkpoint)(loaded)
    expected, cuboids = _plain(checkpoint, arrays[dim == 6][video])
    np.testing.assert_allclose(scores.score_T, expected, rtol=2e-6)
    assert (scores.cuboid_scores_TK is None) == (cuboids is None)
    if cuboids is not None:
        np.testing.assert_allclose(scores.cuboid_scores_TK, cuboids, rtol=2e-6)
        np.testing.assert_array_equal(scores.cuboid_scores_TK.max(1), scores.score_T)
    np.testing.assert_array_equal(scores.clip, loaded.clip)
    np.testing.assert_array_equal(scores.end_frame, loaded.end_frame)
    assert (scores.num_frames, scores.width, scores.height) == (loaded.num_frames, 320, 240)


@pytest.mark.parametrize(("name", "dim"), MODELS)
@pytest.mark.parametrize("window", [2, 7, 16, 59, 60])
def test_windows_do_not_affect_models_without_temporal_context(features, name, dim, window):
    """Windows over a stream of objects give the same scores as the whole video at once."""
    checkpoint, loaded = make_checkpoint(name, dim), FeatureSet.open(features)
    whole = Scorer(checkpoint)(loaded.load("long"))
    scorer = Scorer(checkpoint, window=window)
    seen = []
    values = scorer.score_units("long", loaded.stream(["long"]), 60, seen.append)
    np.testing.assert_allclose(values["score_T"], whole.score_T, rtol=2e-6)
    np.testing.assert_array_equal(values["start_s"], whole.start_s)
    if whole.cuboid_scores_TK is not None:
        np.testing.assert_allclose(values["cuboid_scores_TK"], whole.cuboid_scores_TK, rtol=2e-6)
    assert seen == sorted(seen)
    assert seen[-1] == 60


def test_windows_are_close_for_a_model_with_temporal_context(tmp_path):
    """RTFM's convolutions look less far than a quarter of a window, so nothing changes; attention is truncated."""
    pooled, _ = random_videos({"a": 90})
    loaded = FeatureSet.open(write_features(tmp_path, pooled)).load("a")
    attentive = [make_checkpoint("ltgs", 8, heads=2), *(make_checkpoint(*baseline) for baseline in BASELINES)]
    for checkpoint, furthest in ((make_checkpoint("rtfm", 8), 1e-6), *((each, 0.05) for each in attentive)):
        whole, cut = Scorer(checkpoint)(loaded).score_T, Scorer(checkpoint, window=40)(loaded).score_T
        assert np.abs(cut - whole).max() < furthest
        assert np.corrcoef(cut, whole)[0, 1] > 0.98


def test_scores_are_deterministic(features):
    """For two scorers, one of which has scored other videos before."""
    loaded, checkpoint = FeatureSet.open(features), make_checkpoint("st_mil", 6)
    busy = Scorer(checkpoint)
    busy(loaded.load("short"))
    a, b = busy(loaded.load("long")), Scorer(checkpoint)(loaded.load("long"))
    assert a.score_T.tobytes() == b.score_T.tobytes()
    assert a.cuboid_scores_TK.tobytes() == b.cuboid_scores_TK.tobytes()


def test_incompatible_features_are_rejected(features):
    """No cuboids for a cuboid model, another width, weights that overflow."""
    loaded = FeatureSet.open(features)
    with pytest.raises(UsageError, match="has no cuboids"):
        Scorer(make_checkpoint("st_mil", 6))(loaded.load("short", cuboids=False))
    with pytest.raises(UsageError, match="takes 9 values"):
        Scorer(make_checkpoint("sultani", 9))(loaded.load("short"))
    with pytest.raises(VideoError, match=r"3 of 3 clips of 'short'") as caught:
        Scorer(make_checkpoint("sultani", 8, scale=1e38))(loaded.load("short"))
    assert caught.value.kind == BAD_SCORES
