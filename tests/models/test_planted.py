"""Every model finds an anomaly that is plainly there, in time and in space, and nothing where there is nothing.

Everything is small, but the numbers of the losses are the defaults: 40 videos of 16 segments to train on, 60 others to
be measured on, a few dozen steps.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch

from tests.models.planted import Planted, auc, frame_auc, planted_cuboids, planted_pooled, region_auc, score, train
from wsvad.models.choose import MODELS
from wsvad.models.contract import MilOutput

PLAIN, FAINT = 8.0, 2.5
"""Length of the anomaly in deviations of the noise; faint is what true labels still teach."""


class Case(NamedTuple):
    """How a model is trained here."""

    steps: int
    settings: dict[str, Any]


CASES = {
    "sultani": Case(60, {}),
    "rtfm": Case(40, {}),
    "ltgs": Case(50, {"heads": 2, "head_dim": 8, "label_period": 20}),
    "st_mil": Case(40, {"learning_rate": 3e-3, "pairs": 4}),
    "st_ltgs": Case(50, {"learning_rate": 3e-3, "pairs": 4, "dim": 16, "heads": 2, "head_dim": 8, "label_period": 20}),
}
POOLED, CUBOIDS = ("sultani", "rtfm", "ltgs"), ("st_mil", "st_ltgs")


def videos(name: str, count: int, strength: float, seed: int) -> Planted:
    """Pooled features of 16 numbers, or 4x4 cuboids of 8."""
    if name in CUBOIDS:
        return planted_cuboids(count, dim=8, strength=strength, seed=seed)
    return planted_pooled(count, dim=16, strength=strength, seed=seed)


def held_out(name: str, strength: float, labels_N: torch.Tensor | None = None) -> tuple[MilOutput, Planted]:
    """Train on some videos and score others."""
    case, test = CASES[name], videos(name, 60, strength, seed=102)
    model = train(
        name, videos(name, 40, strength, seed=2), steps=case.steps, labels_N=labels_N, seed=2, **case.settings
    )
    return score(model, test.features), test


def test_every_model_is_tried():
    """A model that is added is tried, too."""
    assert set(CASES) == set(MODELS) == {*POOLED, *CUBOIDS}


@pytest.mark.parametrize("name", MODELS)
def test_a_plain_anomaly_is_found(name):
    """Which segments, and which cuboids, of videos never seen: close to 1."""
    output, test = held_out(name, PLAIN)
    assert frame_auc(output, test) > 0.95
    if name in CUBOIDS:
        assert region_auc(output, test) > 0.9


@pytest.mark.parametrize("name", MODELS)
def test_where_there_is_nothing_the_score_is_chance(name):
    """Strength 0: labels and truth are there, and no way to tell."""
    output, test = held_out(name, 0.0)
    assert 0.4 < frame_auc(output, test) < 0.6
    if name in CUBOIDS:
        assert 0.4 < region_auc(output, test) < 0.6


@pytest.mark.parametrize("name", MODELS)
def test_shuffled_labels_teach_nothing(name):
    """Half of the anomalous and half of the normal videos are called anomalous, then the other halves.

    A model that was taught nothing still scores a common direction high or low, so that one run may give any AUC; the
    mean of the two has to be near 0.5, and is compared on an anomaly faint enough for chance to have its say.
    """
    half = (torch.arange(40) % 2).float()
    outputs = [held_out(name, FAINT, labels_N) for labels_N in (half, 1 - half)]
    assert 0.25 < sum(frame_auc(*each) for each in outputs) / 2 < 0.75
    if name in CUBOIDS:
        assert 0.25 < sum(region_auc(*each) for each in outputs) / 2 < 0.75


@pytest.mark.parametrize("name", POOLED)
def test_true_labels_teach_what_shuffled_labels_do_not(name):
    """The same faint anomaly."""
    assert frame_auc(*held_out(name, FAINT)) > 0.8


def test_the_rank_sum_is_the_area():
    """Against every pair of a positive and a negative, with ties at one half."""
    scores, truth = torch.tensor([0.1, 0.4, 0.4, 0.8, 0.2]), torch.tensor([False, True, False, True, True])
    pairs = [(float(p), float(n)) for p in scores[truth] for n in scores[~truth]]
    assert auc(scores, truth) == pytest.approx(sum((p > n) + (p == n) / 2 for p, n in pairs) / len(pairs))
