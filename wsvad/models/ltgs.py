"""LTGS-Net: local temporal attention beside a global module, magnitude ranking and labels that follow the model.

Paper: *LTGS-Net: Local Temporal and Global Spatial Network for Weakly Supervised Video Anomaly Detection*, Sensors
2025, 25(16), 4884. The paper contradicts itself in places; what is built here (for the modules see ``attention``, for
the labels ``dynamic_labels``; sentence by sentence, with the tests: docs/papers.md):

* ``score = sigmoid(MLP([t(F); s(F)]))`` (section 3): both modules look at the features F, and what they give is
  concatenated, ``s(F)`` of the video beside ``t(F)`` of each clip, and fused to ``L = ReLU(FC(2D -> 2048)([t; s]))``,
  the first of the "fully connected layers having 2048, 512 and 128 nodes" (section 4.2). Clips rank by the length of
  L, and lengths are taken of it before any dropout, which is that of the layers after.
* The first version of this model was ours: the global module as a gate on what attention gives, ``x (1 + g)``, then
  512, 128 and 1. It is kept, bit for bit, as the preset ``gated``; ``gated_local`` has our attention as well.
* ``t(F)`` is attention with an output projection, and the sum with F (sections 3.1 and 4.2); the preset
  ``encoder_layer`` has the whole block of a Transformer. Without a local module F itself is in its place; without a
  global one L is of ``[t]`` alone; ``average_global`` has the mean over T, which needs no parameters.
* k = 3 (section 4.2), not 8 (section 3.4, preset ``k8``); RTFM's 32 // 10 is 3, too.
* ``L = L_cls + 1e-4 L_mag + L_rank + λ1 L_spa + λ2 L_tem``, each switchable. The printed sum drops the classification,
  without which dynamic labels do nothing; the preset ``paper_eq`` is the printed one.
* Of the two losses that are credited to RTFM, the magnitude term is RTFM's (margin 100) and the hinge is Sultani's
  (margin 1, on the highest score of a video). Both are there, each with its weight. The magnitude is printed without
  RTFM's square: preset ``printed_magnitude``.
* ``L_cls`` is binary cross-entropy on the top k clips with soft targets. ``L_spa`` is the mean of the scores and
  ``L_tem`` the mean absolute step between clips, of anomalous videos, never across the border of two videos. λ1 = 8e-4
  and λ2 = 2e-5 (exponents are lost in print).
* Soft labels belong to ranks (Algorithm 1) or, ``label_index="segment"``, to segments. The best-ranked clip of an
  anomalous video always has label 1.
* The paper's attention is called local, but its cosine leaves 0.7 of the weight to a clip that is half the video
  away. The preset ``local`` is ours: an exponential of two clips, added to the logits (docs/results/survfight.md).
* 16 heads x 128 = 2048, whatever D is; no normalisation layers but in ``encoder_layer``, as length is what features
  are to say.

Axes: B bags, T clips, D features, L = ``fusion_dim`` fused features, k chosen clips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from wsvad.models.attention import (
    AverageSummary,
    Decay,
    DecayedAttention,
    EncoderLayer,
    GlobalModule,
    GlobalSummary,
    temporal_decay,
)
from wsvad.models.contract import Criterion, Inputs, LabelIndex, MilModel, MilOutput, ModelConfig
from wsvad.models.heads import SnippetHead, initialise
from wsvad.models.losses import (
    MagnitudeForm,
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
    remedy: ClassVar[str] = "train again, with --preset gated for the model that it was"

    fusion: Literal["concatenate", "gate"] = "concatenate"
    """How the two modules meet: side by side, through a layer (the paper's equation); or one as a gate on the other."""
    fusion_dim: int = 2048
    """Width of the segment representation L, at least 1; unused with ``fusion="gate"``."""
    local_module: bool = True
    """Whether there is local temporal attention; without it the features are in its place."""
    encoder: Literal["attention", "layer"] = "attention"
    """What it is: attention and the sum with its input, or a whole Transformer layer."""
    feed_forward: int = 2048
    """Hidden units of the Transformer layer, at least 1; unused with ``encoder="attention"``."""
    global_module: bool = True
    """Whether there is the global module; without it there is nothing in its place."""
    global_form: Literal["module", "average"] = "module"
    """What it is: the paper's module, or the mean over a video's clips; not the mean with ``fusion="gate"``."""
    heads: int = 16
    """Attention heads, at least 1."""
    head_dim: int = 128
    """Width of a head, at least 1."""
    decay: Decay = "elementwise"
    """How attention decays with distance in time."""
    reach: float = 0.0
    """Clips over which it falls to 1/e, at least 0; 0 is the paper's cosine, which spans a video of any length."""
    attention_dropout: float = 0.1
    """Share of attention weights (and of a Transformer layer's outputs) left out in training, [0, 1)."""
    bottleneck: int = 112
    """Width of the global module's MLP, at least 1; unused with ``full_global``. With 112 the module has 1.7 % of the
    parameters for D = 1024 and for D = 2048, the share that the paper gives it."""
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
    magnitude_form: MagnitudeForm = "rtfm"
    """RTFM's squared term, or the absolute value that LTGS-Net prints."""
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
        self._at_least(1, "fusion_dim", "feed_forward", "heads", "head_dim", "bottleneck", "k", "label_period")
        self._share("attention_dropout", "dropout")
        if not 0 <= self.label_alpha <= 1:
            raise self._error("label_alpha", "a number in [0, 1]", self.label_alpha)
        weights = ["classify_weight", "magnitude_weight", "rank_weight", "sparsity_weight", "smoothness_weight"]
        self._at_least(0, *weights, "margin", "reach")
        if self.classify_weight + self.rank_weight == 0:
            raise self._error("classify_weight or rank_weight", "above 0, or scores are never trained", 0.0)
        if self.fusion == "gate" and self.global_form == "average":
            raise self._error("global_form", "'module' with fusion='gate': a mean is no gate", self.global_form)


class Ltgs(MilModel):
    """Attention over near clips beside a summary of the whole video, fused; a classifier."""

    def __init__(self, config: LtgsConfig) -> None:
        super().__init__()
        dim = config.input_dim
        self.reach = config.reach
        self.local_module = _local_module(config) if config.local_module else None
        self.global_module = _global_module(config) if config.global_module else None
        self.fusion = None
        if config.fusion == "concatenate":
            self.fusion = nn.Linear(dim * (1 if self.global_module is None else 2), config.fusion_dim)
        self.head = SnippetHead(dim if self.fusion is None else config.fusion_dim, config.dropout)
        initialise(self)

    def forward(self, features: Tensor) -> MilOutput:
        """Score clips ``[B, T, D]``."""
        fused_BTL = self._fused(features)
        logits_BT = self.head(fused_BTL)
        return MilOutput(logits_BT.sigmoid(), logits_BT, features_BTD=fused_BTL)

    def _fused(self, x_BTD: Tensor) -> Tensor:
        """Return the segment representation (section 3): what clips are ranked by and classified on."""
        t_BTD = self._local(x_BTD)
        if self.fusion is None:  # preset gated: ours, one after the other
            gated_BTD: Tensor = t_BTD if self.global_module is None else self.global_module(t_BTD)
            return gated_BTD
        parts = [t_BTD]
        if self.global_module is not None:
            s_BD = self.global_module(x_BTD)
            parts.append(s_BD.unsqueeze(1).expand_as(t_BTD))
        fused_BTL: Tensor = self.fusion(torch.cat(parts, dim=2)).relu()
        return fused_BTL

    def _local(self, x_BTD: Tensor) -> Tensor:
        """Return t(F) (section 3.1), or F where there is no local module."""
        if self.local_module is None:
            return x_BTD
        out_BTD: Tensor = self.local_module(x_BTD, temporal_decay(x_BTD.shape[1], x_BTD, reach=self.reach))
        return out_BTD if isinstance(self.local_module, EncoderLayer) else x_BTD + out_BTD


def _local_module(config: LtgsConfig) -> DecayedAttention | EncoderLayer:
    if config.encoder == "layer":
        return EncoderLayer(
            config.input_dim,
            heads=config.heads,
            head_dim=config.head_dim,
            decay=config.decay,
            feed_forward=config.feed_forward,
            dropout=config.attention_dropout,
        )
    return DecayedAttention(
        config.input_dim,
        heads=config.heads,
        head_dim=config.head_dim,
        decay=config.decay,
        dropout=config.attention_dropout,
    )


def _global_module(config: LtgsConfig) -> nn.Module:
    """Return what maps features to s(F) ``[B, D]`` (section 3.2), or, as a gate, to features."""
    if config.global_form == "average":
        return AverageSummary()
    kind = GlobalModule if config.fusion == "gate" else GlobalSummary
    return kind(config.input_dim, bottleneck=config.bottleneck, full=config.full_global)


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
            chosen_BkL = gather_clips(output.features_BTD, clips_Bk)
            terms["magnitude"] = magnitude(chosen_BkL, labels_B, margin=config.margin, form=config.magnitude_form)
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
