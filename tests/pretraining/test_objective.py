"""The training objective: weighted terms, and hidden frames without information."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wsvad.backbones.compact import LABELS, MEASURES, difference_from_mean
from wsvad.cli import main
from wsvad.errors import UsageError
from wsvad.loop.group import SingleWorker
from wsvad.pretraining.config import PretrainConfig
from wsvad.pretraining.network import PretrainNetwork, losses
from wsvad.pretraining.targets import CAMERA, GRID, WINDOWS
from wsvad.pretraining.trainer import PretrainTrainer, hide_last_frames

TRUTH = (
    torch.rand(2, WINDOWS, GRID, GRID, len(MEASURES)),
    (torch.rand(2, GRID, GRID, len(LABELS)) > 0.5).float(),
    torch.ones(2, len(LABELS) + len(CAMERA) + 2),
)


def test_a_term_of_weight_0_gives_its_head_no_gradient() -> None:
    """The total is the weighted sum."""
    torch.manual_seed(0)
    network = PretrainNetwork()
    frames = torch.randint(0, 255, (2, 16, 224, 224)).float()
    weights = {"motion": 0.0, "labels": 3.0, "clip": 0.5}
    terms = losses(network(frames), *TRUTH, weights)
    expected = sum(weight * terms[name] for name, weight in weights.items())
    torch.testing.assert_close(terms["total"], expected)
    terms["total"].backward()
    readout = network.backbone.readout
    assert not any(p.grad.any() for p in readout.motion.parameters() if p.grad is not None)
    for head in (readout.labels, network.clip, network.backbone.trunk):
        assert any(bool(p.grad.any()) for p in head.parameters() if p.grad is not None)


def test_hidden_frames_equal_the_mean_and_other_clips_are_unchanged() -> None:
    """Static content is zero for the network, so the four last frames are."""
    rng = np.random.default_rng(0)
    frames = torch.from_numpy(rng.uniform(0, 255, (3, 16, 8, 8))).float()
    seen = frames.clone()
    hide_last_frames(seen, [0, 2])
    assert torch.equal(seen[1], frames[1])
    assert torch.equal(seen[:, :12], frames[:, :12])
    moving = difference_from_mean(seen.unsqueeze(4))[:, 0]
    torch.testing.assert_close(moving[[0, 2], 12:], torch.zeros(2, 4, 8, 8), atol=1e-5, rtol=0)
    assert bool((moving[1, 12:].abs() > 1e-3).any())


def test_the_trainer_applies_hidden_frames_and_weights() -> None:
    """The first step of three recipes on the same clips: hidden frames change the loss, weights only the total."""
    rng = np.random.default_rng(0)
    clips = {"frames": rng.integers(0, 255, (2, 16, 224, 224), np.uint8)}
    clips |= {name: truth.numpy() for name, truth in zip(("motion", "labels", "clip"), TRUTH, strict=True)}
    rows = []
    for settings in ({}, {"hidden": 1.0}, {"clip_weight": 0.0}):
        config = PretrainConfig(**{"batch": 2, "steps": 9, "hidden": 0.0} | settings)
        trainer = PretrainTrainer(config, SingleWorker(), torch.device("cpu"), lambda _step: iter([clips]), None)
        rows.append(next(trainer.train()))
    plain, hidden, weighed = rows
    assert hidden["motion"] != pytest.approx(plain["motion"], abs=1e-6)
    assert weighed["motion"] == pytest.approx(plain["motion"], abs=1e-6)
    assert weighed["total"] == pytest.approx(plain["total"] - plain["clip"], abs=1e-4)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hidden": 1.5}, "fraction of the clips"),
        ({"motion_weight": 0.0, "labels_weight": 0.0, "clip_weight": 0.0}, "must be above 0"),
        ({"labels_weight": -1.0}, "too small"),
    ],
)
def test_invalid_objectives_are_refused(settings: dict[str, float], said: str) -> None:
    """Before anything is rendered."""
    with pytest.raises(UsageError, match=said):
        PretrainConfig(**settings)


def test_the_command_refuses_an_invalid_objective(tmp_path, capsys) -> None:
    """With the exit code of a usage error, and without claiming the folder."""
    assert main(["pretrain", "--out", str(tmp_path / "run"), "--no-ray", "--hidden", "2"]) == 2
    assert "fraction of the clips" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
