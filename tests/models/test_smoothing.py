"""Scores that are averaged over neighbouring clips: part of a model, the same wherever it scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wsvad.errors import UsageError
from wsvad.models.inference import moving_average, score_clips
from wsvad.models.registry import MODELS, build_model, config_from_dict, default_config

DIM, CLIPS = 6, 13


def scored(name: str, smooth: int, window: int = 100, clips: int = CLIPS) -> tuple[np.ndarray, np.ndarray | None]:
    """Score one video by an untrained model."""
    config = default_config(name, DIM, smooth_clips=smooth)
    model = build_model(config, seed=0).eval()
    shape = (clips, 49, DIM) if config.inputs == "cuboids" else (clips, DIM)
    values = np.random.default_rng(1).standard_normal(shape).astype(np.float32) * 3
    return score_clips(model, lambda start, stop: values[start:stop], clips, window, torch.device("cpu"))


def naive(values: np.ndarray, clips: int) -> np.ndarray:
    """The definition, clip by clip."""
    half = clips // 2
    return np.stack([values[max(0, t - half) : t + half + 1].astype(float).mean(0) for t in range(len(values))])


@pytest.mark.parametrize("length", [1, 2, 4, 30])
@pytest.mark.parametrize("clips", [1, 3, 5, 9])
def test_the_mean_is_over_existing_neighbours(length: int, clips: int):
    """Compared with the definition, also where the video is shorter than the average."""
    values = np.random.default_rng(0).standard_normal((length, 3))
    assert moving_average(values, clips) == pytest.approx(naive(values, clips))
    assert moving_average(values[:, 0], clips) == pytest.approx(naive(values[:, 0], clips))


@pytest.mark.parametrize("name", MODELS)
def test_smoothed_scores_are_the_sigmoid_of_mean_logits(name: str):
    """Of each cuboid for cuboid models, whose clips score as their strongest cuboid."""
    raw_T, raw_TK = scored(name, 1)
    score_T, cuboids_TK = scored(name, 5)
    logits = np.log(raw_T / (1 - raw_T)) if raw_TK is None else np.log(raw_TK / (1 - raw_TK))
    expected = 1 / (1 + np.exp(-naive(logits, 5)))
    if raw_TK is None:
        assert cuboids_TK is None
        assert score_T == pytest.approx(expected, abs=2e-5)
    else:
        assert cuboids_TK == pytest.approx(expected, abs=2e-5)
        assert np.array_equal(score_T, cuboids_TK.max(1))
    assert score_T.dtype == np.float32


def test_long_videos_are_smoothed_across_windows():
    """A model that looks at single clips gives the same scores in windows and at once."""
    whole, parts = scored("sultani", 5, clips=40), scored("sultani", 5, window=8, clips=40)
    assert parts[0] == pytest.approx(whole[0], abs=1e-6)


def test_the_setting_is_kept_only_where_it_is_used():
    """Configurations without smoothing are written as before, so that digests of checkpoints do not change."""
    plain, smooth = default_config("st_ltgs", DIM), default_config("st_ltgs", DIM, smooth_clips=3)
    assert "smooth_clips" not in plain.to_dict()
    assert smooth.to_dict()["smooth_clips"] == 3
    assert config_from_dict(plain.to_dict()) == plain
    assert config_from_dict(smooth.to_dict()) == smooth
    assert build_model(smooth, seed=0).smooth_clips == 3


@pytest.mark.parametrize("value", [0, 2, -1, 65])
def test_even_and_large_numbers_are_rejected(value: int):
    """An even number of clips has no clip in its middle."""
    with pytest.raises(UsageError, match="smooth_clips must be an odd number from 1 to 63"):
        default_config("ltgs", DIM, smooth_clips=value)
