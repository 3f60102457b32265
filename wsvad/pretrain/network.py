"""What is asked of the backbone while it is trained: heads over its maps, and the loss over their answers.

Axes as in ``targets.py``; B clips.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wsvad.backbones.compact import COMPACT_CUBOID_DIM as CUBOID_DIM
from wsvad.backbones.compact import WIDTH_DIVISOR, CompactNetwork, changes
from wsvad.backbones.i3d import POOLED_DIM
from wsvad.pretrain.scripts import LABELS
from wsvad.pretrain.targets import CAMERA, MEASURES

_COUNTS = 2
_HIDDEN = 96


class Answers(NamedTuple):
    """What the heads say."""

    motion_BMWYX: Tensor
    label_logits_BLYX: Tensor
    clip_B: Tensor
    """``[B, L + 5 + 2]``: logits, then the two counts."""


class PretrainNetwork(nn.Module):
    """The backbone with three heads: motion in each cell and window, labels in each cell, the clip as a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = CompactNetwork()
        self.motion = nn.Sequential(
            nn.Conv3d(CUBOID_DIM, _HIDDEN, 1), nn.ReLU(), nn.Conv3d(_HIDDEN, len(MEASURES), 1)
        )  # fmt: skip
        self.labels = nn.Sequential(nn.Conv2d(CUBOID_DIM, _HIDDEN, 1), nn.ReLU(), nn.Conv2d(_HIDDEN, len(LABELS), 1))
        self.clip = nn.Sequential(
            nn.Linear(2 * POOLED_DIM // WIDTH_DIVISOR, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, len(LABELS) + len(CAMERA) + _COUNTS),
        )

    def forward(self, frames_BTHW: Tensor) -> Answers:
        """Answer for grey clips ``[B, 16, 224, 224]`` of bytes."""
        video = changes(frames_BTHW.unsqueeze(4)).contiguous(memory_format=torch.channels_last_3d)
        maps = self.trunk.maps(video)
        deep = maps.mixed_5c_BCTHW
        whole = torch.cat([deep.mean((2, 3, 4)), deep.amax((2, 3, 4))], 1)
        return Answers(
            self.motion(maps.mixed_4e_BCTHW), self.labels(maps.mixed_4e_BCTHW.mean(2)), self.clip(whole)
        )  # fmt: skip


def losses(answers: Answers, motion_BWYXM: Tensor, labels_BYXL: Tensor, clip_B: Tensor) -> dict[str, Tensor]:
    """Score the answers.

    Args:
        answers: of the heads.
        motion_BWYXM: true measures.
        labels_BYXL: true labels, 0 or 1.
        clip_B: true labels, camera and counts of the clip.

    Returns:
        ``motion`` (smooth L1; what an empty cell has no value for counts little), ``labels``, ``clip`` (cross-entropy
        and smooth L1), and their weighted sum ``total``.
    """
    motion = answers.motion_BMWYX.permute(0, 2, 3, 4, 1)
    there = (motion_BWYXM[..., :1] > 0).float()
    weight = (0.1 + 0.9 * there).expand_as(motion_BWYXM).clone()
    weight[..., 0] = 1.0
    error = functional.smooth_l1_loss(motion, motion_BWYXM, reduction="none", beta=0.5)
    terms = {
        "motion": (error * weight).sum() / weight.sum(),
        "labels": functional.binary_cross_entropy_with_logits(
            answers.label_logits_BLYX.permute(0, 2, 3, 1), labels_BYXL
        ),
        "clip": functional.binary_cross_entropy_with_logits(answers.clip_B[:, :-_COUNTS], clip_B[:, :-_COUNTS])
        + 0.3 * functional.smooth_l1_loss(answers.clip_B[:, -_COUNTS:], clip_B[:, -_COUNTS:]),
    }
    terms["total"] = 2 * terms["motion"] + 4 * terms["labels"] + terms["clip"]
    return terms
