"""Synthetic features with a known anomaly, and a minimal training loop."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from wsvad.models.contract import MilModel, MilOutput
from wsvad.models.registry import build_criterion, build_dynamic_labels, build_model, default_config

SEGMENTS = 16
SIDE = 4


class Planted(NamedTuple):
    """Features of videos, their labels, and the ground truth."""

    features: Tensor
    """``[N, T, D]`` or ``[N, T, K, C]``."""
    labels_N: Tensor
    """``[N]``, 1 for the first half."""
    truth: Tensor
    """``[N, T]`` or ``[N, T, K]``, bool."""


def planted_pooled(videos: int, *, dim: int, strength: float, seed: int) -> Planted:
    """Return standard normal noise, plus a vector of length ``strength`` in 2 to 5 segments of each anomalous video."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(videos, SEGMENTS, dim, generator=generator)
    truth = _events(videos, generator)
    features[truth] += strength * _direction(dim)
    return Planted(features, (torch.arange(videos) < videos // 2).float(), truth)


def planted_cuboids(videos: int, *, dim: int, strength: float, seed: int) -> Planted:
    """Return the same for cuboids, where only a square of 2x2 cuboids is anomalous."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(videos, SEGMENTS, SIDE * SIDE, dim, generator=generator)
    corner_N2 = torch.randint(SIDE - 1, (videos, 2), generator=generator)
    cells = torch.arange(SIDE * SIDE)
    places_K2 = torch.stack([cells // SIDE, cells % SIDE], dim=1)
    step_NK2 = places_K2 - corner_N2.unsqueeze(1)
    inside_NK = ((step_NK2 == 0) | (step_NK2 == 1)).all(2)
    truth = _events(videos, generator).unsqueeze(2) & inside_NK.unsqueeze(1)
    features[truth] += strength * _direction(dim)
    return Planted(features, (torch.arange(videos) < videos // 2).float(), truth)


def _events(videos: int, generator: torch.Generator) -> Tensor:
    """Return bool ``[N, T]``: one event in each video of the first half."""
    lengths_N = torch.randint(2, 6, (videos,), generator=generator)
    starts_N = (torch.rand(videos, generator=generator) * (SEGMENTS - lengths_N)).long()
    clips = torch.arange(SEGMENTS)
    events_NT = (clips >= starts_N.unsqueeze(1)) & (clips < (starts_N + lengths_N).unsqueeze(1))
    events_NT[videos // 2 :] = False
    return events_NT


def _direction(dim: int) -> Tensor:
    """Return the unit vector of the anomaly, the same for every data set."""
    direction = torch.randn(dim, generator=torch.Generator().manual_seed(77))
    return direction / direction.norm()


def train(
    name: str,
    planted: Planted,
    *,
    steps: int,
    pairs: int = 8,
    learning_rate: float = 1e-3,
    labels_N: Tensor | None = None,
    seed: int = 0,
    **settings: Any,
) -> MilModel:
    """Train with Adam on balanced batches; ``labels_N`` replaces the true labels."""
    labels_N = planted.labels_N if labels_N is None else labels_N
    config = default_config(name, planted.features.shape[-1], **settings)
    model, criterion = build_model(config, seed=seed), build_criterion(config)
    soft = build_dynamic_labels(config, labels_N, segments=SEGMENTS)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    generator = torch.Generator().manual_seed(seed)
    anomalous, normal = (labels_N == 1).nonzero().squeeze(1), (labels_N == 0).nonzero().squeeze(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for step in range(steps):
            if soft is not None and soft.due(step):
                soft.update(step, criterion.label_predictions(score(model, planted.features)))
            rows = [part[torch.randperm(len(part), generator=generator)[:pairs]] for part in (anomalous, normal)]
            video_B = torch.cat(rows)
            output = model(planted.features[video_B])
            targets = None if soft is None else soft.targets(video_B)
            optimizer.zero_grad()
            criterion(output, labels_N[video_B], targets)["total"].backward()
            optimizer.step()
    return model


@torch.no_grad()
def score(model: MilModel, features: Tensor) -> MilOutput:
    """Score in evaluation mode, then return to training mode."""
    model.eval()
    output: MilOutput = model(features)
    model.train()
    return output


def auc(scores: Tensor, truth: Tensor) -> float:
    """Return the area under the ROC curve by the Mann-Whitney rank sum; ties count half."""
    scores, truth = scores.flatten().double(), truth.flatten()
    _, inverse, counts = scores.unique(return_inverse=True, return_counts=True)
    ranks = (counts.cumsum(0) - (counts - 1) / 2)[inverse]
    positives = int(truth.sum())
    above = ranks[truth].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(truth) - positives)))


def frame_auc(output: MilOutput, planted: Planted) -> float:
    """Return the AUC over all segments of all videos."""
    truth_NT = planted.truth if planted.truth.ndim == 2 else planted.truth.any(2)
    return auc(output.scores_BT, truth_NT)


def region_auc(output: MilOutput, planted: Planted) -> float:
    """Return the AUC over all cuboids of all segments of all videos."""
    assert output.cuboid_scores_BTK is not None
    return auc(output.cuboid_scores_BTK, planted.truth)
