"""Training options, and model settings as text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wsvad.errors import UsageError
from wsvad.models.presets import PRESETS
from wsvad.models.registry import MODELS, default_recipe
from wsvad.training import job
from wsvad.training.config import train_config
from wsvad.training.options import TrainOptions
from wsvad.training.overrides import parse_overrides
from wsvad.training.summary import TrainSummary
from wsvad.work import backend

LTGS = MODELS["ltgs"].config


def test_the_default_recipe_is_that_of_the_paper():
    """PAPERS B2, B3: 1e-3 and 15,000 steps, in the ablation 1e-4 and 30,000; weight decay 5e-3, 32 + 32 videos."""
    paper, ablation = (train_config(default_recipe("ltgs", preset=p)) for p in ("paper", "ablation"))
    assert (paper.lr, paper.steps, paper.weight_decay, paper.pairs, paper.segments) == (1e-3, 15_000, 5e-3, 32, 32)
    assert (ablation.lr, ablation.steps) == (1e-4, 30_000)
    assert train_config(default_recipe("ltgs"), {"steps": 7, "lr": None}).steps == 7


@pytest.mark.parametrize("model", MODELS)
def test_every_preset_has_a_valid_recipe(model):
    """Within the ranges of the training options."""
    for preset in PRESETS[model]:
        assert train_config(default_recipe(model, preset=preset)).steps >= 1000


@pytest.mark.parametrize(
    "given",
    [
        {"lr": 0.0},
        {"lr": float("nan")},
        {"steps": 0},
        {"patience": -1},
        {"seed": 2**32},
        {"val_fraction": 1.0},
        {"x": 1},
    ],
)
def test_values_out_of_range_are_refused(given):
    """The message has the name of the option."""
    with pytest.raises(UsageError, match=next(iter(given))):
        train_config(default_recipe("rtfm"), given)


def test_settings_take_the_type_of_their_field():
    """Integers, floats, booleans and choices; the last value of a key applies."""
    words = ["k=4", "label-alpha=0", "dynamic_labels=false", "decay=matmul", "k=2"]
    assert parse_overrides(words, LTGS) == {"k": 2, "label_alpha": 0.0, "dynamic_labels": False, "decay": "matmul"}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("k", "expected --set key=value"),
        ("kk=3", "has no setting 'kk'"),
        ("input_dim=3", "has no setting"),
        ("k=three", "expected a value of type int"),
        ("k=2.5", "expected a value of type int"),
        ("dynamic_labels=maybe", "expected true or false"),
        ("decay=slow", "expected one of"),
    ],
)
def test_invalid_settings_are_refused(word, message):
    """Before any work."""
    with pytest.raises(UsageError, match=message):
        parse_overrides([word], LTGS)


@pytest.mark.parametrize(
    ("given", "gpus", "on_ray"),
    [
        ({}, 0, False),
        ({}, 1, True),
        ({"gpus_per_worker": 0.0}, 1, False),
        ({"gpus_per_worker": 1.0}, 0, True),
        ({"workers": 1}, 0, True),
        ({"address": "local"}, 0, True),
        ({"max_failures": 0}, 0, True),
        ({"use_ray": True}, 0, True),
        ({"use_ray": False}, 1, False),
    ],
)
def test_one_worker_without_a_gpu_trains_in_this_process(monkeypatch, given, gpus, on_ray):
    """Ray is started only for workers, a cluster or a GPU."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(backend, "_is_connected", lambda: False)
    monkeypatch.setattr(job, "cuda_devices", lambda: gpus)
    options = TrainOptions("features", "manifest.csv", "ltgs", "out", **given)
    assert job.choose_backend(options).on_ray is on_ray
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert job.choose_backend(options).on_ray is (given.get("use_ray") is not False)


def test_a_video_auc_over_few_videos_has_a_warning():
    """One anomalous and one normal video have an AUC of 0 or 1, whatever the model."""
    values = dict.fromkeys(("out", "model", "features", "features_fingerprint", "banner"), "")
    made = TrainSummary(
        **values, train_anomalous=9, train_normal=9, val_anomalous=1, val_normal=1, val_is_cut=True, missing=0, steps=1,
        steps_before=0, val_auc=1.0,
    )  # fmt: skip
    warned = "1.0000 on the validation videos (only 1 anomalous and 1 normal, so this may be chance)"
    assert dict(made.lines())["video AUC"] == warned
    assert dict(replace(made, val_anomalous=5, val_normal=5).lines())["video AUC"] == "1.0000 on the validation videos"
