"""Every model finds a clear anomaly, in time and in space, and nothing in noise.

Everything is small, but the settings of the losses are the defaults: 40 training videos of 16 segments, 60 test videos,
a few dozen steps.
"""

from __future__ import annotations

from statistics import fmean, stdev
from typing import Any, NamedTuple

import pytest
import torch

from tests.models.planted import Planted, auc, frame_auc, planted_cuboids, planted_pooled, region_auc, score, train
from wsvad.models.contract import MilOutput
from wsvad.models.registry import MODELS

CLEAR = 8.0
"""Length of the anomaly in standard deviations of the noise."""


class Case(NamedTuple):
    """Training settings of a model."""

    steps: int
    settings: dict[str, Any]


ONE_BLOCK = {"first_blocks": 1, "second_blocks": 1, "third_blocks": 1}
CASES = {
    "sultani": Case(60, {}),
    "rtfm": Case(40, {}),
    "ltgs": Case(50, {"heads": 2, "head_dim": 8, "fusion_dim": 64, "label_period": 20}),
    "ur_dmu": Case(60, {"dim": 16, "heads": 2, "head_dim": 8, "feed_forward": 16}),
    # Narrower, or faster, and its classifier, which is taught by normal videos alone, says nothing or the contrary.
    "bn_wvad": Case(40, {"learning_rate": 3e-4, "dim": 256, "heads": 2, "head_dim": 32, "feed_forward": 128}),
    # One block a stage: eight convolutions in a row smear an event of 2 to 5 segments over a video of 16.
    "mgfn": Case(60, {"first_dim": 16, "second_dim": 24, "third_dim": 64, "head_dim": 8, "dropout": 0.3, **ONE_BLOCK}),
    # With length 1 in 8 dimensions, one of 256 noise cuboids always points in the direction of the anomaly by chance.
    "st_mil": Case(40, {"learning_rate": 3e-3, "pairs": 4, "unit_length": False}),
    "st_ltgs": Case(50, {"learning_rate": 3e-3, "pairs": 4, "dim": 16, "heads": 2, "head_dim": 8, "label_period": 20}),
}
POOLED, CUBOIDS = ("sultani", "rtfm", "ltgs", "ur_dmu", "bn_wvad", "mgfn"), ("st_mil", "st_ltgs")


def videos(name: str, count: int, strength: float, seed: int) -> Planted:
    """Return pooled features of 16 numbers, or 4x4 cuboids of 8."""
    if name in CUBOIDS:
        return planted_cuboids(count, dim=8, strength=strength, seed=seed)
    return planted_pooled(count, dim=16, strength=strength, seed=seed)


def held_out(
    name: str, strength: float, labels_N: torch.Tensor | None = None, *, seed: int = 1, **settings: Any
) -> tuple[MilOutput, Planted]:
    """Train on some videos and score others."""
    case, test = CASES[name], videos(name, 60, strength, seed=seed + 100)
    settings = {**case.settings, **settings}
    training = videos(name, 40, strength, seed=seed)
    model = train(name, training, steps=case.steps, labels_N=labels_N, seed=seed, **settings)
    return score(model, test.features), test


def test_every_model_has_a_case():
    """Including models added later."""
    assert set(CASES) == set(MODELS) == {*POOLED, *CUBOIDS}


@pytest.mark.parametrize("name", MODELS)
def test_a_clear_anomaly_is_found(name):
    """In segments and cuboids of unseen videos, with an AUC close to 1."""
    output, test = held_out(name, CLEAR)
    assert frame_auc(output, test) > 0.95
    if name in CUBOIDS:
        assert region_auc(output, test) > 0.9


@pytest.mark.parametrize("name", MODELS)
def test_scores_without_an_anomaly_are_at_chance_level(name):
    """With strength 0, labels carry no information."""
    output, test = held_out(name, 0.0)
    assert 0.4 < frame_auc(output, test) < 0.6
    if name in CUBOIDS:
        assert 0.4 < region_auc(output, test) < 0.6


@pytest.mark.parametrize("preset", ["gated", "local", "encoder_layer", "printed_magnitude", "average_global"])
def test_every_form_of_ltgs_finds_the_anomaly_and_nothing_else(preset):
    """For all forms of its modules and their combination."""
    assert frame_auc(*held_out("ltgs", CLEAR, preset=preset)) > 0.95
    assert 0.4 < frame_auc(*held_out("ltgs", 0.0, preset=preset)) < 0.6


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_shuffled_labels_are_not_learned(name):
    """Random labels, half of each class: on average over draws the clear anomaly is not found.

    A single run is not conclusive: an untrained model scores a strong common direction either high or low, so it may
    have nearly any AUC. Six draws are used, each with its complement. The claim is only that the anomaly is not found:
    means of cuboid models need not be 0.5, because a maximum over cuboids is extreme wherever features are long. True
    labels give more than 0.95.
    """
    frames, regions = [], []
    for seed in range(6):
        for labels_N in _shuffled(seed):
            output, test = held_out(name, CLEAR, labels_N, seed=seed)
            frames.append(frame_auc(output, test))
            if name in CUBOIDS:
                regions.append(region_auc(output, test))
    print(f"{name}: frames {fmean(frames):.3f} ± {stdev(frames):.3f}")
    assert fmean(frames) < 0.8
    if regions:
        print(f"{name}: cuboids {fmean(regions):.3f} ± {stdev(regions):.3f}")
        assert fmean(regions) < 0.8


def _shuffled(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return labels in which a random half of each class is anomalous, and their complement."""
    generator = torch.Generator().manual_seed(seed)
    labels_N = torch.zeros(40)
    for part in (torch.arange(20), torch.arange(20, 40)):
        labels_N[part[torch.randperm(20, generator=generator)[:10]]] = 1
    return labels_N, 1 - labels_N


def test_auc_equals_the_count_over_all_pairs():
    """Over every pair of a positive and a negative, with ties at one half."""
    scores, truth = torch.tensor([0.1, 0.4, 0.4, 0.8, 0.2]), torch.tensor([False, True, False, True, True])
    pairs = [(float(p), float(n)) for p in scores[truth] for n in scores[~truth]]
    assert auc(scores, truth) == pytest.approx(sum((p > n) + (p == n) / 2 for p, n in pairs) / len(pairs))
