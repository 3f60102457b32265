"""BN-WVAD: the numbers of the authors' code, its choice of clips by hand, and what its statistics do."""

from __future__ import annotations

import pytest
import torch

from tests.models.data import GL_ENCODER, assert_gradients, load, public_numbers, renamed
from wsvad.errors import UsageError
from wsvad.models.bn_wvad import BnWvadParts
from wsvad.models.contract import MilOutput
from wsvad.models.registry import build_criterion, build_model, default_config

NAMES = (
    *GL_ENCODER,
    (r"normal_head\.conv1", "first.fc"),
    (r"normal_head\.bn1", "first.norm"),
    (r"normal_head\.conv2", "second.fc"),
    (r"normal_head\.bn2", "second.norm"),
    (r"normal_head\.conv3", "last"),
)
SMALL = {"dim": 32, "heads": 2, "head_dim": 4, "feed_forward": 10, "first_dim": 8, "second_dim": 4}


@pytest.fixture
def numbers():
    """Of the authors' code."""
    return public_numbers("bn_wvad")


@pytest.fixture
def model(numbers):
    """With the same weights and running statistics."""
    model = build_model(default_config("bn_wvad", 6, **SMALL), seed=0)
    load(model, numbers, NAMES)
    return model


def test_a_training_step_and_scores_are_those_of_the_authors_code(model, numbers):
    """Terms, gradients, running statistics; then, with these, scores before they are brought into [0, 1]."""
    output = model(numbers["features"])
    assert isinstance(output.parts, BnWvadParts)
    normal = numbers["labels"] == 0
    torch.testing.assert_close(output.parts.classifier_scores_BT[normal], numbers["train_scores"], rtol=1e-5, atol=1e-6)
    terms = build_criterion(default_config("bn_wvad", 6, **SMALL))(output, numbers["labels"])
    assert terms.keys() == {"total", "normal", "first", "second"}
    found = {name: float(term.detach()) for name, term in terms.items()}
    assert found["total"] == pytest.approx(float(numbers["loss.total_loss"]), rel=1e-5)
    assert found["normal"] == pytest.approx(float(numbers["loss.normal_loss"]), rel=1e-5)
    assert 5 * found["first"] + 20 * found["second"] == pytest.approx(float(numbers["loss.mpp_loss"]), rel=1e-5)
    terms["total"].backward()
    assert_gradients(model, numbers, NAMES)
    state = model.state_dict()
    for name, statistics in renamed(numbers, "after", NAMES).items():
        torch.testing.assert_close(state[name], statistics, rtol=1e-5, atol=1e-6, msg=name)
    model.eval()
    for clips, scores in ((numbers["features"], "scores"), (numbers["features"][:1, :1], "one_clip")):
        torch.testing.assert_close(model(clips).logits_BT.exp(), numbers[scores], rtol=1e-5, atol=1e-6)


def output_of(first_BT: torch.Tensor) -> MilOutput:
    """The same divergence at both layers."""
    flat = torch.full_like(first_BT, 0.5)
    return MilOutput(flat, flat.logit(), parts=BnWvadParts(flat, first_BT, first_BT))


def test_clips_are_chosen_in_a_video_and_in_the_batch():
    """A fifth of each anomalous video, two fifths of all; normal clips by rank, then by video."""
    quiet, loud = torch.arange(5.0), 10 + torch.arange(5.0)
    normal = torch.tensor([[0.5, 3, 0, 0, 0], [4, 1, 2, 0, 0]])
    divergence = torch.stack([quiet, normal[0], loud, normal[1]])
    terms = build_criterion(default_config("bn_wvad", 6))(output_of(divergence), torch.tensor([1, 0, 1, 0]))
    above = [4.0, 11.0, 12.0, 13.0, 14.0]  # best of each video: 4 and 14; best four of the batch: 11 to 14
    below = [3.0, 4.0, 0.5, 2.0, 0.0]  # first of each video, second of each, third of the first
    expected = sum(max(0.0, b - a + 1) for a, b in zip(above, below, strict=True)) / 5
    assert float(terms["first"]) == pytest.approx(expected)
    assert float(terms["normal"]) == pytest.approx(0.5 * 5**0.5)


def test_statistics_are_moved_by_training_alone():
    """And what came before changes no score."""
    model = build_model(default_config("bn_wvad", 6, **SMALL), seed=0)
    features = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(0))
    before = model.first.norm.running_mean.clone()
    model.eval()(features)
    assert torch.equal(model.first.norm.running_mean, before)
    model.train()(features)
    assert not torch.equal(model.first.norm.running_mean, before)
    model.eval()
    alone, together = model(features[:1]).scores_BT, model(features).scores_BT[:1]
    torch.testing.assert_close(alone, together, rtol=1e-5, atol=1e-6)


def test_a_feature_that_never_varies_gives_a_finite_loss():
    """Variance 0, distance 0: all clips alike."""
    config = default_config("bn_wvad", 6, **SMALL)
    model, criterion = build_model(config, seed=0), build_criterion(config)
    for _ in range(200):
        terms = criterion(model(torch.zeros(4, 5, 6)), torch.tensor([1, 0, 1, 0]))
    terms["total"].backward()
    assert all(term.isfinite() for term in terms.values())
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize(
    "settings", [{"dim": 0}, {"layers": 65}, {"second_dim": 0}, {"video_share": 1.0}, {"batch_share": -0.1}]
)
def test_settings_that_cannot_be(settings):
    """The setting is named."""
    with pytest.raises(UsageError, match=next(iter(settings))):
        default_config("bn_wvad", 6, **settings)
