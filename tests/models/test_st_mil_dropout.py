"""Dropout of ST-MIL: alike for all cuboids of a video, so that the highest score is an instance's and not a mask's."""

from __future__ import annotations

import torch

from wsvad.models.choose import build_model, default_config
from wsvad.models.heads import AlikeDropout


def test_all_instances_of_a_bag_lose_the_same_units_and_bags_lose_others() -> None:
    """The mean stays, as units that are kept count more; in evaluation nothing is left out."""
    torch.manual_seed(0)
    dropout = AlikeDropout(0.6)
    values = torch.ones(400, 3, 5, 32)
    out = dropout(values)
    assert bool((out == out[:, :1, :1]).all())
    assert not bool((out[0] == out[1]).all())
    assert set(out.unique().tolist()) == {0.0, 2.5}
    torch.testing.assert_close(out.mean(), torch.tensor(1.0), atol=0.03, rtol=0)
    assert dropout.eval()(values) is values


def test_the_mask_is_a_choice() -> None:
    """In training, like cuboids have the same score; or each its own, and the highest is that of a lucky mask."""
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
