"""LTGS-Net: local temporal attention next to a global module, with magnitude ranking and dynamic labels.

Paper: *LTGS-Net: Local Temporal and Global Spatial Network for Weakly Supervised Video Anomaly Detection*, Sensors
2025, 25(16), 4884. The paper contradicts itself in places. This implementation decides as follows (modules are in
``attention``, labels in ``dynamic_labels``; docs/papers.md lists every statement with its test):

* ``score = sigmoid(MLP([t(F); s(F)]))`` (section 3): both modules take the features F. Their outputs, ``s(F)`` of the
  video and ``t(F)`` of each clip, are concatenated and fused to ``L = ReLU(FC(2D -> 2048)([t; s]))``, the first of the
  "fully connected layers having 2048, 512 and 128 nodes" (section 4.2). Clips are ranked by the length of L, which is
  computed before any dropout; dropout belongs to the following layers.
* The first version of this model was our own: the global module as a gate on the output of attention, ``x (1 + g)``,
  followed by 512, 128 and 1 units. The preset ``gated`` reproduces it bit for bit; ``gated_local`` also has our
  attention.
* ``t(F)`` is attention with an output projection, plus F (sections 3.1 and 4.2); the preset ``encoder_layer`` uses a
  full Transformer layer. Without a local module it is F. Without a global module, L depends on ``[t]`` only;
  ``average_global`` uses the mean over T, which has no parameters.
* k = 3 (section 4.2), not 8 (section 3.4, preset ``k8``); RTFM's 32 // 10 is also 3.
* ``L = L_cls + 1e-4 L_mag + L_rank + λ1 L_spa + λ2 L_tem``; each term can be disabled. The printed sum omits the
  classification loss, without which dynamic labels have no effect; the preset ``paper_eq`` is the printed one.
* Of the two losses attributed to RTFM, the magnitude term is RTFM's (margin 100) and the hinge is Sultani's (margin 1,
  on the maximum score of a video). Both are implemented, each with its weight. The magnitude is printed without RTFM's
  square: preset ``printed_magnitude``.
* ``L_cls`` is binary cross-entropy on the top k clips with soft targets. ``L_spa`` is the mean of the scores and
  ``L_tem`` the mean absolute difference between consecutive clips, of anomalous videos, never across videos.
  λ1 = 8e-4 and λ2 = 2e-5 (the exponents are lost in print).
* Soft labels refer to ranks (Algorithm 1) or, with ``label_index="segment"``, to segments. The best-ranked clip of an
  anomalous video always has label 1.
* The paper calls its attention local, but its cosine keeps a weight of 0.7 for a clip that is half a video away. The
  preset ``local`` is our own: an exponential with a reach of two clips, added to the logits
  (docs/results/survfight.md).
* 16 heads x 128 = 2048 for any D. There are no normalisation layers except in ``encoder_layer``, because the length of
  features carries information.

Axes: B bags, T clips, D features, L = ``fusion_dim`` fused features, k selected clips.
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
    """How the outputs of the modules are combined: concatenated and fused by a layer (as in the paper), or gated."""
    fusion_dim: int = 2048
    """Width of the segment representation L, at least 1; unused with ``fusion="gate"``."""
    local_module: bool = True
    """Use local temporal attention; otherwise the features themselves."""
    encoder: Literal["attention", "layer"] = "attention"
    """Form of the local module: attention with a residual sum, or a full Transformer layer."""
    feed_forward: int = 2048
    """Hidden units of the Transformer layer, at least 1; unused with ``encoder="attention"``."""
    global_module: bool = True
    """Use the global module; otherwise it is omitted."""
    global_form: Literal["module", "average"] = "module"
    """Form of the global module: the paper's, or the mean over a video's clips (not with ``fusion="gate"``)."""
    heads: int = 16
    """Attention heads, at least 1."""
    head_dim: int = 128
    """Width of a head, at least 1."""
    decay: Decay = "elementwise"
    """How attention decays with distance in time."""
    reach: float = 0.0
    """Number of clips over which attention falls to 1/e, at least 0; 0 is the paper's cosine over the whole video."""
    attention_dropout: float = 0.1
    """Dropout probability of attention weights (and of a Transformer layer's outputs), [0, 1)."""
    bottleneck: int = 112
    """Width of the global module's MLP, at least 1; unused with ``full_global``. With 112 the module has 1.7 % of the
    parameters for D = 1024 and D = 2048, the fraction reported in the paper."""
    full_global: bool = False
    """Use square matrices in the global module instead of diagonal ones and a bottleneck."""
    dropout: float = 0.7
    """Dropout probability of the classifier, [0, 1)."""
    k: int = 3
    """Number of top clips that represent a video, at least 1; at most all of its clips are used."""
    dynamic_labels: bool = True
    """Use soft labels that follow the model as classification targets; otherwise the video's label."""
    label_index: LabelIndex = "rank"
    """What a soft label refers to."""
    label_alpha: float = 0.9
    """Weight of the old label in the new one, [0, 1]; 0 is a hard update."""
    label_period: int = 500
    """Steps between updates of the labels, at least 1: 500 for UCF-Crime, 1000 for ShanghaiTech."""
    classify_weight: float = 1.0
    """Weight of the cross-entropy on the top k clips, at least 0."""
    magnitude_weight: float = 1e-4
    """Weight of the magnitude term, at least 0."""
    magnitude_form: MagnitudeForm = "rtfm"
    """RTFM's squared term, or the absolute value printed in LTGS-Net."""
    rank_weight: float = 1.0
    """Weight of the hinge, at least 0."""
    sparsity_weight: float = 8e-4
    """λ1, weight of the mean score of anomalous videos, at least 0."""
    smoothness_weight: float = 2e-5
    """λ2, weight of the mean absolute difference between consecutive clips of anomalous videos, at least 0."""
    margin: float = 100.0
    """Target length of anomalous features, at least 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_at_least(1, "fusion_dim", "feed_forward", "heads", "head_dim", "bottleneck", "k", "label_period")
        self._check_fraction("attention_dropout", "dropout")
        if not 0 <= self.label_alpha <= 1:
            raise self._error("label_alpha", "a number in [0, 1]", self.label_alpha)
        weights = ["classify_weight", "magnitude_weight", "rank_weight", "sparsity_weight", "smoothness_weight"]
        self._check_at_least(0, *weights, "margin", "reach")
        if self.classify_weight + self.rank_weight == 0:
            raise self._error("classify_weight or rank_weight", "above 0, or scores are never trained", 0.0)
        if self.fusion == "gate" and self.global_form == "average":
            raise self._error("global_form", "'module' with fusion='gate'", self.global_form)


class Ltgs(MilModel):
    """Local attention and a summary of the whole video, fused, followed by a classifier."""

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
        """Return the segment representation (section 3), which ranks clips and is classified."""
        t_BTD = self._local(x_BTD)
        if self.fusion is None:  # preset gated: our variant, with the modules in sequence
            gated_BTD: Tensor = t_BTD if self.global_module is None else self.global_module(t_BTD)
            return gated_BTD
        parts = [t_BTD]
        if self.global_module is not None:
            s_BD = self.global_module(x_BTD)
            parts.append(s_BD.unsqueeze(1).expand_as(t_BTD))
        fused_BTL: Tensor = self.fusion(torch.cat(parts, dim=2)).relu()
        return fused_BTL

    def _local(self, x_BTD: Tensor) -> Tensor:
        """Return t(F) (section 3.1), or F without a local module."""
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
    """Return the module that maps features to s(F) ``[B, D]`` (section 3.2), or the gate that maps them to features."""
    if config.global_form == "average":
        return AverageSummary()
    kind = GlobalModule if config.fusion == "gate" else GlobalSummary
    return kind(config.input_dim, bottleneck=config.bottleneck, full=config.full_global)


class LtgsCriterion(Criterion):
    """Weighted ``classify``, ``magnitude``, ``rank``, ``sparsity``, ``smoothness``; terms of weight 0 are omitted."""

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
