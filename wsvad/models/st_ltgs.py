"""ST-LTGS, our own model: LTGS-Net's temporal modelling on ST-MIL's cuboids, with a penalty on spatial spread.

One network scores a clip and its 49 cuboids. From LTGS-Net (Sensors 2025, 25(16), 4884) it takes attention that decays
with distance in time, and dynamic labels; from ST-MIL (arXiv 2605.13746) the cuboids, the maximum over them, and the
region regulariser, which is future work there. Choices:

* Cuboids are first projected to d = 128. All following layers use this width, which takes a fifth of a million
  parameters and less arithmetic than ST-MIL's first layer.
* Attention runs along time at each position, and then over the 3x3 neighbourhood of each position (``neighbours``),
  never over the whole frame: if every cuboid depends on all others, the maximum can be at any position, but its
  position is the localisation result.
* In time it falls to 1/e per clip (``reach``). LTGS-Net's cosine spans the whole video at any length: near the middle
  all clips get more than 0.7 of the weight, which blurs events. Decay is ``additive``: a distant clip gets a weight
  near 0, whereas the elementwise product of LTGS-Net gives it a logit of 0.
* There is no position encoding, so the layout of a camera cannot be memorised. ``background="subtract"`` also subtracts
  the video's mean at each position, which is the background of a fixed camera.
* LTGS-Net's module over the whole video is optional, ``global_module``. A summary of the whole video identifies
  recordings, which makes it easy to memorise a small training set. Without it scores on unseen sources are equally good
  in time and better in space (docs/results/survfight.md).
* Training uses the mean logit of a clip's top ``cuboids`` positions, since an event covers several; the score of a clip
  is the maximum, as in every cuboid model.
* Clips are ranked by that logit, not by feature length, which is meaningless after layer normalisation.
* ``prior`` adds one input channel to a cuboid's logit: what the backbone says about it without weak labels. The
  network's own part starts at 0 and learns to correct the prior.
* ``region`` is the spatial variance of an anomalous clip's scores: it is 0 for one cuboid and large for two distant
  regions.

Axes: B bags, T clips, K cuboids, C features, D = d projected features, k selected clips.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from wsvad.models.attention import Decay, DecayedAttention, DecayMatrix, GlobalModule, temporal_decay
from wsvad.models.contract import Criterion, Inputs, LabelIndex, MilModel, MilOutput, ModelConfig
from wsvad.models.heads import initialise
from wsvad.models.losses import (
    bce_topk,
    classes_of,
    gather_clips,
    grid_side,
    hinge_ranking,
    region_spread,
    smoothness,
    soft_targets,
    sparsity,
    top_clips,
    with_total,
)
from wsvad.models.precision import LogitLayer


@dataclass(frozen=True)
class StLtgsConfig(ModelConfig):
    """Configuration of ST-LTGS."""

    name: ClassVar[str] = "st_ltgs"
    inputs: ClassVar[Inputs] = "cuboids"
    added: ClassVar[frozenset[str]] = ModelConfig.added | {"prior"}

    dim: int = 128
    """d, the width of the network, at least 1."""
    background: Literal["keep", "subtract"] = "keep"
    """Whether the video's mean at each position is subtracted."""
    local_module: bool = True
    """Use attention along time at each position."""
    neighbours: bool = True
    """Use attention over the neighbours of each position."""
    global_module: bool = False
    """Gate features with a summary of the whole video, as in LTGS-Net."""
    heads: int = 4
    """Attention heads, at least 1."""
    head_dim: int = 32
    """Width of a head, at least 1."""
    decay: Decay = "additive"
    """How attention decays with distance in time; over the frame it is always ``additive``."""
    reach: float = 1.0
    """Number of clips over which attention falls to 1/e, at least 0; 0 is LTGS-Net's cosine over the whole video."""
    prior: int = -1
    """Input channel that is added to the logits, with a learned weight that starts at 1; -1 for none. Channel 8 of
    ``i3d-compact`` is its answer ``fight``."""
    attention_dropout: float = 0.1
    """Dropout probability of attention weights, [0, 1)."""
    dropout: float = 0.5
    """Dropout probability of the classifier, [0, 1)."""
    k: int = 3
    """Number of top clips that represent a video, at least 1; at most all of its clips are used."""
    cuboids: int = 3
    """Number of top cuboids that represent a clip in training, at least 1; at most all of its cuboids are used."""
    dynamic_labels: bool = True
    """Use soft labels that follow the model as classification targets; otherwise the video's label."""
    label_index: LabelIndex = "rank"
    """What a soft label refers to."""
    label_alpha: float = 0.9
    """Weight of the old label in the new one, [0, 1]; 0 is a hard update."""
    label_period: int = 500
    """Steps between updates of the labels, at least 1."""
    classify_weight: float = 1.0
    """Weight of the cross-entropy on the top k clips, at least 0."""
    rank_weight: float = 1.0
    """Weight of the hinge between the best cuboids of a pair of videos, at least 0."""
    sparsity_weight: float = 8e-4
    """Weight of the mean cuboid score of anomalous videos, at least 0."""
    smoothness_weight: float = 2e-5
    """Weight of the mean absolute difference in time at each position of anomalous videos, at least 0."""
    region_weight: float = 0.1
    """Weight of the spatial spread of an anomalous video's scores, at least 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_at_least(1, "dim", "heads", "head_dim", "k", "cuboids", "label_period")
        self._check_fraction("attention_dropout", "dropout")
        if not -1 <= self.prior < self.input_dim:
            raise self._error("prior", f"-1 or a channel from 0 to {self.input_dim - 1}", self.prior)
        if not 0 <= self.label_alpha <= 1:
            raise self._error("label_alpha", "a number in [0, 1]", self.label_alpha)
        self._check_at_least(
            0, "reach", "classify_weight", "rank_weight", "sparsity_weight", "smoothness_weight", "region_weight"
        )
        if self.classify_weight + self.rank_weight == 0:
            raise self._error("classify_weight or rank_weight", "above 0, or scores are never trained", 0.0)


def neighbour_decay(cuboids: int, like: Tensor) -> DecayMatrix:
    """Return the decay over the frame: the cosine decay along both axes, 0 outside the 3x3 neighbourhood.

    Raises:
        ValueError: ``cuboids`` is not a square number.
    """
    side = grid_side(cuboids)
    axis = torch.arange(side, device=like.device)
    places_K2 = torch.cartesian_prod(axis, axis)
    steps_KK2 = (places_K2.unsqueeze(1) - places_K2).abs()
    decay_KK = torch.cos(steps_KK2 * (math.pi / (2 * side))).prod(2) * (steps_KK2.amax(2) <= 1)
    decay_KK = decay_KK.to(like.dtype)
    return DecayMatrix(lambda rows, columns: decay_KK[rows, columns], cuboids)


class StLtgs(MilModel):
    """Project, attend along time, attend to neighbours, classify each cuboid."""

    def __init__(self, config: StLtgsConfig) -> None:
        super().__init__()
        dim = config.dim
        self.subtract, self.reach = config.background == "subtract", config.reach
        self.project = nn.Linear(config.input_dim, dim)
        self.time_norm, self.time = None, None
        self.space_norm, self.space = None, None
        if config.local_module:
            self.time_norm, self.time = nn.LayerNorm(dim), _attention(config, config.decay)
        if config.neighbours:
            self.space_norm, self.space = nn.LayerNorm(dim), _attention(config, "additive")
        self.global_module = GlobalModule(dim, bottleneck=max(1, dim // 4)) if config.global_module else None
        last = LogitLayer(dim, 1)
        self.head = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(inplace=True), nn.Dropout(config.dropout), last)
        initialise(self)
        self.prior = config.prior
        self.prior_weight = nn.Parameter(torch.ones(())) if config.prior >= 0 else None
        if self.prior_weight is not None:
            nn.init.zeros_(last.weight)

    def forward(self, features: Tensor) -> MilOutput:
        """Score cuboids ``[B, T, K, C]``; K must be a square number."""
        bags, clips, cuboids, _ = features.shape
        x_BTKD = self.project(features)
        if self.subtract:
            x_BTKD = x_BTKD - x_BTKD.mean(1, keepdim=True)
        x_BTKD = x_BTKD.relu()
        if self.time is not None and self.time_norm is not None:
            along_time = self.time_norm(x_BTKD).transpose(1, 2).flatten(0, 1)
            attended = self.time(along_time, temporal_decay(clips, x_BTKD, reach=self.reach))
            x_BTKD = x_BTKD + attended.unflatten(0, (bags, cuboids)).transpose(1, 2)
        if self.space is not None and self.space_norm is not None:
            attended = self.space(self.space_norm(x_BTKD).flatten(0, 1), neighbour_decay(cuboids, x_BTKD))
            x_BTKD = x_BTKD + attended.unflatten(0, (bags, clips))
        if self.global_module is not None:
            x_BTKD = self.global_module(x_BTKD.flatten(1, 2)).unflatten(1, (clips, cuboids))
        cuboid_logits_BTK = self.head(x_BTKD).squeeze(3)
        if self.prior_weight is not None:
            cuboid_logits_BTK = cuboid_logits_BTK + self.prior_weight * features[..., self.prior]
        logits_BT = cuboid_logits_BTK.amax(2)
        return MilOutput(
            scores_BT=logits_BT.sigmoid(),
            logits_BT=logits_BT,
            cuboid_scores_BTK=cuboid_logits_BTK.sigmoid(),
            cuboid_logits_BTK=cuboid_logits_BTK,
        )


def _attention(config: StLtgsConfig, decay: Decay) -> DecayedAttention:
    return DecayedAttention(
        config.dim, heads=config.heads, head_dim=config.head_dim, decay=decay, dropout=config.attention_dropout
    )


class StLtgsCriterion(Criterion):
    """Weighted ``classify``, ``rank``, ``sparsity``, ``smoothness`` and ``region``; terms of weight 0 are omitted."""

    def __init__(self, config: StLtgsConfig) -> None:
        self._config = config
        self.label_index = config.label_index if config.dynamic_labels and config.classify_weight else None

    def __call__(self, output: MilOutput, labels_B: Tensor, soft_labels_BX: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``total`` and its terms."""
        config = self._config
        assert output.cuboid_scores_BTK is not None
        anomalous_BTK = output.cuboid_scores_BTK[classes_of(labels_B).anomalous]
        terms: dict[str, Tensor] = {}
        if config.classify_weight:
            logits_BT = self._clip_logits(output)
            clips_Bk = top_clips(logits_BT.detach(), config.k)
            targets_Bk = soft_targets(labels_B, clips_Bk, soft_labels_BX, self.label_index)
            terms["classify"] = bce_topk(gather_clips(logits_BT, clips_Bk), targets_Bk.to(logits_BT))
        if config.rank_weight:
            terms["rank"] = hinge_ranking(output.scores_BT.amax(1), labels_B)
        if config.sparsity_weight:
            terms["sparsity"] = sparsity(anomalous_BTK, reduce="mean")
        if config.smoothness_weight:
            terms["smoothness"] = smoothness(anomalous_BTK, kind="absolute_mean")
        if config.region_weight:
            terms["region"] = region_spread(anomalous_BTK)
        return with_total(terms, {name: getattr(config, f"{name}_weight") for name in terms})

    @torch.no_grad()
    def label_predictions(self, output: MilOutput) -> Tensor:
        """Return the scores of the top k clips in order of rank, or of all segments."""
        if self.label_index is None:
            return super().label_predictions(output)
        scores_BT = self._clip_logits(output).sigmoid()
        if self.label_index == "segment":
            return scores_BT
        return gather_clips(scores_BT, top_clips(scores_BT, self._config.k))

    def _clip_logits(self, output: MilOutput) -> Tensor:
        """Return ``[B, T]``: the mean logit of each clip's top cuboids."""
        assert output.cuboid_logits_BTK is not None
        cuboids = min(self._config.cuboids, output.cuboid_logits_BTK.shape[2])
        best_BT: Tensor = output.cuboid_logits_BTK.topk(cuboids, dim=2).values.mean(2)
        return best_BT
