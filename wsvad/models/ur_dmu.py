"""UR-DMU, a baseline: what is normal and what is not are looked up in two memories.

Paper: Zhou, Yu & Yang, *Dual Memory Units with Uncertainty Regulation for Weakly Supervised Video Anomaly Detection*,
AAAI 2023; read with the authors' code (``henrryzh1/UR-DMU`` at 40cfdf52), whose numbers the tests compare. Choices:

* Features go through the encoder of ``gl_attention``. A memory is 60 vectors; a clip's weights on them are sigmoids of
  the scaled dot products, what it recalls is their weighted sum, and how well it *matches* is the mean of its highest
  weights (60 // 16 + 1 = 4).
* ``score = sigmoid(MLP([x; μ(recall of anomalies) + μ(recall of normality)]))``, with one linear map μ for both. In
  training, what normal videos recall of normality is drawn from a normal distribution of mean μ and a variance that a
  second map gives (uncertainty regulation). The network cannot know which videos are normal, so it gives the score with
  and without the draw, and the criterion takes the one that goes with the label.
* ``classify`` is the cross-entropy of the mean of the highest scores, of one clip in 16 and one more. The memory terms
  (``anomalous_in_anomalous`` and so on, video in memory) are cross-entropies of the match: with 1 for normal videos in
  the memory of normality, in every clip, and 0 in that of anomalies; with 1 for the best clips of an anomalous video in
  the memory of anomalies, and with 0 for its worst ones in that of normality. They have weight 0.1 each.
* ``triplet`` has the clips of an anomalous video that match normality close to those of a normal video, and those that
  match anomalies far from them, margin 1, on vectors of length 1. ``distance`` is the hinge on lengths of what they
  recall, margin 100. Both are over aligned pairs.
* ``divergence`` is Kullback and Leibler's of the draw from the standard normal distribution, of normal videos. The
  code adds it up over the T clips and takes the mean over features; the usual form, over features and clips, is the
  other way about. As in the code: with more segments it weighs more.
* The authors train with 200 segments a video (``--segments 200``; ours are 32 unless told otherwise) and with each of
  ten crops as a video of its own. Weights start as PyTorch has them, as theirs do.

Axes: B bags, T clips, D features, E encoded features, k chosen clips, M vectors of a memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wsvad.models.contract import Criterion, Inputs, MilModel, MilOutput, ModelConfig
from wsvad.models.gl_attention import GlobalLocalEncoder
from wsvad.models.losses import bce_of_mean_score, classes_of, gather_clips, top_clips, with_total
from wsvad.models.precision import LogitLayer


@dataclass(frozen=True)
class UrDmuConfig(ModelConfig):
    """Configuration of UR-DMU."""

    name: ClassVar[str] = "ur_dmu"
    inputs: ClassVar[Inputs] = "pooled"

    dim: int = 512
    """E, width of encoded features and of what the memories hold, at least 1."""
    layers: int = 2
    """Layers of attention, 1 to 64."""
    heads: int = 4
    """Attention heads, at least 1."""
    head_dim: int = 128
    """Width of a head, at least 1."""
    feed_forward: int = 512
    """Hidden units of a layer's feed-forward part, at least 1."""
    dropout: float = 0.5
    """Share of the encoder's units left out in training, [0, 1)."""
    anomalous_slots: int = 60
    """Vectors in the memory of anomalies, at least 1."""
    normal_slots: int = 60
    """Vectors in the memory of normality, at least 1."""
    noise: float = 1.0
    """Deviations by which what normal videos recall is drawn in training, at least 0; 0 draws nothing."""
    one_in: int = 16
    """Of a video's T clips, T // one_in + 1 speak for it; at least 1. Of the vectors of a memory, too."""
    memory_weight: float = 0.1
    """Weight of each of the four memory terms, at least 0."""
    triplet_weight: float = 0.1
    """Weight of the triplet term, at least 0."""
    divergence_weight: float = 1e-3
    """Weight of the divergence, at least 0."""
    distance_weight: float = 1e-4
    """Weight of the distance term, at least 0."""
    triplet_margin: float = 1.0
    """By how much more the anomalous clips are to be away, at least 0."""
    margin: float = 100.0
    """By how much longer what anomalous clips recall is to be, at least 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_layers("layers")
        self._check_at_least(1, "dim", "heads", "head_dim", "feed_forward", "anomalous_slots", "normal_slots", "one_in")
        self._check_fraction("dropout")
        self._check_at_least(0, "noise", "memory_weight", "triplet_weight", "divergence_weight", "distance_weight")
        self._check_at_least(0, "triplet_margin", "margin")


class UrDmuParts(NamedTuple):
    """What the criterion needs besides scores, for videos of either class."""

    encoded_BTE: Tensor
    anomalous_match_BT: Tensor
    """How well clips match the memory of anomalies, [0, 1]."""
    normal_match_BT: Tensor
    """How well they match that of normality, [0, 1]."""
    anomalous_recall_BTE: Tensor
    """μ of what they recall of anomalies."""
    normal_mean_BTE: Tensor
    """μ of what they recall of normality."""
    normal_log_variance_BTE: Tensor
    drawn_recall_BTE: Tensor
    """Drawn around ``normal_mean_BTE`` in training; else the same."""
    drawn_logits_BT: Tensor
    """Logits with what was drawn."""


class Memory(nn.Module):
    """Vectors that clips are compared with, and made of."""

    def __init__(self, slots: int, dim: int, one_in: int) -> None:
        super().__init__()
        self.best = min(slots, slots // one_in + 1)
        self.vectors_ME = nn.Parameter(torch.empty(slots, dim).uniform_(-(dim**-0.5), dim**-0.5))

    def forward(self, x_BTE: Tensor) -> tuple[Tensor, Tensor]:
        """Return how well clips match ``[B, T]``, and what they recall ``[B, T, E]``."""
        weights_BTM = (x_BTE @ self.vectors_ME.mT * x_BTE.shape[2] ** -0.5).sigmoid()
        return weights_BTM.topk(self.best, dim=2).values.mean(2), weights_BTM @ self.vectors_ME


class UrDmu(MilModel):
    """An encoder, two memories, and a classifier on features and what they recall."""

    hidden_dim = 128

    def __init__(self, config: UrDmuConfig) -> None:
        super().__init__()
        dim = config.dim
        self.noise = config.noise
        self.encoder = GlobalLocalEncoder(
            config.input_dim,
            dim,
            layers=config.layers,
            heads=config.heads,
            head_dim=config.head_dim,
            feed_forward=config.feed_forward,
            dropout=config.dropout,
        )
        self.anomalous_memory = Memory(config.anomalous_slots, dim, config.one_in)
        self.normal_memory = Memory(config.normal_slots, dim, config.one_in)
        self.mean = nn.Linear(dim, dim)
        self.log_variance = nn.Linear(dim, dim)
        self.head = nn.Sequential(nn.Linear(2 * dim, self.hidden_dim), nn.ReLU(), LogitLayer(self.hidden_dim, 1))

    def forward(self, features: Tensor) -> MilOutput:
        """Score clips ``[B, T, D]``."""
        x_BTE = self.encoder(features)
        anomalous_match_BT, recall_BTE = self.anomalous_memory(x_BTE)
        anomalous_BTE = self.mean(recall_BTE)
        normal_match_BT, recall_BTE = self.normal_memory(x_BTE)
        mean_BTE, log_variance_BTE = self.mean(recall_BTE), self.log_variance(recall_BTE)
        logits_BT = self._classify(x_BTE, anomalous_BTE + mean_BTE)
        drawn_BTE, drawn_logits_BT = mean_BTE, logits_BT
        if self.training and self.noise:
            deviation_BTE = self.noise * (log_variance_BTE / 2).exp()
            drawn_BTE = mean_BTE + deviation_BTE * torch.randn_like(deviation_BTE)
            drawn_logits_BT = self._classify(x_BTE, anomalous_BTE + drawn_BTE)
        parts = UrDmuParts(
            x_BTE,
            anomalous_match_BT,
            normal_match_BT,
            anomalous_BTE,
            mean_BTE,
            log_variance_BTE,
            drawn_BTE,
            drawn_logits_BT,
        )
        return MilOutput(logits_BT.sigmoid(), logits_BT, parts=parts)

    def _classify(self, x_BTE: Tensor, recall_BTE: Tensor) -> Tensor:
        logits_BT1: Tensor = self.head(torch.cat([x_BTE, recall_BTE], dim=2))
        return logits_BT1.squeeze(2)


class UrDmuCriterion(Criterion):
    """``classify`` + weights x (four memory terms, ``triplet``, ``divergence``, ``distance``)."""

    def __init__(self, config: UrDmuConfig) -> None:
        self._config = config

    def __call__(self, output: MilOutput, labels_B: Tensor, soft_labels_BX: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``total`` and its terms."""
        config, parts = self._config, output.parts
        assert isinstance(parts, UrDmuParts)
        anomalous, normal = classes_of(labels_B)
        logits_BT = torch.where((labels_B == 1).unsqueeze(1), output.logits_BT, parts.drawn_logits_BT)
        above_NT, below_NT = parts.anomalous_match_BT[anomalous], parts.normal_match_BT[anomalous]
        memory = {
            "anomalous_in_anomalous": _match_term(self._best(above_NT).mean(1), 1.0),
            "anomalous_in_normal": _match_term(self._best(1 - below_NT).mean(1), 1.0),
            "normal_in_normal": _match_term(parts.normal_match_BT[normal], 1.0),
            "normal_in_anomalous": _match_term(parts.anomalous_match_BT[normal], 0.0),
        }
        terms = {"classify": bce_of_mean_score(self._best(logits_BT), labels_B), **memory}
        terms |= self._pair_terms(parts, labels_B)
        mean_NTE, log_variance_NTE = parts.normal_mean_BTE[normal], parts.normal_log_variance_BTE[normal]
        surplus_NTE = 1 + log_variance_NTE - mean_NTE.square() - log_variance_NTE.exp()
        terms["divergence"] = -surplus_NTE.sum(1).mean() / 2
        weights = {"classify": 1.0, **dict.fromkeys(memory, config.memory_weight)}
        weights |= {name: getattr(config, f"{name}_weight") for name in ("triplet", "divergence", "distance")}
        return with_total(terms, weights)

    def _pair_terms(self, parts: UrDmuParts, labels_B: Tensor) -> dict[str, Tensor]:
        """Compare the i-th anomalous and the i-th normal video."""
        config, (anomalous, normal) = self._config, classes_of(labels_B)
        clips = _count(parts.encoded_BTE.shape[1], config.one_in)
        odd_Nk = top_clips(parts.anomalous_match_BT[anomalous], clips)
        plain_Nk = top_clips(parts.normal_match_BT[anomalous], clips)
        anchor_Nk = top_clips(parts.normal_match_BT[normal], clips)
        encoded_NTE = parts.encoded_BTE[anomalous]
        anchor_NE = _direction(parts.encoded_BTE[normal], anchor_Nk)
        plain_NE, odd_NE = _direction(encoded_NTE, plain_Nk), _direction(encoded_NTE, odd_Nk)
        odd_recall_NE = gather_clips(parts.anomalous_recall_BTE[anomalous], odd_Nk).mean(1)
        anchor_recall_NE = gather_clips(parts.drawn_recall_BTE[normal], anchor_Nk).mean(1)
        return {
            "triplet": functional.triplet_margin_loss(anchor_NE, plain_NE, odd_NE, margin=config.triplet_margin),
            "distance": (config.margin - odd_recall_NE.norm(dim=1) + anchor_recall_NE.norm(dim=1)).relu().mean(),
        }

    def _best(self, values_BT: Tensor) -> Tensor:
        return values_BT.topk(_count(values_BT.shape[1], self._config.one_in), dim=1).values


def _count(clips: int, one_in: int) -> int:
    return min(clips, clips // one_in + 1)


def _direction(x_NTE: Tensor, clips_Nk: Tensor) -> Tensor:
    """Return the mean of chosen clips, scaled to length 1."""
    return functional.normalize(gather_clips(x_NTE, clips_Nk).mean(1), dim=1)


def _match_term(match_X: Tensor, target: float) -> Tensor:
    return functional.binary_cross_entropy(match_X, torch.full_like(match_X, target))
