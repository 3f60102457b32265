"""Dropout of ST-MIL: one mask for all cuboids of a video, so that the maximum depends on instances, not on masks."""

from __future__ import annotations

import torch

from wsvad.models.heads import SharedDropout
from wsvad.models.registry import build_model, default_config


def test_one_mask_per_bag() -> None:
    """All instances of a bag share a mask, bags differ. The mean is preserved; in evaluation nothing is dropped."""
    torch.manual_seed(0)
    dropout = SharedDropout(0.6)
    values = torch.ones(400, 3, 5, 32)
    out = dropout(values)
    assert bool((out == out[:, :1, :1]).all())
    assert not bool((out[0] == out[1]).all())
    assert set(out.unique().tolist()) == {0.0, 2.5}
    torch.testing.assert_close(out.mean(), torch.tensor(1.0), atol=0.03, rtol=0)
    assert dropout.eval()(values) is values


def test_the_mask_is_configurable() -> None:
    """With a shared mask, equal cuboids have the same score in training; with individual masks they differ."""
    features = torch.ones(2, 4, 49, 16)
    spread = {}
    for mask in ("video", "instance"):
        model = build_model(default_config("st_mil", 16, dropout_mask=mask), seed=0).train()
        torch.manual_seed(0)
        scores = model(features).cuboid_scores_BTK
        assert scores is not None
        spread[mask] = scores.flatten(1).std(1)
    assert bool((spread["video"] < 1e-6).all())
    assert bool((spread["instance"] > 1e-3).all())
