"""Properties of every model and every preset."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from wsvad.models.contract import MilOutput, ModelConfig
from wsvad.models.heads import unit_length
from wsvad.models.presets import PRESETS
from wsvad.models.registry import MODELS, build_criterion, build_dynamic_labels, build_model, default_config

SMALL: dict[str, dict[str, Any]] = {
    "ltgs": {"heads": 2, "head_dim": 4, "bottleneck": 4, "fusion_dim": 16, "feed_forward": 8},
    "st_ltgs": {"dim": 8, "heads": 2, "head_dim": 4},
    "st_mil": {"attention_dim": 4},
    "bn_wvad": {"dim": 8, "heads": 2, "head_dim": 4, "feed_forward": 8, "first_dim": 6, "second_dim": 4},
    "mgfn": {"first_dim": 8, "second_dim": 12, "third_dim": 16, "head_dim": 4},
    "ur_dmu": {"dim": 8, "heads": 2, "head_dim": 4, "feed_forward": 8, "anomalous_slots": 18, "normal_slots": 6},
}
PRESET_CASES = [(name, preset) for name in MODELS for preset in PRESETS[name]]
DIM = 8
SHARED_CASES = [
    (name, preset)
    for name, preset in PRESET_CASES
    if not build_criterion(default_config(name, DIM, preset=preset)).needs_whole_batch
]


def config_of(name: str, preset: str = "paper", **settings: Any) -> ModelConfig:
    """Return the preset at a small size."""
    small = {**SMALL.get(name, {}), **PRESETS[name][preset].settings, **settings}
    return default_config(name, DIM, preset=preset, **small)


def bags(config: ModelConfig, videos: int = 4, clips: int = 6) -> Tensor:
    """Return random features; cuboids are on a 3x3 grid."""
    generator = torch.Generator().manual_seed(5)
    shape = (videos, clips, DIM) if config.inputs == "pooled" else (videos, clips, 9, DIM)
    return torch.randn(shape, generator=generator)


def gradients(config: ModelConfig, features: Tensor, labels_B: Tensor) -> dict[str, Tensor]:
    """Return gradients of the total loss, without dropout, with the initial soft labels."""
    model, criterion = build_model(config, seed=3).eval(), build_criterion(config)
    soft = build_dynamic_labels(config, labels_B, segments=features.shape[1])
    targets = None if soft is None else soft.targets(torch.arange(len(labels_B)))
    criterion(model(features), labels_B, targets)["total"].backward()
    missing = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert not missing, f"the loss does not reach {missing}"
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


@pytest.mark.parametrize(("name", "preset"), PRESET_CASES)
def test_a_training_step_of_every_preset(name, preset):
    """With dropout, and soft labels if used: finite terms, a finite gradient for every parameter."""
    config = config_of(name, preset)
    model, criterion = build_model(config, seed=0), build_criterion(config)
    labels_B = torch.tensor([1.0, 0.0, 0.0, 1.0])
    soft = build_dynamic_labels(config, labels_B, segments=6)
    output = model(bags(config))
    terms = criterion(output, labels_B, None if soft is None else soft.targets(torch.arange(4)))
    terms["total"].backward()
    assert all(term.isfinite() and term.ndim == 0 for term in terms.values())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    if soft is not None:
        soft.update(soft.period, criterion.label_predictions(output))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("clips", [1, 2, 40])
def test_any_number_of_clips(name, clips):
    """One clip, fewer than k, more than in training: shapes, range, and a finite gradient."""
    config = config_of(name)
    features = bags(config, clips=clips)
    output = build_model(config, seed=0)(features)
    assert output.scores_BT.shape == output.logits_BT.shape == (4, clips)
    assert torch.equal(output.scores_BT, output.logits_BT.sigmoid())
    assert ((output.scores_BT > 0) & (output.scores_BT < 1)).all()
    assert all(g.isfinite().all() for g in gradients(config, features, torch.tensor([1, 0, 1, 0])).values())


@pytest.mark.parametrize("name", ["st_mil", "st_ltgs"])
def test_the_score_of_a_clip_is_that_of_its_strongest_cuboid(name):
    """For cuboid models."""
    config = config_of(name)
    output = build_model(config, seed=0)(bags(config))
    assert output.cuboid_scores_BTK is not None
    assert output.cuboid_scores_BTK.shape == (4, 6, 9)
    torch.testing.assert_close(output.scores_BT, output.cuboid_scores_BTK.amax(2), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["sultani", "st_mil"])
def test_the_length_of_features_does_not_matter_if_they_are_scaled(name):
    """As in Sultani et al., section 4.1; without ``unit_length`` it does."""
    given = config_of(name)
    for config, equal in ((given, True), (dataclasses.replace(given, unit_length=False), False)):
        model = build_model(config, seed=0).eval()
        features = bags(config)
        one, ten = model(features).scores_BT, model(10 * features).scores_BT
        assert torch.allclose(one, ten, atol=1e-6) is equal


@pytest.mark.parametrize(("name", "preset"), PRESET_CASES)
def test_videos_are_independent(name, preset):
    """The output of a video does not depend on the other videos of a batch or on their order."""
    config = config_of(name, preset)
    model = build_model(config, seed=1).eval()
    features = bags(config)
    order = torch.tensor([2, 0, 3, 1])
    whole, shuffled = tensors(model(features)), tensors(model(features[order]))
    for key, value in whole.items():
        assert torch.allclose(value[order], shuffled[key], atol=1e-5), key
        alone = torch.cat([tensors(model(features[row : row + 1]))[key] for row in range(4)])
        assert torch.allclose(value, alone, atol=1e-5), key


def tensors(output: MilOutput) -> dict[str, Tensor]:
    """Return the outputs that are not None by name, and the parts by number."""
    given = {name: value for name, value in output._asdict().items() if value is not None and name != "parts"}
    return given | {f"parts.{i}": value for i, value in enumerate(output.parts or ())}


@pytest.mark.parametrize(("name", "preset"), SHARED_CASES)
def test_gradients_of_equal_parts_average_to_that_of_the_batch(name, preset):
    """So several workers compute the same as one, for any order of labels in the batch."""
    config = config_of(name, preset)
    features, labels_B = bags(config, videos=8), torch.tensor([1, 0, 1, 1, 0, 0, 1, 0])
    anomalous, normal = (labels_B == 1).nonzero().squeeze(1), (labels_B == 0).nonzero().squeeze(1)
    whole = gradients(config, features, labels_B)
    parts = []
    for pairs in (slice(0, 2), slice(2, 4)):
        rows = torch.cat([normal[pairs], anomalous[pairs]])
        parts.append(gradients(config, features[rows], labels_B[rows]))
    for key, gradient in whole.items():
        average = (parts[0][key] + parts[1][key]) / 2
        assert torch.allclose(average, gradient, rtol=1e-3, atol=1e-6 + 1e-5 * float(gradient.abs().max())), key


@pytest.mark.parametrize("name", MODELS)
def test_the_loss_depends_on_labels_and_not_on_positions(name):
    """Labels in halves, alternating or reversed: the loss of the same pairs is the same."""
    config = config_of(name)
    model, criterion, features = build_model(config, seed=2).eval(), build_criterion(config), bags(config)
    losses = []
    for order in ([0, 1, 2, 3], [0, 2, 1, 3], [2, 3, 0, 1]):
        labels_B = (torch.tensor(order) < 2).float()
        losses.append(float(criterion(model(features[order]), labels_B)["total"].detach()))
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_a_batch_of_one_class_is_an_error(name, label):
    """It contains no pair to rank."""
    config = config_of(name)
    with pytest.raises(ValueError, match="anomalous and normal bags"):
        build_criterion(config)(build_model(config, seed=0)(bags(config)), torch.full((4,), label))


@pytest.mark.parametrize("name", MODELS)
def test_weights_depend_only_on_the_seed(name):
    """They do not depend on the state of the global generator, and do not change it."""
    config = config_of(name)
    torch.manual_seed(1)
    first = build_model(config, seed=7).state_dict()
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second, other = build_model(config, seed=7).state_dict(), build_model(config, seed=8).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", MODELS)
def test_evaluation_is_deterministic_and_does_not_change_the_model(name):
    """The same features give the same scores; no buffer changes."""
    config = config_of(name)
    model = build_model(config, seed=0).eval()
    state = copy.deepcopy(model.state_dict())
    assert torch.equal(model(bags(config)).scores_BT, model(bags(config)).scores_BT)
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())


def test_soft_labels_only_affect_the_classification():
    """LTGS-Net with labels of 0.5 changes the cross-entropy and no other term."""
    config = config_of("ltgs")
    labels_B, criterion = torch.tensor([1, 0, 1, 0]), build_criterion(config)
    with torch.no_grad():
        output = build_model(config, seed=0).eval()(bags(config))
    hard = criterion(output, labels_B)
    soft = criterion(output, labels_B, labels_B.unsqueeze(1).expand(4, 3) * torch.tensor([1.0, 0.5, 0.5]))
    assert [key for key in hard if float(hard[key]) != float(soft[key])] == ["total", "classify"]


def test_the_printed_loss_of_ltgs_does_not_use_soft_labels():
    """They would have no effect without the classification term."""
    config = config_of("ltgs", "paper_eq")
    assert set(build_criterion(config)(build_model(config, seed=0)(bags(config)), torch.tensor([1, 0, 1, 0]))) == {
        "total",
        "rank",
        "sparsity",
        "smoothness",
    }
    assert build_dynamic_labels(config, torch.tensor([1, 0]), segments=6) is None


def test_label_predictions_are_ordered_by_the_rank_of_the_features():
    """Column j is the score of the clip with the j-th longest features, or by segment, of segment j."""
    output = MilOutput(
        scores_BT=torch.tensor([[0.1, 0.2, 0.3, 0.4]]),
        logits_BT=torch.zeros(1, 4),
        features_BTD=torch.tensor([[[3.0], [-9.0], [1.0], [5.0]]]),
    )
    by_rank = build_criterion(config_of("ltgs"))
    by_segment = build_criterion(config_of("ltgs", "segment_labels"))
    assert by_rank.label_predictions(output).flatten().tolist() == pytest.approx([0.2, 0.4, 0.1])
    assert by_segment.label_predictions(output).flatten().tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    with pytest.raises(ValueError, match="does not use soft labels"):
        build_criterion(config_of("ltgs", "no_dynamic")).label_predictions(output)


def test_a_clip_bag_compares_clips_and_a_video_bag_videos():
    """ST-MIL's hinge, compared with a direct computation."""
    scores = torch.rand(2, 3, 4)
    output = MilOutput(scores.amax(2), torch.zeros(2, 3), scores, torch.zeros(2, 3, 4))
    labels_B, best = torch.tensor([0, 1]), scores.amax(2)
    video = build_criterion(config_of("st_mil", "bag_video"))(output, labels_B)["rank"]
    clip = build_criterion(config_of("st_mil", "bag_clip"))(output, labels_B)["rank"]
    assert float(video) == pytest.approx(float(1 - best[1].max() + best[0].max()))
    assert float(clip) == pytest.approx(float((1 - best[1] + best[0]).mean()))


def test_gated_attention_equals_the_published_formula():
    """``softmax(w · (tanh(V h) ⊙ sigmoid(U h)))``-weighted mean of a video's cuboids, then the rest of the head."""
    config = config_of("st_mil", "attention")
    model: Any = build_model(config, seed=0).eval()
    features = bags(config)
    hidden = model.head.fc1(unit_length(features)).relu().flatten(1, 2)
    gate = model.attention
    weights = torch.tanh(gate.content(hidden)) * torch.sigmoid(gate.gate(hidden)) @ gate.weight.weight[0]
    expected = [
        float(model.head.classify((torch.softmax(w, 0)[:, None] * h).sum(0)).detach())
        for w, h in zip(weights, hidden, strict=True)
    ]
    assert model(features).bag_logits_BX.flatten().tolist() == pytest.approx(expected, abs=1e-5)


def test_a_subtracted_background_removes_constant_features():
    """A constant added at a position, as from another camera, has no effect."""
    config = config_of("st_ltgs", "no_background")
    model, features = build_model(config, seed=0).eval(), bags(config)
    moved = features + torch.randn(4, 1, 9, DIM)
    assert torch.allclose(model(features).scores_BT, model(moved).scores_BT, atol=1e-5)
    kept = build_model(config_of("st_ltgs"), seed=0).eval()
    assert not torch.allclose(kept(features).scores_BT, kept(moved).scores_BT, atol=1e-3)


def test_a_cuboid_depends_on_its_neighbourhood_only():
    """Unless the global module is enabled."""
    changed = {}
    for preset in ("paper", "global"):
        config = config_of("st_ltgs", preset)
        model, features = build_model(config, seed=0).eval(), bags(config)
        moved = features.clone()
        moved[:, :, 8] += 3  # the bottom right of 3x3 positions
        logits = [model(each).cuboid_logits_BTK for each in (features, moved)]
        changed[preset] = (logits[0] - logits[1]).abs().amax((0, 1)) > 1e-6
    assert changed["paper"].tolist() == [place in (4, 5, 7, 8) for place in range(9)]
    assert changed["global"].all()


@pytest.mark.parametrize(
    ("name", "preset", "is_local"),
    [("st_ltgs", "paper", True), ("st_ltgs", "cosine", False), ("ltgs", "local", True), ("ltgs", "paper", False)],
)
def test_a_clip_depends_on_nearby_clips_only_if_attention_has_a_reach(name, preset, is_local):
    """A change at the other end moves a score by less than 1 % of the effect of a change next to it."""
    config = config_of(name, preset, **({"global_module": False} if name == "ltgs" else {}))
    model = build_model(config, seed=0).eval()
    features = bags(config)[:1].repeat_interleave(12, dim=1)  # 60 clips
    effects = []
    for clip in (1, 59):
        moved = features.clone()
        moved[:, clip] += 3
        with torch.no_grad():
            logits = [model(each).logits_BT for each in (features, moved)]
        effects.append(float((logits[0] - logits[1])[:, 0].abs().max()))
    assert (effects[1] < 1e-2 * effects[0]) == is_local
