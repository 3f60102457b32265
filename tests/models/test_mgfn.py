"""MGFN: the numbers of the authors' code, and what does not show in them."""

from __future__ import annotations

import pytest
import torch

from tests.models.data import assert_gradients, load, public_numbers, renamed
from wsvad.errors import UsageError
from wsvad.models.contract import MilOutput
from wsvad.models.mgfn import DeviationNorm, MgfnParts
from wsvad.models.registry import build_criterion, build_model, default_config

NAMES = (
    (r"to_tokens", "tokens"),
    (r"to_mag", "magnitude"),
    (r"to_logits\.0", "norm"),
    (r"stages\.(\d)\.0\.layers\.(\d)\.0", r"stages.\1.\2.convolution"),
    (r"stages\.(\d)\.0\.layers\.(\d)\.1\.norm\.g", r"stages.\1.\2.aggregation.norm.weight"),
    (r"stages\.(\d)\.0\.layers\.(\d)\.1\.norm\.b$", r"stages.\1.\2.aggregation.norm.bias"),
    (r"stages\.(\d)\.0\.layers\.(\d)\.1\.norm", r"stages.\1.\2.aggregation.norm"),
    (r"stages\.(\d)\.0\.layers\.(\d)\.1\.to_qkv", r"stages.\1.\2.aggregation.qkv"),
    (r"stages\.(\d)\.0\.layers\.(\d)\.1\.to_v", r"stages.\1.\2.aggregation.value"),
    (r"stages\.(\d)\.0\.layers\.(\d)\.1\.rel_pos", r"stages.\1.\2.aggregation.weights"),
    (r"stages\.(\d)\.0\.layers\.(\d)\.1\.to_out", r"stages.\1.\2.aggregation.out"),
    (r"stages\.(\d)\.0\.layers\.(\d)\.2\.0\.g", r"stages.\1.\2.feed_forward.0.weight"),
    (r"stages\.(\d)\.0\.layers\.(\d)\.2\.0\.b", r"stages.\1.\2.feed_forward.0.bias"),
    (r"stages\.(\d)\.0\.layers\.(\d)\.2\.1", r"stages.\1.\2.feed_forward.1"),
    (r"stages\.(\d)\.0\.layers\.(\d)\.2\.4", r"stages.\1.\2.feed_forward.3"),
    (r"stages\.(\d)\.1\.0\.g", r"widen.\1.0.weight"),
    (r"stages\.(\d)\.1\.0\.b", r"widen.\1.0.bias"),
    (r"stages\.(\d)\.1\.1", r"widen.\1.1"),
)
TERMS = {
    "total": "total",
    "classify": "cls",
    "apart": "con",
    "alike_anomalous": "con_a",
    "alike_normal": "con_n",
}
SMALL = {"first_dim": 8, "second_dim": 12, "third_dim": 16, "head_dim": 4, "dropout": 0.0}
BLOCKS = {"first_blocks": 2, "second_blocks": 1, "third_blocks": 1}


@pytest.fixture
def numbers():
    """Of the authors' code."""
    return public_numbers("mgfn")


@pytest.fixture
def model(numbers):
    """With the same weights and running statistics."""
    model = build_model(default_config("mgfn", 6, **SMALL, **BLOCKS), seed=0)
    load(model, numbers, NAMES)
    return model


def test_a_training_step_and_scores_are_those_of_the_authors_code(model, numbers):
    """Terms, gradients, running statistics; and scores with the statistics of after the step."""
    output = model(numbers["features"])
    torch.testing.assert_close(output.scores_BT, numbers["train_scores"], rtol=1e-5, atol=1e-6)
    terms = build_criterion(default_config("mgfn", 6, **SMALL, **BLOCKS))(output, numbers["labels"])
    assert terms.keys() == {*TERMS, "sparsity", "smoothness"}
    found = {name: float(term.detach()) for name, term in terms.items()}
    for ours, theirs in TERMS.items():
        assert found[ours] == pytest.approx(float(numbers[f"loss.{theirs}"]), rel=1e-5), ours
    assert 8e-3 * found["sparsity"] == pytest.approx(float(numbers["loss.sparse"]), rel=1e-5)
    assert 8e-4 * found["smoothness"] == pytest.approx(float(numbers["loss.smooth"]), rel=1e-5)
    terms["total"].backward()
    assert_gradients(model, numbers, NAMES)
    state = model.state_dict()
    for name, statistics in renamed(numbers, "after", NAMES).items():
        torch.testing.assert_close(state[name], statistics, rtol=1e-5, atol=1e-6, msg=name)
    model.eval()
    torch.testing.assert_close(model(numbers["features"]).scores_BT, numbers["scores"], rtol=1e-5, atol=1e-6)
    three = model(numbers["features"][:1, :3]).scores_BT
    torch.testing.assert_close(three, numbers["three_clips"], rtol=1e-5, atol=1e-6)


def test_clips_that_are_left_out_of_the_choice_differ_from_step_to_step():
    """In training; in evaluation clips rank by the length of what the classifier sees, and nothing is left out."""
    model = build_model(default_config("mgfn", 6, **{**SMALL, "dropout": 0.7}), seed=0)
    features = torch.randn(4, 50, 6, generator=torch.Generator().manual_seed(0))
    first, second = (model(features).parts.ranking_BT for _ in range(2))
    assert 0.5 < float((first == 0).float().mean()) < 0.9
    assert not torch.equal(first == 0, second == 0)
    output = model.eval()(features)
    torch.testing.assert_close(output.parts.ranking_BT, output.features_BTD.norm(dim=2), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("videos", "expected"), [(1, 0.0), (2, 100.0), (3, 100.0)])
def test_halves_of_a_class_are_held_together(videos, expected):
    """Two videos whose one clip has length 0 and 10; one has no partner, nor has a third."""
    features = torch.tensor([0.0, 10.0, 77.0])[:videos].view(-1, 1, 1).repeat(2, 1, 1)
    flat = torch.full((2 * videos, 1), 0.5)
    output = MilOutput(flat, flat.logit(), features_BTD=features, parts=MgfnParts(features[:, :, 0]))
    terms = build_criterion(default_config("mgfn", 6))(output, torch.arange(2 * videos) // videos)
    assert float(terms["alike_normal"]) == pytest.approx(expected, rel=1e-5)
    assert float(terms["alike_anomalous"]) == pytest.approx(expected, rel=1e-5)
    assert float(terms["apart"]) == pytest.approx(200**2, rel=1e-5)
    assert float(terms["smoothness"]) == 0


def test_a_clip_of_equal_features_is_normalised_to_nothing():
    """With a finite gradient."""
    norm, x = DeviationNorm(4), torch.ones(1, 1, 4, requires_grad=True)
    norm(x).sum().backward()
    assert norm(x).abs().max() == 0
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize(
    "settings", [{"third_dim": 1}, {"second_blocks": 65}, {"first_blocks": 0}, {"k": 0}, {"margin": -1.0}]
)
def test_settings_that_cannot_be(settings):
    """The setting is named."""
    with pytest.raises(UsageError, match=next(iter(settings))):
        default_config("mgfn", 6, **settings)
