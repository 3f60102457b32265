"""Every loss compared with a naive loop or with published values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.models.data import rtfm_reference
from wsvad.models.losses import (
    bce_of_mean_score,
    bce_topk,
    classes_of,
    gather_clips,
    hinge_ranking,
    magnitude,
    region_spread,
    smoothness,
    soft_targets,
    sparsity,
    top_clips,
)

LABELS = torch.tensor([0, 1, 1, 0, 1, 0])
ANOMALOUS, NORMAL = (1, 2, 4), (0, 3, 5)


def test_rtfm_loss_equals_the_published_one():
    """Cross-entropy of scores plus 1e-4 x magnitude with margin 100, as computed by the authors' code."""
    reference = rtfm_reference()
    scores = torch.from_numpy(np.concatenate([reference["loss_score_normal"], reference["loss_score_abnormal"]]))
    features = torch.from_numpy(np.concatenate([reference["loss_feat_normal"], reference["loss_feat_abnormal"]]))
    classify = bce_of_mean_score(torch.logit(scores), torch.arange(12) // 6)
    separate = magnitude(features, torch.arange(120) // 60, margin=100.0)
    assert float(classify + 1e-4 * separate) == pytest.approx(float(reference["loss_value"]), rel=1e-6)


def test_aligned_pairs_are_formed_by_label():
    """The i-th anomalous bag and the i-th normal bag are a pair, at any position in the batch."""
    scores = torch.rand(6)
    expected = [max(0.0, 1 - float(scores[a]) + float(scores[n])) for a, n in zip(ANOMALOUS, NORMAL, strict=True)]
    assert float(hinge_ranking(scores, LABELS)) == pytest.approx(sum(expected) / 3)


def test_all_pairs_are_all_pairs():
    """Mean over nine pairs, compared with the loop of Sultani's code."""
    scores = torch.rand(6) * 2
    expected = [max(0.0, 1 - float(scores[a]) + float(scores[n])) for a, n in itertools.product(ANOMALOUS, NORMAL)]
    assert float(hinge_ranking(scores, LABELS, pairs="all")) == pytest.approx(sum(expected) / 9)


def test_hinge_of_clips_compares_equal_positions():
    """With several bags per video, clip t of one is compared with clip t of the other."""
    scores = torch.rand(6, 4)
    expected = [
        max(0.0, 1 - float(scores[a, t]) + float(scores[n, t]))
        for a, n in zip(ANOMALOUS, NORMAL, strict=True)
        for t in range(4)
    ]
    assert float(hinge_ranking(scores, LABELS)) == pytest.approx(sum(expected) / 12)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 1], "anomalous and normal bags, got 2 and 0"),
        ([0, 0], "got 0 and 2"),
        ([0, 1, 1], "as many anomalous as normal bags, got 2 and 1"),
        ([0, 2], "of 0 and 1"),
        ([0, math.nan], "of 0 and 1"),
    ],
)
def test_invalid_labels_are_rejected(labels, message):
    """One class only, unequal classes, and values other than 0 and 1."""
    with pytest.raises(ValueError, match=message):
        classes_of(torch.tensor(labels))


def test_all_pairs_accept_unequal_classes():
    """No alignment is required."""
    assert float(hinge_ranking(torch.tensor([1.0, 1.0, 0.5]), torch.tensor([1, 1, 0]), pairs="all")) == 0.5


def test_magnitude_equals_the_printed_formula():
    """``mean((|margin - ‖f_a‖| + ‖f_n‖)²)`` over aligned pairs."""
    features = torch.randn(6, 3, 5)
    lengths = [float(features[row].mean(0).norm()) for row in range(6)]
    expected = [(abs(2 - lengths[a]) + lengths[n]) ** 2 for a, n in zip(ANOMALOUS, NORMAL, strict=True)]
    assert float(magnitude(features, LABELS, margin=2.0)) == pytest.approx(sum(expected) / 3, rel=1e-5)


def test_magnitude_of_zero_features_has_a_gradient():
    """The derivative of the length at 0 is 0, not NaN."""
    features = torch.zeros(2, 3, 4, requires_grad=True)
    magnitude(features, torch.tensor([0, 1]), margin=1.0).backward()
    assert features.grad is not None
    assert (features.grad == 0).all()


def test_cross_entropy_of_the_mean_score_equals_the_direct_computation():
    """The log domain only improves numerical stability."""
    logits = torch.randn(6, 3)
    expected = functional.binary_cross_entropy(logits.sigmoid().mean(1), LABELS.float())
    assert float(bce_of_mean_score(logits, LABELS)) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("size", [50.0, 200.0, 1e4])
def test_cross_entropies_stay_finite_for_logits_of_any_size(size):
    """With wrong predictions the loss is the logit and the gradient is not 0."""
    logits = torch.tensor([[size, size], [-size, -size]], requires_grad=True)
    labels = torch.tensor([0, 1])
    for loss in (bce_of_mean_score(logits, labels), bce_topk(logits, labels.float().unsqueeze(1).expand(2, 2))):
        (gradient,) = torch.autograd.grad(loss, logits)
        assert float(loss.detach()) == pytest.approx(size, rel=1e-4)
        assert (gradient.abs() > 0.2).all()


def test_regularisers_equal_naive_loops():
    """Within a video, then the mean over videos."""
    scores = torch.rand(3, 5)
    rows = scores.tolist()
    steps = [[b - a for a, b in itertools.pairwise(row)] for row in rows]
    assert float(sparsity(scores, reduce="sum")) == pytest.approx(sum(map(sum, rows)) / 3)
    assert float(sparsity(scores, reduce="mean")) == pytest.approx(sum(map(sum, rows)) / 15)
    assert float(smoothness(scores, kind="squared_sum")) == pytest.approx(sum(s * s for r in steps for s in r) / 3)
    assert float(smoothness(scores, kind="absolute_mean")) == pytest.approx(sum(abs(s) for r in steps for s in r) / 12)


def test_smoothness_does_not_compare_different_videos():
    """Two videos with different constant scores: there is no change within either."""
    scores = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    assert float(smoothness(scores, kind="squared_sum")) == 0
    assert float(smoothness(scores, kind="absolute_mean")) == 0


@pytest.mark.parametrize("kind", ["squared_sum", "absolute_mean"])
def test_one_clip_is_smooth(kind):
    """With a single clip the loss is 0, not NaN, and has a gradient of 0."""
    scores = torch.rand(2, 1, requires_grad=True)
    loss = smoothness(scores, kind=kind)
    loss.backward()
    assert float(loss.detach()) == 0
    assert scores.grad is not None


def test_top_clips_are_at_most_all():
    """k is clamped to the number of clips; clips are ordered by rank."""
    ranking = torch.tensor([[0.1, 0.9, 0.5]])
    assert top_clips(ranking, 2).tolist() == [[1, 2]]
    assert top_clips(ranking, 8).tolist() == [[1, 2, 0]]
    features = torch.arange(6.0).reshape(1, 3, 2)
    assert gather_clips(features, top_clips(ranking, 2)).tolist() == [[[2.0, 3.0], [4.0, 5.0]]]


def test_soft_targets_by_rank_and_by_segment():
    """A column refers to a rank or a segment; the best clip of an anomalous video has target 1 in both cases."""
    labels, clips = torch.tensor([1, 0]), torch.tensor([[2, 0], [1, 2]])
    by_rank = torch.tensor([[1.0, 0.4, 0.3], [0.0, 0.0, 0.0]])
    by_segment = torch.tensor([[0.7, 0.8, 0.9], [0.0, 0.0, 0.0]])
    assert soft_targets(labels, clips, None, None).tolist() == [[1, 1], [0, 0]]
    assert soft_targets(labels, clips, by_rank, "rank").flatten().tolist() == pytest.approx([1, 0.4, 0, 0])
    assert soft_targets(labels, clips, by_segment, "segment").flatten().tolist() == pytest.approx([1, 0.7, 0, 0])
    with pytest.raises(ValueError, match="configured without them"):
        soft_targets(labels, clips, by_rank, None)
    with pytest.raises(ValueError, match="2 ranks, got 1"):
        soft_targets(labels, clips, by_rank[:, :1], "rank")


def test_region_spread_is_the_variance_of_position():
    """0 for one cuboid, 1 for two opposite corners, and equal to a naive computation for random scores."""
    one, corners = torch.zeros(1, 1, 49), torch.zeros(1, 1, 49)
    one[..., 17] = 1
    corners[..., [0, 48]] = 1
    assert float(region_spread(one)) == pytest.approx(0, abs=1e-6)
    assert float(region_spread(corners)) == pytest.approx(1)
    scores = torch.rand(2, 3, 49)
    assert float(region_spread(scores)) == pytest.approx(
        float(np.mean([naive_spread(c) for c in scores.flatten(0, 1)]))
    )


def naive_spread(scores: torch.Tensor) -> float:
    """Weighted variance of row and column in units of half the side, over 2, times the strongest score."""
    places = [((k // 7) / 3 - 1, (k % 7) / 3 - 1) for k in range(49)]
    shares = (scores / scores.sum()).tolist()
    centre = [sum(s * p[axis] for s, p in zip(shares, places, strict=True)) for axis in (0, 1)]
    variance = sum(s * ((p[0] - centre[0]) ** 2 + (p[1] - centre[1]) ** 2) for s, p in zip(shares, places, strict=True))
    return float(scores.max()) * variance / 2


def test_region_spread_needs_a_square_grid():
    """A single cuboid has no spread; five cuboids are not a grid."""
    assert float(region_spread(torch.rand(2, 3, 1))) == 0
    with pytest.raises(ValueError, match="square grid"):
        region_spread(torch.rand(2, 3, 5))


def test_region_spread_prefers_the_stronger_of_two_regions():
    """Gradient descent reduces the weaker region more than the stronger."""
    scores = torch.full((1, 1, 49), 0.01)
    scores[..., [8, 9]], scores[..., [39, 40]] = 0.9, 0.4
    scores.requires_grad_()
    (gradient,) = torch.autograd.grad(region_spread(scores), scores)
    assert float(gradient[..., 40]) > 0
    assert float(gradient[..., 40]) > float(gradient[..., 8])


def test_region_spread_of_zero_scores_is_finite():
    """The gradient contains no NaN."""
    scores = torch.zeros(1, 2, 49, requires_grad=True)
    region_spread(scores).backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
