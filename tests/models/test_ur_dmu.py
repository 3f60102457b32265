"""UR-DMU: the numbers of the authors' code, and what its memories and its draw do."""

from __future__ import annotations

import math

import pytest
import torch

from tests.models.data import GL_ENCODER, assert_gradients, load, public_numbers
from wsvad.errors import UsageError
from wsvad.models.attention import temporal_decay
from wsvad.models.gl_attention import GlobalLocalAttention, nearby
from wsvad.models.registry import build_criterion, build_model, default_config
from wsvad.models.ur_dmu import UrDmuParts

NAMES = (
    *GL_ENCODER,
    (r"cls_head\.mlp", "head"),
    (r"Amemory\.memory_block", "anomalous_memory.vectors_ME"),
    (r"Nmemory\.memory_block", "normal_memory.vectors_ME"),
    (r"encoder_mu\.0", "mean"),
    (r"encoder_var\.0", "log_variance"),
)
TERMS = {
    "total": "total_loss",
    "classify": "att_loss",
    "anomalous_in_anomalous": "A_loss",
    "anomalous_in_normal": "N_Aatt",
    "normal_in_normal": "N_loss",
    "normal_in_anomalous": "A_Nloss",
    "triplet": "triplet",
    "divergence": "kl_loss",
    "distance": "distance",
}
SMALL = {"dim": 8, "heads": 2, "head_dim": 4, "feed_forward": 10, "anomalous_slots": 20, "normal_slots": 17}


@pytest.fixture
def numbers():
    """Of the authors' code."""
    return public_numbers("ur_dmu")


@pytest.fixture
def model(numbers):
    """With the same weights, without dropout."""
    model = build_model(default_config("ur_dmu", 6, **SMALL, dropout=0.0), seed=0)
    load(model, numbers, NAMES)
    return model


def test_scores_are_those_of_the_authors_code(model, numbers):
    """In evaluation, of videos of 35 clips and of one."""
    model.eval()
    torch.testing.assert_close(model(numbers["features"]).scores_BT, numbers["scores"], rtol=1e-5, atol=1e-6)
    one = model(numbers["features"][:1, :1]).scores_BT
    torch.testing.assert_close(one, numbers["one_clip"], rtol=1e-5, atol=1e-6)


def test_terms_and_gradients_are_those_of_the_authors_code(model, numbers, monkeypatch):
    """With the same draw; what is drawn for anomalous videos does not matter."""
    anomalous = numbers["labels"] == 1

    def draw(like):
        noise = torch.full_like(like, 1e3)
        noise[~anomalous] = numbers["noise"]
        return noise

    monkeypatch.setattr(torch, "randn_like", draw)
    output = model(numbers["features"])
    assert isinstance(output.parts, UrDmuParts)
    trained_BT = torch.where(anomalous[:, None], output.scores_BT, output.parts.drawn_logits_BT.sigmoid())
    torch.testing.assert_close(trained_BT, numbers["train_scores"], rtol=1e-5, atol=1e-6)
    terms = build_criterion(default_config("ur_dmu", 6, **SMALL))(output, numbers["labels"])
    assert terms.keys() == TERMS.keys()
    for ours, theirs in TERMS.items():
        assert float(terms[ours].detach()) == pytest.approx(float(numbers[f"loss.{theirs}"]), rel=1e-5), ours
    terms["total"].backward()
    assert_gradients(model, numbers, NAMES)


def test_what_is_drawn_is_drawn_in_training_only():
    """A score never depends on chance; without noise training does not, either."""
    features = torch.randn(2, 5, 6, generator=torch.Generator().manual_seed(0))
    for noise, alike in ((1.0, False), (0.0, True)):
        model = build_model(default_config("ur_dmu", 6, **SMALL, dropout=0.0, noise=noise), seed=0)
        first, second = model(features), model(features)
        assert torch.equal(first.scores_BT, second.scores_BT)
        assert torch.equal(first.parts.drawn_logits_BT, second.parts.drawn_logits_BT) is alike
        still = model.eval()(features)
        assert torch.equal(still.parts.drawn_logits_BT, still.logits_BT)


@pytest.mark.parametrize("clips", [1, 2, 40, 300, 700])
def test_what_is_near_is_averaged_as_the_whole_matrix_says(clips):
    """In bands as at once; each clip is given away once in all."""
    values = torch.randn(2, 3, clips, 4, generator=torch.Generator().manual_seed(1)).double()
    place = torch.arange(clips).double()
    weights = torch.exp(-(place[:, None] - place).abs() / math.e)
    expected = weights / weights.sum(0) @ values
    found = nearby(values, temporal_decay(clips, values, reach=math.e))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.sum(2), values.sum(2), rtol=1e-9, atol=1e-9)


def test_attention_in_chunks_is_attention_at_once(monkeypatch):
    """Without a gradient a day of video is not held as one matrix."""
    attention = GlobalLocalAttention(6, heads=2, head_dim=4, dropout=0.0)
    x = torch.randn(2, 23, 6)
    whole = attention(x).detach()
    monkeypatch.setattr("wsvad.models.attention.CHUNK_ELEMENTS", 2 * 2 * 23 * 5)
    with torch.no_grad():
        torch.testing.assert_close(attention(x), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {"dim": 0},
        {"layers": 65},
        {"normal_slots": 0},
        {"one_in": 0},
        {"dropout": 1.0},
        {"noise": -1.0},
        {"margin": -1.0},
    ],
)
def test_settings_that_cannot_be(settings):
    """The setting is named."""
    with pytest.raises(UsageError, match=next(iter(settings))):
        default_config("ur_dmu", 6, **settings)
