"""LTGS-Net's presets: their modules, their size, and the reproduction of the first version."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from wsvad.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from wsvad.checkpoint.folder import FILES
from wsvad.checkpoint.tensors import digest_of
from wsvad.errors import UsageError
from wsvad.models.attention import AverageSummary, DecayedAttention, EncoderLayer, GlobalModule, GlobalSummary
from wsvad.models.attention import temporal_decay as decay_of
from wsvad.models.registry import build_criterion, build_dynamic_labels, build_model, default_config
from wsvad.storage import open_store

FIRST_VERSION = {"paper": {}, "local": {"decay": "additive", "reach": 2.0}, "full_global": {"full_global": True}}


def build(preset: str, dim: int = 8, **settings: Any) -> Any:
    """Return the model on the meta device, for tests of sizes."""
    with torch.device("meta"):
        return build_model(default_config("ltgs", dim, preset=preset, **settings), seed=0)


def parameters(module: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def clips() -> Tensor:
    """Return four videos of six clips."""
    return torch.randn(4, 6, 8, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(("dim", "percent"), [(1024, 1.67), (2048, 1.74)])
def test_parameter_fraction_of_the_global_module(dim, percent):
    """The paper: average pooling in its place saves about 1.7 % of the parameters.

    This implementation saves 1.67 % for D = 1024 and 1.74 % for D = 2048; with DxD matrices W1 and W2, over a fifth.
    """
    whole, average = (parameters(build(preset, dim)) for preset in ("paper", "average_global"))
    assert 100 * (whole - average) / whole == pytest.approx(percent, abs=0.01)
    assert percent == pytest.approx(1.7, abs=0.05)
    full = parameters(build("full_global", dim))
    assert (full - average) / full > 0.2


def test_modules_of_each_preset():
    """The types of the modules, and the width of the classifier's input."""
    dim = 8
    expected: dict[str, tuple[type | None, type | None, int | None]] = {
        "paper": (DecayedAttention, GlobalSummary, 2 * dim),
        "local": (DecayedAttention, GlobalSummary, 2 * dim),
        "encoder_layer": (EncoderLayer, GlobalSummary, 2 * dim),
        "average_global": (DecayedAttention, AverageSummary, 2 * dim),
        "no_global": (DecayedAttention, None, dim),
        "no_local": (None, GlobalSummary, 2 * dim),
        "gated": (DecayedAttention, GlobalModule, None),
        "gated_local": (DecayedAttention, GlobalModule, None),
    }
    for preset, (local, whole, fused) in expected.items():
        model = build(preset)
        assert type(model.local_module) is (local or type(None)), preset
        assert type(model.global_module) is (whole or type(None)), preset
        if fused is None:
            assert (model.fusion, model.head.fc1.in_features) == (None, dim), preset
        else:
            layers = (model.fusion, model.head.fc1, model.head.fc2, model.head.fc3)
            assert [(layer.in_features, layer.out_features) for layer in layers] == [
                (fused, 2048),
                (2048, 512),
                (512, 128),
                (128, 1),
            ], preset


def test_lengths_are_computed_before_dropout():
    """Also in training: L and its length are deterministic; the layers after it have dropout 0.7."""
    model = build_model(default_config("ltgs", 8, attention_dropout=0.0), seed=0)
    one, two = model(clips()), model(clips())
    assert one.features_BTD is not None
    assert torch.equal(one.features_BTD, two.features_BTD)
    assert not torch.equal(one.scores_BT, two.scores_BT)
    assert [module.p for module in model.head.modules() if isinstance(module, nn.Dropout)] == [0.7]


def test_both_modules_take_the_features():
    """The global module does not depend on the output of attention."""
    model: Any = build_model(default_config("ltgs", 8, fusion_dim=16), seed=0).eval()
    seen = []
    model.global_module.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    model(clips())
    assert torch.equal(seen[0], clips())


def first_version(model: Any, features: Tensor, reach: float) -> Tensor:
    """Return logits as computed by the first version: modules in sequence, with the summary as a gate."""
    x = features + model.local_module(features, decay_of(features.shape[1], features, reach=reach))
    module = model.global_module
    pair = torch.stack([module.average(x.mean(1)), module.maximum(x.amax(1))], dim=2)
    gate = module.mlp(module.pair(pair).squeeze(2)).relu()
    logits: Tensor = model.head(x * (1 + gate.unsqueeze(1)))
    return logits


@pytest.mark.parametrize("settings", FIRST_VERSION.values(), ids=FIRST_VERSION)
def test_gated_is_the_first_version_bit_for_bit(settings):
    """The same arithmetic in the same order, on any machine."""
    config = default_config("ltgs", 8, preset="gated", **settings)
    model = build_model(config, seed=3).eval()
    with torch.no_grad():
        output, expected = model(clips()), first_version(model, clips(), settings.get("reach", 0.0))
    assert torch.equal(output.logits_BT, expected)
    assert torch.equal(output.scores_BT, expected.sigmoid())


RECORDED = {
    "ltgs": (
        "sha256:6a6558341171c140b70fae1c87f1809c4fa3da5ca3c4f970f2b9e8232adbf4bb",
        [0.501183689, 0.489927649, 0.523785472, 0.490553558, 0.440196067, 0.485599428],
        [2.8107328, 2.6612086, 2.5095489, 2.5940433, 2.5765517],
    ),
    "st_ltgs": (
        "sha256:7bab4faaacbbe6ec6acde581775b217a1530fa624391cd6d17103ad91246a84e",
        [0.663918257, 0.646590948, 0.590386927, 0.435592175, 0.425341278, 0.588009834],
        [1.7426695, 1.6297965, 1.4643968, 1.4096007, 1.1535063],
    ),
}
"""Results of the first version of LTGS-Net, and of ST-LTGS, before the fusion layer was added: digest of the initial
weights, scores of the first video, losses of five steps of Adam."""


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_results_of_the_first_version(name):
    """Weights to the bit; scores and losses within the rounding differences of processors."""
    preset = "gated" if name == "ltgs" else "paper"
    config = default_config(name, 8, preset=preset)
    model, criterion = build_model(config, seed=3), build_criterion(config)
    weights, scores, losses = RECORDED[name]
    assert digest_of(model.state_dict()) == weights
    generator = torch.Generator().manual_seed(5)
    features = torch.randn((4, 6, 8) if name == "ltgs" else (4, 6, 9, 8), generator=generator)
    with torch.no_grad():
        found = model.eval()(features).scores_BT[0]
    torch.testing.assert_close(found, torch.tensor(scores), rtol=0, atol=1e-6)
    labels_B, found_losses = torch.tensor([1.0, 0, 0, 1]), []
    soft = build_dynamic_labels(config, labels_B, segments=6)
    assert soft is not None
    optimizer = torch.optim.Adam(model.train().parameters(), lr=1e-3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        for _ in range(5):
            loss = criterion(model(features), labels_B, soft.targets(torch.arange(4)))["total"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found_losses.append(float(loss.detach()))
    assert found_losses == pytest.approx(losses, abs=1e-4)


def test_average_pooling_cannot_be_a_gate():
    """The only invalid combination of settings is rejected before any work."""
    with pytest.raises(UsageError, match="global_form must be 'module' with fusion='gate'"):
        default_config("ltgs", 8, preset="gated", global_form="average")


def test_a_checkpoint_of_the_first_version_is_rejected_with_a_remedy(tmp_path):
    """Its configuration lacks the setting ``fusion``, which has no safe default."""
    config = default_config("ltgs", 8, preset="gated", heads=2, head_dim=4)
    written = Checkpoint(
        model_config=config,
        state=build_model(config, seed=0).state_dict(),
        features_config={"weights": "x"},
        features_fingerprint="abc",
        training_ids=("a.mp4",),
        training={},
    )
    save_checkpoint(open_store(str(tmp_path)), "today", written)
    loaded = load_checkpoint(str(tmp_path / "today"))
    assert loaded.digest == replace(written, state=loaded.state).digest
    path = tmp_path / "today" / "config.json"
    described = json.loads(path.read_text())
    for key in ("fusion", "fusion_dim", "encoder", "feed_forward", "global_form", "magnitude_form"):
        del described["model"][key]
    content = {key: value for key, value in described.items() if key not in ("digest", FILES)}
    digest = digest_of(loaded.state, json.dumps(content, sort_keys=True, separators=(",", ":")).encode())
    path.write_text(json.dumps({**content, "digest": digest}))
    with pytest.raises(UsageError, match=r"in which ltgs had no .*fusion.*; train again, with --preset gated for the"):
        load_checkpoint(str(tmp_path / "today"))
