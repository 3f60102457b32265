"""LTGS-Net: local temporal attention, a global module, magnitude ranking and labels that follow the model.

Paper: *LTGS-Net: Local Temporal and Global Spatial Network for Weakly Supervised Video Anomaly Detection*, Sensors
2025, 25(16), 4884. The paper contradicts itself in places; what is built here (for the modules see ``attention``, for
the labels ``dynamic_labels``):

* k = 3 (section 4.2), not 8 (section 3.4); RTFM's 32 // 10 is 3, too. Clips rank by the length of their features.
* ``L = L_cls + 1e-4 L_mag + L_rank + λ1 L_spa + λ2 L_tem``, each switchable. The printed sum drops the classification,
  without which dynamic labels do nothing; the preset ``paper_eq`` is the printed one.
* Of the two losses that are credited to RTFM, the magnitude term is RTFM's (margin 100) and the hinge is Sultani's
  (margin 1, on the highest score of a video). Both are there, each with its weight.
* ``L_cls`` is binary cross-entropy on the top k clips with soft targets. ``L_spa`` is the mean of the scores and
  ``L_tem`` the mean absolute step between clips, of anomalous videos, never across the border of two videos. λ1 = 8e-4
  and λ2 = 2e-5 (exponents are lost in print).
* Soft labels belong to ranks (Algorithm 1) or, ``label_index="segment"``, to segments. The best-ranked clip of an
  anomalous video always has label 1.
* The paper's attention is called local, but its cosine leaves 0.7 of the weight to a clip that is half the video
  away. The preset ``local`` is ours: an exponential of two clips, added to the logits; it does better
  (docs/results/survfight.md).
* 16 heads x 128 = 2048, whatever D is; no normalisation layers, as length is what the features are to say.

Axes: B bags, T clips, D features, k chosen clips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from wsvad.models.attention import Decay, DecayedAttention, GlobalModule, temporal_decay
from wsvad.models.contract import Criterion, Inputs, LabelIndex, MilModel, MilOutput, ModelConfig
from wsvad.models.heads import SnippetHead, initialise
from wsvad.models.losses import (
    bce_topk,
    classes_of,
    gather_clips,
    hinge_ranking,
    magnitude,
    smoothness,
    soft_targets,
    sparsity,
    top_clips,
    with_total,
)


@dataclass(frozen=True)
class LtgsConfig(ModelConfig):
    """Configuration of LTGS-Net."""

    name: ClassVar[str] = "ltgs"
    inputs: ClassVar[Inputs] = "pooled"

    local_module: bool = True
    """Whether there is local temporal attention."""
    global_module: bool = True
    """Whether there is the global module."""
    heads: int = 16
    """Attention heads, at least 1."""
    head_dim: int = 128
    """Width of a head, at least 1."""
    decay: Decay = "elementwise"
    """How attention decays with distance in time."""
    reach: float = 0.0
    """Clips over which it falls to 1/e, at least 0; 0 is the paper's cosine, which spans a video of any length."""
    attention_dropout: float = 0.1
    """Share of attention weights left out in training, [0, 1)."""
    bottleneck: int = 64
    """Width of the global module's MLP, at least 1; unused with ``full_global``."""
    full_global: bool = False
    """Square matrices in the global module instead of diagonal ones and a bottleneck."""
    dropout: float = 0.7
    """Share of the classifier's units left out in training, [0, 1)."""
    k: int = 3
    """Clips that speak for a video, at least 1; all of them where a video has fewer."""
    dynamic_labels: bool = True
    """Whether the targets of the classification follow the model; otherwise they are the video's label."""
    label_index: LabelIndex = "rank"
    """What a soft label belongs to."""
    label_alpha: float = 0.9
    """Share of the old label in the new one, [0, 1]; 0 is a hard update."""
    label_period: int = 500
    """Steps between refreshes of the labels, at least 1: 500 for UCF-Crime, 1000 for ShanghaiTech."""
    classify_weight: float = 1.0
    """Weight of the cross-entropy on the top k clips, at least 0."""
    magnitude_weight: float = 1e-4
    """Weight of the magnitude term, at least 0."""
    rank_weight: float = 1.0
    """Weight of the hinge, at least 0."""
    sparsity_weight: float = 8e-4
    """λ1, weight of the mean score of anomalous videos, at least 0."""
    smoothness_weight: float = 2e-5
    """λ2, weight of the mean absolute step in time of anomalous videos, at least 0."""
    margin: float = 100.0
    """Length that anomalous features are to have, at least 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least(1, "heads", "head_dim", "bottleneck", "k", "label_period")
        self._share("attention_dropout", "dropout")
        if not 0 <= self.label_alpha <= 1:
            raise self._error("label_alpha", "a number in [0, 1]", self.label_alpha)
        weights = ["classify_weight", "magnitude_weight", "rank_weight", "sparsity_weight", "smoothness_weight"]
        self._at_least(0, *weights, "margin", "reach")
        if self.classify_weight + self.rank_weight == 0:
            raise self._error("classify_weight or rank_weight", "above 0, or scores are never trained", 0.0)


class Ltgs(MilModel):
    """Attention over near clips, scaling by the whole video, a classifier."""

    def __init__(self, config: LtgsConfig) -> None:
        super().__init__()
        dim = config.input_dim
        self.reach = config.reach
        self.local_module = (
            DecayedAttention(
                dim,
                heads=config.heads,
                head_dim=config.head_dim,
                decay=config.decay,
                dropout=config.attention_dropout,
            )
            if config.local_module
            else None
        )
        self.global_module = (
            GlobalModule(dim, bottleneck=config.bottleneck, full=config.full_global) if config.global_module else None
        )
        self.head = SnippetHead(dim, config.dropout)
        initialise(self)

    def forward(self, features: Tensor) -> MilOutput:
        """Score clips ``[B, T, D]``."""
        x_BTD = features
        if self.local_module is not None:
            x_BTD = x_BTD + self.local_module(x_BTD, temporal_decay(x_BTD.shape[1], x_BTD, reach=self.reach))
        if self.global_module is not None:
            x_BTD = self.global_module(x_BTD)
        logits_BT = self.head(x_BTD)
        return MilOutput(logits_BT.sigmoid(), logits_BT, features_BTD=x_BTD)


class LtgsCriterion(Criterion):
    """Weights x (``classify``, ``magnitude``, ``rank``, ``sparsity``, ``smoothness``); those of 0 are left out."""

    def __init__(self, config: LtgsConfig) -> None:
        self._config = config
        self.label_index = config.label_index if config.dynamic_labels and config.classify_weight else None

    def __call__(self, output: MilOutput, labels_B: Tensor, soft_labels_BX: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``total`` and its terms."""
        config = self._config
        anomalous_BT = output.scores_BT[classes_of(labels_B).anomalous]
        clips_Bk = self._top(output)
        terms: dict[str, Tensor] = {}
        if config.classify_weight:
            targets_Bk = soft_targets(labels_B, clips_Bk, soft_labels_BX, self.label_index)
            terms["classify"] = bce_topk(gather_clips(output.logits_BT, clips_Bk), targets_Bk.to(output.logits_BT))
        if config.magnitude_weight:
            assert output.features_BTD is not None
            terms["magnitude"] = magnitude(gather_clips(output.features_BTD, clips_Bk), labels_B, margin=config.margin)
        if config.rank_weight:
            terms["rank"] = hinge_ranking(output.scores_BT.amax(1), labels_B)
        if config.sparsity_weight:
            terms["sparsity"] = sparsity(anomalous_BT, reduce="mean")
        if config.smoothness_weight:
            terms["smoothness"] = smoothness(anomalous_BT, kind="absolute_mean")
        return with_total(terms, {name: getattr(config, f"{name}_weight") for name in terms})

    @torch.no_grad()
    def label_predictions(self, output: MilOutput) -> Tensor:
        """Return the scores of the top k clips in order of rank, or of all segments."""
        if self.label_index is None:
            return super().label_predictions(output)
        if self.label_index == "segment":
            return output.scores_BT
        return gather_clips(output.scores_BT, self._top(output))

    def _top(self, output: MilOutput) -> Tensor:
        assert output.features_BTD is not None
        return top_clips(output.features_BTD.detach().square().sum(2), self._config.k)
