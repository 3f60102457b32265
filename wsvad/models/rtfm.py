"""RTFM, the second baseline: anomalous clips are those with features of large magnitude.

Paper: Tian et al., *Weakly-supervised Video Anomaly Detection with Robust Temporal Feature Magnitude Learning*, ICCV
2021. Implemented from the paper. Choices:

* Multi-scale temporal network (section 3.1): three dilated convolutions over time (1, 2, 4) and a non-local block, D/4
  channels each, fused by a last convolution and added to the input. There is no batch normalisation, which the paper
  does not mention: it would make videos of a batch depend on each other, and workers differ.
* The non-local block multiplies without softmax, divides by T, and starts as the identity (Wang et al., CVPR 2018).
* The top k clips of a video are those with the largest feature magnitude, k = 3 (section 3.2).
* ``magnitude`` is ``mean((|margin - ‖f_a‖| + ‖f_n‖)²)`` over aligned pairs, as in the authors' code, with margin 100
  and weight 1e-4. ``classify`` is the cross-entropy of the mean score of the top k clips.
* Dropout is used in the classifier only. The authors' code also applies dropout to features before their magnitude is
  computed, and randomly masks magnitudes when it selects the top k in training; the paper mentions neither.
* Sparsity and smoothness are Sultani's, sums over the clips of an anomalous video, weights 8e-3 and 8e-4, averaged over
  such videos. The authors' code uses the Euclidean norm of all scores of a batch for sparsity, and sums smoothness over
  the batch, across the borders of its videos.

Axes: B bags, T clips, D features, E = D/4 channels, k selected clips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from wsvad.models.contract import Criterion, Inputs, MilModel, MilOutput, ModelConfig
from wsvad.models.heads import SnippetHead, initialise
from wsvad.models.losses import (
    bce_of_mean_score,
    classes_of,
    gather_clips,
    magnitude,
    smoothness,
    sparsity,
    top_clips,
    with_total,
)
from wsvad.models.temporal_conv import TemporalConv


@dataclass(frozen=True)
class RtfmConfig(ModelConfig):
    """Configuration of RTFM."""

    name: ClassVar[str] = "rtfm"
    inputs: ClassVar[Inputs] = "pooled"

    k: int = 3
    """Number of top clips that represent a video, at least 1; at most all of its clips are used."""
    dropout: float = 0.7
    """Dropout probability, [0, 1)."""
    margin: float = 100.0
    """Target length of anomalous features, at least 0."""
    magnitude_weight: float = 1e-4
    """Weight of the magnitude term, at least 0."""
    sparsity_weight: float = 8e-3
    """Weight of the sum of an anomalous video's scores, at least 0."""
    smoothness_weight: float = 8e-4
    """Weight of the sum of squared differences between consecutive clips of an anomalous video, at least 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_fraction("dropout")
        self._check_at_least(1, "k")
        self._check_at_least(4, "input_dim")
        self._check_at_least(0, "margin", "magnitude_weight", "sparsity_weight", "smoothness_weight")


class NonLocal(nn.Module):
    """Non-local block: every clip aggregates all clips of its video, weighted by dot product over T."""

    def __init__(self, input_dim: int, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(input_dim, channels, bias=False)
        self.query = nn.Linear(channels, channels // 2 or 1)
        self.key = nn.Linear(channels, channels // 2 or 1)
        self.value = nn.Linear(channels, channels // 2 or 1)
        self.expand = nn.Linear(channels // 2 or 1, channels)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map ``[B, T, D]`` to ``[B, T, E]``."""
        x_BTE = self.reduce(x_BTD).relu()
        # Without softmax the product is associative: computing it from the right is linear in T instead of quadratic.
        memory = self.key(x_BTE).mT @ self.value(x_BTE) / x_BTE.shape[1]
        gathered_BTE: Tensor = x_BTE + self.expand(self.query(x_BTE) @ memory)
        return gathered_BTE


class MultiScaleTemporalNetwork(nn.Module):
    """Dilated convolutions and a non-local block over time, fused, with a residual connection."""

    def __init__(self, input_dim: int) -> None:
        super().__init__()
        channels = input_dim // 4
        self.pyramid = nn.ModuleList(
            TemporalConv(input_dim, channels, kernel_size=3, dilation=dilation) for dilation in (1, 2, 4)
        )
        self.non_local = NonLocal(input_dim, channels)
        self.fuse = TemporalConv(4 * channels, input_dim, kernel_size=3, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Map ``[B, T, D]`` to the same shape, with zero padding in time."""
        scales = [convolution(x_BTD).relu() for convolution in self.pyramid]
        joined_BTD = torch.cat([*scales, self.non_local(x_BTD)], dim=2)
        fused_BTD: Tensor = self.fuse(joined_BTD).relu()
        return x_BTD + fused_BTD


class Rtfm(MilModel):
    """Multi-scale temporal features, followed by a classifier."""

    def __init__(self, config: RtfmConfig) -> None:
        super().__init__()
        self.temporal = MultiScaleTemporalNetwork(config.input_dim)
        self.head = SnippetHead(config.input_dim, config.dropout)
        initialise(self)
        nn.init.zeros_(self.temporal.non_local.expand.weight)

    def forward(self, features: Tensor) -> MilOutput:
        """Score clips ``[B, T, D]``."""
        features_BTD = self.temporal(features)
        logits_BT = self.head(features_BTD)
        return MilOutput(logits_BT.sigmoid(), logits_BT, features_BTD=features_BTD)


class RtfmCriterion(Criterion):
    """``classify`` and weighted ``magnitude``, ``sparsity`` and ``smoothness``."""

    def __init__(self, config: RtfmConfig) -> None:
        self._config = config

    def __call__(self, output: MilOutput, labels_B: Tensor, soft_labels_BX: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``total`` and its terms."""
        config = self._config
        assert output.features_BTD is not None
        clips_Bk = top_clips(output.features_BTD.detach().square().sum(2), config.k)
        anomalous_BT = output.scores_BT[classes_of(labels_B).anomalous]
        terms = {
            "classify": bce_of_mean_score(gather_clips(output.logits_BT, clips_Bk), labels_B),
            "magnitude": magnitude(gather_clips(output.features_BTD, clips_Bk), labels_B, margin=config.margin),
            "sparsity": sparsity(anomalous_BT, reduce="sum"),
            "smoothness": smoothness(anomalous_BT, kind="squared_sum"),
        }
        weights = {
            "classify": 1.0,
            "magnitude": config.magnitude_weight,
            "sparsity": config.sparsity_weight,
            "smoothness": config.smoothness_weight,
        }
        return with_total(terms, weights)
