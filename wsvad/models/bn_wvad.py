"""BN-WVAD, a baseline: what is far from the mean of a batch normalisation is anomalous.

Paper: Zhou, Qu, Xu, Shen, Song & Shen, *BatchNorm-based Weakly Supervised Video Anomaly Detection*, IEEE TCSVT 2024,
arXiv 2311.15367; read with the authors' code (``cool-xuan/BN-WVAD`` at 4fa3a5df), whose numbers the tests compare.
Choices:

* The encoder is UR-DMU's (``gl_attention``), without dropout. The classifier is three fully connected layers (to 32,
  16 and 1 units) with a batch normalisation and a ReLU after each of the first two.
* A clip's *divergence* at such a layer is its Mahalanobis distance from the running mean, with the running variances;
  those of after the batch, and without a gradient. Running statistics are the state of this network: training moves
  them, evaluation only reads them.
* ``normal`` is the Euclidean length of the classifier's scores of a normal video, mean over videos. No label says that
  a clip is anomalous: the classifier is taught by normal videos alone, and by what divergence does to the layers.
* ``first`` and ``second`` are the hinges at the two layers (weights 5 and 20): a chosen clip of an anomalous video is
  to diverge by 1 more than one of a normal video. Chosen are the 20 % of a video that diverge most and the 40 % of all
  anomalous clips of the batch that do. Against them stand as many clips of the normal videos, the most divergent of
  each video first. Which stands against which is by their order, as in the code.
* Both the statistics and the second choice are of the whole batch: one worker only.
* The paper's anomaly score is the sum of both divergences times the classifier's score, which has no upper bound. Here
  it is ``s / (1 + s)``, which ranks alike.
* At least one clip of a video and one of a batch are chosen, where the code chooses none of fewer than five. Variances
  below 1e-6 count as that.
* The authors train on 200 segments a video (``--segments 200``) and cut gradients to length 1, which is not done here.
  Their code is that for XD-Violence.

Axes: B bags, T clips, D features, E encoded features, N videos of a class, F features of a layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wsvad.models.contract import Criterion, Inputs, MilModel, MilOutput, ModelConfig
from wsvad.models.gl_attention import GlobalLocalEncoder
from wsvad.models.losses import classes_of, top_clips, with_total
from wsvad.models.precision import LogitLayer

_LEAST_VARIANCE = 1e-6


@dataclass(frozen=True)
class BnWvadConfig(ModelConfig):
    """Configuration of BN-WVAD."""

    name: ClassVar[str] = "bn_wvad"
    inputs: ClassVar[Inputs] = "pooled"

    dim: int = 512
    """E, width of encoded features, at least 1."""
    layers: int = 2
    """Layers of attention, 1 to 64."""
    heads: int = 4
    """Attention heads, at least 1."""
    head_dim: int = 128
    """Width of a head, at least 1."""
    feed_forward: int = 512
    """Hidden units of a layer's feed-forward part, at least 1."""
    dropout: float = 0.0
    """Share of the encoder's units left out in training, [0, 1)."""
    first_dim: int = 32
    """Width of the first layer that is normalised, at least 1."""
    second_dim: int = 16
    """Width of the second one, at least 1."""
    video_share: float = 0.2
    """Share of an anomalous video's clips that are chosen, [0, 1)."""
    batch_share: float = 0.4
    """Share of the anomalous clips of a batch that are chosen, [0, 1)."""
    margin: float = 1.0
    """By how much more they are to diverge, at least 0."""
    first_weight: float = 5.0
    """Weight of the hinge at the first layer, at least 0."""
    second_weight: float = 20.0
    """Weight of the hinge at the second layer, at least 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_layers("layers")
        self._check_at_least(1, "dim", "heads", "head_dim", "feed_forward", "first_dim", "second_dim")
        self._check_fraction("dropout", "video_share", "batch_share")
        self._check_at_least(0, "margin", "first_weight", "second_weight")


class BnWvadParts(NamedTuple):
    """What the criterion needs besides scores."""

    classifier_scores_BT: Tensor
    """[0, 1]."""
    first_divergence_BT: Tensor
    """At least 0."""
    second_divergence_BT: Tensor
    """At least 0."""


class DivergenceLayer(nn.Module):
    """A fully connected layer, batch normalisation and a ReLU; and how far each clip is from the mean."""

    def __init__(self, input_dim: int, dim: int) -> None:
        super().__init__()
        self.fc = nn.Linear(input_dim, dim)
        self.norm = nn.BatchNorm1d(dim)

    def forward(self, x_BTE: Tensor) -> tuple[Tensor, Tensor]:
        """Map ``[B, T, E]`` to features ``[B, T, F]`` and divergences ``[B, T]``."""
        x_BTF = self.fc(x_BTE)
        features_BTF: Tensor = self.norm(x_BTF.flatten(0, 1)).view_as(x_BTF).relu()
        mean_F, variance_F = self.norm.running_mean, self.norm.running_var
        assert mean_F is not None
        assert variance_F is not None
        scaled_BTF = (x_BTF - mean_F) / variance_F.clamp_min(_LEAST_VARIANCE).sqrt()
        divergence_BT: Tensor = torch.linalg.vector_norm(scaled_BTF, dim=2)
        return features_BTF, divergence_BT


class BnWvad(MilModel):
    """An encoder, and a classifier whose normalisation says how unusual a clip is."""

    def __init__(self, config: BnWvadConfig) -> None:
        super().__init__()
        self.encoder = GlobalLocalEncoder(
            config.input_dim,
            config.dim,
            layers=config.layers,
            heads=config.heads,
            head_dim=config.head_dim,
            feed_forward=config.feed_forward,
            dropout=config.dropout,
        )
        self.first = DivergenceLayer(config.dim, config.first_dim)
        self.second = DivergenceLayer(config.first_dim, config.second_dim)
        self.last = LogitLayer(config.second_dim, 1)

    def forward(self, features: Tensor) -> MilOutput:
        """Score clips ``[B, T, D]``. In training mode the videos of a batch see each other, in evaluation not."""
        x_BTF, first_BT = self.first(self.encoder(features))
        x_BTF, second_BT = self.second(x_BTF)
        classified_BT = self.last(x_BTF).squeeze(2)
        divergence_BT = (first_BT + second_BT).clamp_min(torch.finfo(first_BT.dtype).tiny)
        logits_BT = divergence_BT.log() + functional.logsigmoid(classified_BT)
        parts = BnWvadParts(classified_BT.sigmoid(), first_BT, second_BT)
        return MilOutput(logits_BT.sigmoid(), logits_BT, parts=parts)


class BnWvadCriterion(Criterion):
    """``normal`` + weights x (``first``, ``second``)."""

    needs_whole_batch = "bn_wvad normalises a batch and chooses clips among all of it"

    def __init__(self, config: BnWvadConfig) -> None:
        self._config = config

    def __call__(self, output: MilOutput, labels_B: Tensor, soft_labels_BX: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``total`` and its terms."""
        config, parts = self._config, output.parts
        assert isinstance(parts, BnWvadParts)
        normal_NT = parts.classifier_scores_BT[classes_of(labels_B).normal]
        terms = {
            "normal": torch.linalg.vector_norm(normal_NT, dim=1).mean(),
            "first": self._hinge(parts.first_divergence_BT, labels_B),
            "second": self._hinge(parts.second_divergence_BT, labels_B),
        }
        weights = {"normal": 1.0, "first": config.first_weight, "second": config.second_weight}
        return with_total(terms, weights)

    def _hinge(self, divergence_BT: Tensor, labels_B: Tensor) -> Tensor:
        """Compare chosen clips of anomalous videos with as many of normal ones."""
        config, (anomalous, normal) = self._config, classes_of(labels_B)
        above_NT, below_NT = divergence_BT[anomalous], divergence_BT[normal]
        videos, clips = above_NT.shape
        chosen_NT = torch.zeros_like(above_NT, dtype=torch.bool)
        chosen_NT.scatter_(1, top_clips(above_NT, max(1, int(clips * config.video_share))), True)
        of_batch = above_NT.flatten().topk(max(1, int(videos * clips * config.batch_share))).indices
        chosen_NT.view(-1)[of_batch] = True
        above_X = above_NT[chosen_NT]
        of_each = min(clips, len(above_X) // videos + 1)
        below_X = below_NT.topk(of_each, dim=1).values.mT.flatten()[: len(above_X)]
        return (below_X - above_X + config.margin).relu().mean()
