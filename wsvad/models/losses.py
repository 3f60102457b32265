"""The losses of all models, as pure functions of tensors.

Sources: Sultani et al., CVPR 2018, section 3.2 (ranking, sparsity, smoothness); Tian et al., ICCV 2021, section 3
(magnitude, top-k); LTGS-Net, Sensors 25(16) 4884, section 3.4. Each returns a scalar, a mean over bags or pairs.

Axes: B bags, T clips, K cuboids, X any axis, D features, k selected clips.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from wsvad.models.contract import LabelIndex, Pairs

MagnitudeForm = Literal["rtfm", "printed"]

ALL_PAIRS = "with pairs=all (not with pairs=aligned) every anomalous video of a batch is compared with every normal one"
"""Why one worker must do."""


class Classes(NamedTuple):
    """Row indices of a batch by label, in batch order."""

    anomalous: Tensor
    """int64, rows with label 1."""
    normal: Tensor
    """int64, rows with label 0."""


def classes_of(labels_B: Tensor, *, paired: bool = True) -> Classes:
    """Return the rows of each class.

    Raises:
        ValueError: labels are not 0 or 1, a class is missing, or (``paired``) classes differ in size.
    """
    if labels_B.ndim != 1 or not ((labels_B == 0) | (labels_B == 1)).all():
        raise ValueError(f"expected labels [B] of 0 and 1, got {labels_B.tolist()}")
    found = Classes((labels_B == 1).nonzero().squeeze(1), (labels_B == 0).nonzero().squeeze(1))
    counts = len(found.anomalous), len(found.normal)
    if min(counts) == 0:
        raise ValueError(f"a batch needs anomalous and normal bags, got {counts[0]} and {counts[1]}")
    if paired and counts[0] != counts[1]:
        raise ValueError(f"pairs need as many anomalous as normal bags, got {counts[0]} and {counts[1]}")
    return found


def hinge_ranking(bag_scores_BX: Tensor, labels_B: Tensor, *, pairs: Pairs = "aligned", margin: float = 1.0) -> Tensor:
    """Hinge loss that ranks anomalous bags ``margin`` above normal ones (Sultani et al., equation 7).

    Args:
        bag_scores_BX: ``[B]``, or ``[B, X]`` for X bags per video, compared column by column.
        labels_B: ``[B]``, 0 or 1.
        pairs: ``aligned`` compares the i-th anomalous with the i-th normal bag; ``all`` compares all pairs, as in
            Sultani's code (which takes the sum; this is the mean in both cases).
        margin: margin in units of the score.
    """
    anomalous, normal = classes_of(labels_B, paired=pairs == "aligned")
    above, below = bag_scores_BX[anomalous], bag_scores_BX[normal]
    if pairs == "all":
        above, below = above.unsqueeze(1), below.unsqueeze(0)
    return functional.relu(margin - above + below).mean()


def sparsity(scores_BX: Tensor, *, reduce: Literal["sum", "mean"]) -> Tensor:
    """Return the sum (Sultani et al., equation 8) or mean (LTGS-Net) of a bag's scores, averaged over bags."""
    flat_BX = scores_BX.flatten(1)
    return (flat_BX.sum(1) if reduce == "sum" else flat_BX.mean(1)).mean()


def smoothness(scores_BTX: Tensor, *, kind: Literal["squared_sum", "absolute_mean"]) -> Tensor:
    """Return the change of scores between consecutive clips of a video; 0 for videos with one clip.

    ``squared_sum`` is Sultani et al., equation 8; ``absolute_mean`` is LTGS-Net. For cuboids ``[B, T, K]``, each
    position in the frame is followed over time. Different videos are never compared.
    """
    steps_BX = (scores_BTX[:, 1:] - scores_BTX[:, :-1]).flatten(1)
    if steps_BX.shape[1] == 0:
        return scores_BTX.sum() * 0
    return steps_BX.square().sum(1).mean() if kind == "squared_sum" else steps_BX.abs().mean()


def top_clips(ranking_BT: Tensor, k: int) -> Tensor:
    """Return the indices ``[B, min(k, T)]`` of the highest-ranking clips, best first."""
    return ranking_BT.topk(min(k, ranking_BT.shape[1]), dim=1).indices


def gather_clips(values_BTX: Tensor, clips_Bk: Tensor) -> Tensor:
    """Select clips: ``[B, T]`` or ``[B, T, D]`` with indices ``[B, k]`` to ``[B, k]`` or ``[B, k, D]``."""
    if values_BTX.ndim == 2:
        return values_BTX.gather(1, clips_Bk)
    return values_BTX.gather(1, clips_Bk.unsqueeze(2).expand(-1, -1, values_BTX.shape[2]))


def bce_topk(logits_Bk: Tensor, targets_Bk: Tensor) -> Tensor:
    """Binary cross-entropy of selected clips with soft targets in [0, 1] (LTGS-Net, whose equation lacks the minus)."""
    return functional.binary_cross_entropy_with_logits(logits_Bk, targets_Bk)


def soft_targets(labels_B: Tensor, clips_Bk: Tensor, soft_labels_BX: Tensor | None, index: LabelIndex | None) -> Tensor:
    """Return the targets ``[B, k]`` of selected clips.

    Args:
        labels_B: ``[B]``, 0 or 1: the targets if there are no soft labels.
        clips_Bk: indices of the selected clips, best first.
        soft_labels_BX: ``[B, at least k]`` by rank, or ``[B, T]`` by segment, or None.
        index: what the columns of the soft labels refer to.

    Raises:
        ValueError: there are soft labels without an index, or too few of them.
    """
    hard_Bk = labels_B.float().unsqueeze(1).expand(clips_Bk.shape)
    if soft_labels_BX is None:
        return hard_Bk
    if index is None:
        raise ValueError("got soft labels, but the model is configured without them")
    soft_labels_BX = soft_labels_BX.to(clips_Bk.device)
    if index == "rank":
        if soft_labels_BX.shape[1] < clips_Bk.shape[1]:
            raise ValueError(f"expected soft labels of {clips_Bk.shape[1]} ranks, got {soft_labels_BX.shape[1]}")
        return soft_labels_BX[:, : clips_Bk.shape[1]]
    # The best clip keeps the video's label, as in Algorithm 1; else an anomalous video may lose all positive labels.
    return torch.cat([hard_Bk[:, :1], soft_labels_BX.gather(1, clips_Bk)[:, 1:]], dim=1)


def bce_of_mean_score(logits_Bk: Tensor, labels_B: Tensor) -> Tensor:
    """Binary cross-entropy of the mean score of a bag's selected clips (RTFM), computed in the log domain."""
    classes_of(labels_B, paired=False)
    log_k = math.log(logits_Bk.shape[1])
    log_anomalous_B = functional.logsigmoid(logits_Bk).logsumexp(1) - log_k
    log_normal_B = functional.logsigmoid(-logits_Bk).logsumexp(1) - log_k
    return -torch.where(labels_B == 1, log_anomalous_B, log_normal_B).mean()


def bag_lengths(features_BkD: Tensor) -> Tensor:
    """Return ``[B]``: the length of the mean feature of each bag's selected clips (RTFM's code; LTGS-Net's G(F))."""
    lengths_B: Tensor = torch.linalg.vector_norm(features_BkD.mean(1), dim=1)
    return lengths_B


def magnitude(features_BkD: Tensor, labels_B: Tensor, *, margin: float, form: MagnitudeForm = "rtfm") -> Tensor:
    """Magnitude loss: push features of anomalous bags to length ``margin`` and those of normal bags to 0, in pairs.

    ``rtfm``: ``mean((|margin - G(a)| + G(n))²)`` with G of ``bag_lengths``, as published by RTFM. ``printed``:
    ``mean(|margin - G(a) + G(n)|)``, as printed in LTGS-Net (section 3.4), which attributes it to RTFM: a margin
    between the two lengths instead of a target for each.
    """
    anomalous, normal = classes_of(labels_B)
    lengths_B = bag_lengths(features_BkD)
    if form == "printed":
        return (margin - lengths_B[anomalous] + lengths_B[normal]).abs().mean()
    return ((margin - lengths_B[anomalous]).abs() + lengths_B[normal]).square().mean()


def region_spread(cuboid_scores_BTK: Tensor) -> Tensor:
    """Return the spatial spread of a clip's scores over the frame, 0 (one cuboid) to 1 (two opposite corners).

    The spread is the variance of position, with the clip's scores as a distribution over its cuboids, relative to the
    maximum variance on the grid. Clips are weighted by their strongest cuboid (without gradient), so that clips without
    detections do not count.

    Raises:
        ValueError: K is not a square number.
    """
    side = grid_side(cuboid_scores_BTK.shape[2])
    if side == 1:
        return cuboid_scores_BTK.sum() * 0
    axis = torch.linspace(-1, 1, side, device=cuboid_scores_BTK.device, dtype=cuboid_scores_BTK.dtype)
    places_K2 = torch.cartesian_prod(axis, axis)
    mass_BT1 = cuboid_scores_BTK.sum(2, keepdim=True).clamp_min(torch.finfo(cuboid_scores_BTK.dtype).tiny)
    weight_BTK = cuboid_scores_BTK / mass_BT1
    centre_BT2 = weight_BTK @ places_K2
    variance_BT = weight_BTK @ places_K2.square().sum(1) - centre_BT2.square().sum(2)
    weight_BT = cuboid_scores_BTK.detach().amax(2)
    return (weight_BT * variance_BT / 2).mean()


def grid_side(cuboids: int) -> int:
    """Return the side length of a square grid with this many cuboids.

    Raises:
        ValueError: ``cuboids`` is not a square number.
    """
    side = math.isqrt(cuboids)
    if side * side != cuboids:
        raise ValueError(f"expected a square grid of cuboids, such as 49 = 7x7, got {cuboids}")
    return side


def with_total(terms: dict[str, Tensor], weights: dict[str, float]) -> dict[str, Tensor]:
    """Return the terms and ``total``, their weighted sum."""
    weighted = [term * weights[name] for name, term in terms.items()]
    return {"total": torch.stack(weighted).sum(), **terms}
