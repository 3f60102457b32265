"""Training objective of the backbone: heads over its maps, and their losses.

Axes as in ``targets.py``; B clips.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wsvad.backbones.compact import LABELS, STEM_STRIDE, WIDTH_DIVISOR, CompactNetwork, difference_from_mean
from wsvad.backbones.i3d import POOLED_DIM, inception_stages
from wsvad.models.losses import with_total
from wsvad.pretraining.targets import CAMERA

_COUNTS = 2
_HIDDEN = 96


class HeadOutputs(NamedTuple):
    """Outputs of the heads."""

    motion_BMWYX: Tensor
    label_logits_BLYX: Tensor
    clip_B: Tensor
    """``[B, L + 5 + 2]``: logits, then the two counts."""


class PretrainNetwork(nn.Module):
    """The backbone with the parts that only training needs: the rest of the graph, and a head for the whole clip.

    Pictures are not upsampled here: training uses 7x7 cells where the backbone uses 14x14.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = CompactNetwork()
        self.deep = nn.Sequential(*_deep_stages())
        self.clip = nn.Sequential(
            nn.Linear(2 * POOLED_DIM // WIDTH_DIVISOR, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, len(LABELS) + len(CAMERA) + _COUNTS),
        )

    def forward(self, frames_BTHW: Tensor) -> HeadOutputs:
        """Compute the outputs for grey clips ``[B, 16, 224, 224]``, uint8."""
        video = difference_from_mean(frames_BTHW.unsqueeze(4)).contiguous(memory_format=torch.channels_last_3d)
        cells = self.backbone.trunk(video)
        deep = self.deep(cells)
        whole = torch.cat([deep.mean((2, 3, 4)), deep.amax((2, 3, 4))], 1)
        readout = self.backbone.readout
        return HeadOutputs(readout.motion(cells), readout.labels(cells.mean(2)), self.clip(whole))


def _deep_stages() -> list[nn.Module]:
    names, stages = zip(*inception_stages(1, WIDTH_DIVISOR, STEM_STRIDE), strict=True)
    return list(stages[names.index("Mixed_4e") + 1 :])


def losses(
    outputs: HeadOutputs, motion_BWYXM: Tensor, labels_BYXL: Tensor, clip_B: Tensor, weights: dict[str, float]
) -> dict[str, Tensor]:
    """Compute the losses.

    Args:
        outputs: Outputs of the heads.
        motion_BWYXM: True measures.
        labels_BYXL: True labels, 0 or 1.
        clip_B: True labels, camera motion and counts of the clip.
        weights: Weights of the three terms.

    Returns:
        ``motion`` (smooth L1, with little weight on measures that an empty cell has no value for), ``labels``, ``clip``
        (cross-entropy and smooth L1), and their weighted sum ``total``.
    """
    motion = outputs.motion_BMWYX.permute(0, 2, 3, 4, 1)
    there = (motion_BWYXM[..., :1] > 0).float()
    weight = (0.1 + 0.9 * there).expand_as(motion_BWYXM).clone()
    weight[..., 0] = 1.0
    error = functional.smooth_l1_loss(motion, motion_BWYXM, reduction="none", beta=0.5)
    terms = {
        "motion": (error * weight).sum() / weight.sum(),
        "labels": functional.binary_cross_entropy_with_logits(
            outputs.label_logits_BLYX.permute(0, 2, 3, 1), labels_BYXL
        ),
        "clip": functional.binary_cross_entropy_with_logits(outputs.clip_B[:, :-_COUNTS], clip_B[:, :-_COUNTS])
        + 0.3 * functional.smooth_l1_loss(outputs.clip_B[:, -_COUNTS:], clip_B[:, -_COUNTS:]),
    }
    return with_total(terms, weights)
