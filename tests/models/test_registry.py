"""The registry of models: names, settings, presets, and invalid values."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from wsvad.errors import UsageError
from wsvad.models.presets import PRESETS
from wsvad.models.registry import MODELS, build_model, config_from_dict, default_config, default_recipe


@pytest.mark.parametrize(("name", "preset"), [(name, preset) for name in MODELS for preset in PRESETS[name]])
def test_a_configuration_round_trips_through_json(name, preset):
    """So a checkpoint restores the trained configuration."""
    config = default_config(name, 528, preset=preset)
    assert config_from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.to_dict()["name"] == name


def test_every_model_has_the_paper_as_its_default():
    """The preset ``paper`` consists of the configuration's defaults."""
    assert set(PRESETS) == set(MODELS)
    for name, kind in MODELS.items():
        assert kind.config.name == name
        assert default_config(name, 64) == kind.config(input_dim=64)


def test_presets_are_what_their_papers_say():
    """Values of LTGS-Net, sections 4.2 and 5.1."""
    assert default_recipe("ltgs") == (1e-3, 5e-3, 32, 15_000)
    assert default_recipe("ltgs", preset="ablation") == (1e-4, 5e-3, 32, 30_000)
    assert default_recipe("ltgs", preset="no_local").steps == 30_000
    paper = default_config("ltgs", 2048).to_dict()
    assert [paper[key] for key in ("heads", "head_dim", "k", "dropout", "label_alpha", "margin")] == [
        16,
        128,
        3,
        0.7,
        0.9,
        100.0,
    ]
    assert default_config("ltgs", 2048, preset="shanghaitech").to_dict()["label_period"] == 1000


def test_baselines_are_trained_as_their_authors_code_trains_them():
    """Learning rate, weight decay, pairs, steps."""
    assert default_recipe("ur_dmu") == (1e-4, 5e-5, 64, 3_000)
    assert default_recipe("bn_wvad") == (1e-4, 5e-5, 64, 1_000)
    assert default_recipe("mgfn") == (1e-3, 5e-4, 16, 50_000)


def test_overrides_take_precedence_over_the_preset():
    """An integer is accepted for a float."""
    config = default_config("ltgs", 64, preset="k8", k=5, margin=50)
    assert config.to_dict()["k"] == 5
    assert config.to_dict()["margin"] == 50.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "mine", "input_dim": 8}, "model must be one of sultani, rtfm, st_mil, ltgs, st_ltgs, .*, got 'mine'"),
        ({"input_dim": 8}, "model must be one of"),
        ({"name": "ltgs"}, "input_dim is missing"),
        ({"name": "ltgs", "input_dim": 8, "kk": 3}, "has no setting 'kk'; it has input_dim, smooth_clips, fusion"),
        ({"name": "ltgs", "input_dim": "8"}, "input_dim must be a value of type int, got '8'"),
        ({"name": "ltgs", "input_dim": 0}, "input_dim must be a finite number of at least 1, got 0"),
        ({"name": "ltgs", "input_dim": 8, "k": True}, "k must be a value of type int, got True"),
        ({"name": "ltgs", "input_dim": 8, "k": 2.0}, "k must be a value of type int, got 2.0"),
        ({"name": "ltgs", "input_dim": 8, "decay": "cosine"}, "decay must be one of elementwise, matmul"),
        ({"name": "ltgs", "input_dim": 8, "decay": []}, "decay must be one of"),
        ({"name": "ltgs", "input_dim": 8, "dropout": 1.0}, r"dropout must be a number in \[0, 1\), got 1.0"),
        ({"name": "ltgs", "input_dim": 8, "label_alpha": 1.1}, r"label_alpha must be a number in \[0, 1\]"),
        ({"name": "ltgs", "input_dim": 8, "margin": float("nan")}, "margin must be a finite number"),
        ({"name": "ltgs", "input_dim": 8, "rank_weight": float("inf")}, "rank_weight must be a finite number"),
        ({"name": "ltgs", "input_dim": 8, "rank_weight": 0, "classify_weight": 0}, "scores are never trained"),
        ({"name": "st_ltgs", "input_dim": 8, "rank_weight": 0, "classify_weight": 0}, "scores are never trained"),
        ({"name": "st_ltgs", "input_dim": 8, "label_alpha": -1.0}, "label_alpha must be"),
        ({"name": "st_ltgs", "input_dim": 8, "reach": -1.0}, "reach must be a finite number of at least 0"),
        ({"name": "ltgs", "input_dim": 8, "reach": float("inf")}, "reach must be a finite number of at least 0"),
        ({"name": "st_mil", "input_dim": 8, "bag": "frame"}, "bag must be one of video, clip, got 'frame'"),
        (
            {"name": "st_mil", "input_dim": 8, "region_weight": -1},
            "region_weight must be a finite number of at least 0",
        ),
        ({"name": "rtfm", "input_dim": 3}, "input_dim must be a finite number of at least 4, got 3"),
        ({"name": "ur_dmu", "input_dim": 8, "layers": 1 << 20}, r"layers must be from 1 to 64"),
        ({"name": "sultani", "input_dim": 8, "pairs": "some"}, "pairs must be one of aligned, all"),
    ],
)
def test_invalid_settings_are_rejected(values, message):
    """Before any work, with the expected and the actual value."""
    with pytest.raises(UsageError, match=message):
        config_from_dict(values)


def test_an_unknown_preset_lists_the_known_ones():
    """For the recipe and for the configuration."""
    for ask in (lambda: default_config("rtfm", 8, preset="big"), lambda: default_recipe("rtfm", preset="big")):
        with pytest.raises(UsageError, match="preset must be one of paper, got 'big'"):
            ask()


def head(dim: int, *widths: int) -> int:
    """Return the number of parameters of fully connected layers with biases."""
    total = 0
    for width in widths:
        total, dim = total + dim * width + width, width
    return total


@pytest.mark.parametrize("dim", [528, 1024, 2048])
def test_parameter_counts(dim):
    """Compared with explicit sums over the layers of each model."""
    quarter, inner, wide = dim // 4, dim // 8, 16 * 128
    expected = {
        "sultani": head(dim, 512, 32, 1),
        "st_mil": head(dim, 512, 32, 1),
        "rtfm": 3 * (3 * dim * quarter + quarter)
        + dim * quarter
        + 3 * head(quarter, inner)
        + head(inner, quarter)
        + 3 * 4 * quarter * dim
        + head(dim, 512, 128, 1),
        "ltgs": 3 * head(dim, wide)
        + head(wide, dim)
        + 2 * dim
        + 3
        + head(dim, 112, dim)
        + head(2 * dim, 2048, 512, 128, 1),
        "ltgs:gated": 3 * head(dim, wide) + head(wide, dim) + 2 * dim + 3 + head(dim, 64, dim) + head(dim, 512, 128, 1),
        "st_ltgs": head(dim, 128) + 2 * (2 * 128 + 3 * head(128, 128) + head(128, 128)) + head(128, 128, 1),
    }
    layer = 4 * 512 * 512 + head(2 * 512, 512) + head(512, 512, 512) + 4 * 512
    encoder = 3 * dim * 512 + 512 + 2 * layer
    expected["ur_dmu"] = encoder + 2 * 60 * 512 + 2 * head(512, 512) + head(1024, 128, 1)
    expected["bn_wvad"] = encoder + head(512, 32, 16, 1) + 2 * (32 + 16)
    expected["mgfn"] = 3 * dim * 64 + 3 * 64 + 2 * 64 + head(64, 128) + 2 * 64 + head(128, 1024) + 2 * 128
    expected["mgfn"] += 2 * 1024 + head(1024, 1)
    for width, blocks in ((64, 3), (128, 3), (1024, 2)):
        shared = 3 * width * width + width + 2 * width + head(width, 4 * width, width)
        glance = 2 * width + 3 * width * width + head(width, width)
        focus = 2 * width + width * width + 6 * (width // 64) + head(width, width)
        expected["mgfn"] += blocks * (shared + (glance if width == 64 else focus))
    for name, count in expected.items():
        model_name, _, preset = name.partition(":")
        with torch.device("meta"):
            model = build_model(default_config(model_name, dim, preset=preset or "paper"), seed=0)
        assert sum(parameter.numel() for parameter in model.parameters()) == count, name


def test_one_head_has_a_sixteenth_of_the_projections():
    """The width of a head stays 128."""
    full, one = (build_model(default_config("ltgs", 64, preset=p), seed=0) for p in ("ablation", "one_head"))
    counts = [
        sum(p.numel() for name, p in m.named_parameters() if name.startswith("local_module.qkv")) for m in (full, one)
    ]
    assert counts[0] == 16 * counts[1]


def test_configurations_are_frozen():
    """A setting cannot change after a model was built from it."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        default_config("ltgs", 8).input_dim = 9
