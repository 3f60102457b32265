"""The prior of ``st_ltgs``: an input channel that its logits start from."""

from __future__ import annotations

import pytest
import torch

from wsvad.errors import UsageError
from wsvad.models.registry import build_criterion, build_model, config_from_dict, default_config

DIM, CHANNEL = 6, 2


def test_an_untrained_model_says_what_the_prior_says():
    """Whatever the seed: the network's own part starts at 0."""
    features_BTKC = torch.randn(2, 5, 4, DIM)
    for seed in (0, 1):
        model = build_model(default_config("st_ltgs", DIM, prior=CHANNEL), seed=seed).eval()
        torch.testing.assert_close(model(features_BTKC).cuboid_logits_BTK, features_BTKC[..., CHANNEL])


def test_training_moves_away_from_the_prior():
    """All weights have a gradient after the first step, the weight of the prior included."""
    config = default_config("st_ltgs", DIM, prior=CHANNEL, dropout=0.0)
    model, criterion = build_model(config, seed=0).train(), build_criterion(config)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    features_BTKC, labels_B = torch.randn(4, 5, 4, DIM), torch.tensor([1.0, 1.0, 0.0, 0.0])
    for _ in range(2):
        optimizer.zero_grad()
        criterion(model(features_BTKC), labels_B)["total"].backward()
        optimizer.step()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    assert model.get_parameter("prior_weight") != 1


def test_the_setting_is_kept_only_where_it_is_used():
    """Configurations without a prior are those of earlier versions."""
    assert "prior" not in default_config("st_ltgs", DIM).to_dict()
    config = default_config("st_ltgs", DIM, prior=0)
    assert config.to_dict()["prior"] == 0
    assert config_from_dict(config.to_dict()) == config


@pytest.mark.parametrize("channel", [-2, DIM])
def test_a_channel_that_does_not_exist_is_rejected(channel):
    """Before any work."""
    with pytest.raises(UsageError, match="prior must be -1 or a channel from 0 to 5"):
        default_config("st_ltgs", DIM, prior=channel)
