"""MGFN, a baseline: glance at the whole video, then focus on a few clips; lengths of features are contrasted.

Paper: Chen, Liu, Zhang, Fok, Qi & Wu, *MGFN: Magnitude-Contrastive Glance-and-Focus Network for Weakly-Supervised Video
Anomaly Detection*, AAAI 2023; read with the authors' code (``carolchenyx/MGFN.`` at 98e9389e), whose numbers the tests
compare. Choices:

* Feature amplification: a convolution over three clips of the features, and 0.1 of one of their Euclidean lengths.
* Three stages of widths 64, 128 and 1,024, with 3, 3 and 2 blocks; between two stages a norm and a linear map. A block
  adds a convolution over three clips, the stage's aggregation and a feed-forward part. The first stage *glances*:
  self-attention over the video. The others *focus*: a weighted sum over five clips, its weights the same for all
  channels of a head. A head has 64 channels.
* Focus blocks begin with a batch normalisation: in training the videos of a batch see each other (one worker only), and
  the running statistics are the state of this network. The other norms divide by the deviation plus 1e-5.
* Ranking is by the Euclidean length of the features that the classifier sees, after their layer norm. In training 70 %
  of the clips, drawn by chance, have length 0 in the ranking. k = 3 clips speak for a video.
* ``classify`` is the cross-entropy of the mean score of these clips. ``apart`` and ``alike`` (magnitude contrast) look
  at a video as the lengths of its k clips, here sums of absolute values: at least 200 between the i-th anomalous and
  the i-th normal video, and as little as may be between the first and the second half of each class. With the authors'
  ten crops, which are in one batch, halves are of crops of the same videos; with one crop, as here, they are of videos.
  Where a class is of an odd number the last video has no partner.
* ``sparsity`` is the Euclidean length of the scores of all normal videos of a batch, ``smoothness`` the sum of the
  squared steps in time of all videos. Both grow with the batch, as in the code.
* The authors' code trains for 1,000 epochs (of 50 steps on UCF-Crime) and keeps the epoch that is best on test videos;
  here that many steps are made, and validation videos choose.

Axes: B bags, T clips, D features, E features of a stage, I = heads x width of a head, k chosen clips, N of a class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wsvad.models.attention import row_chunks
from wsvad.models.contract import Criterion, Inputs, MilModel, MilOutput, ModelConfig
from wsvad.models.losses import bce_of_mean_score, classes_of, gather_clips, smoothness, top_clips, with_total
from wsvad.models.precision import LogitLayer
from wsvad.models.temporal_conv import TemporalConv


@dataclass(frozen=True)
class MgfnConfig(ModelConfig):
    """Configuration of MGFN."""

    name: ClassVar[str] = "mgfn"
    inputs: ClassVar[Inputs] = "pooled"

    first_dim: int = 64
    """Width of the first stage, which glances, at least 2."""
    second_dim: int = 128
    """Width of the second stage, which focuses, at least 2."""
    third_dim: int = 1024
    """Width of the third stage, which focuses, at least 2."""
    first_blocks: int = 3
    """Blocks of the first stage, 1 to 64."""
    second_blocks: int = 3
    """Blocks of the second stage, 1 to 64."""
    third_blocks: int = 2
    """Blocks of the third stage, 1 to 64."""
    head_dim: int = 64
    """Width of a head, at least 1; a stage has as many heads as fit, at least one."""
    amplification: float = 0.1
    """What the length of features counts beside the features, at least 0."""
    dropout: float = 0.7
    """Share of clips that count as of length 0 when clips are chosen in training, [0, 1)."""
    k: int = 3
    """Clips that speak for a video, at least 1; all of them where a video has fewer."""
    margin: float = 200.0
    """How far apart the lengths of an anomalous and a normal video are to be, at least 0."""
    apart_weight: float = 1e-6
    """Weight of the term that holds the classes apart, at least 0."""
    alike_weight: float = 1e-3
    """Weight of each of the two terms that hold a class together, at least 0."""
    sparsity_weight: float = 8e-3
    """Weight of the length of the normal videos' scores, at least 0."""
    smoothness_weight: float = 8e-4
    """Weight of the sum of squared steps between the clips of all videos, at least 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_at_least(2, "first_dim", "second_dim", "third_dim")
        self._check_layers("first_blocks", "second_blocks", "third_blocks")
        self._check_at_least(1, "head_dim", "k")
        self._check_fraction("dropout")
        self._check_at_least(0, "amplification", "margin", "apart_weight", "alike_weight", "sparsity_weight")
        self._check_at_least(0, "smoothness_weight")


class MgfnParts(NamedTuple):
    """What the criterion needs besides scores and features."""

    ranking_BT: Tensor
    """Lengths that clips are chosen by, at least 0; in training some are 0 by chance."""


class DeviationNorm(nn.Module):
    """A layer norm that divides by the deviation plus a little, and not by the root of the variance plus a little."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x_BTE: Tensor) -> Tensor:
        """Map ``[B, T, E]`` to the same shape."""
        centred_BTE = x_BTE - x_BTE.mean(2, keepdim=True)
        # A root has no slope at 0, where a clip's features are all alike.
        deviation_BT1 = centred_BTE.square().mean(2, keepdim=True).clamp_min(1e-12).sqrt()
        return centred_BTE / (deviation_BT1 + 1e-5) * self.weight + self.bias


class Glance(nn.Module):
    """Self-attention over all clips of a video."""

    def __init__(self, dim: int, head_dim: int) -> None:
        super().__init__()
        self.heads, self.scale = max(1, dim // head_dim), head_dim**-0.5
        self.norm = DeviationNorm(dim)
        self.qkv = nn.Linear(dim, 3 * self.heads * head_dim, bias=False)
        self.out = nn.Linear(self.heads * head_dim, dim)

    def forward(self, x_BTE: Tensor) -> Tensor:
        """Map ``[B, T, E]`` to the same shape; the input is not added."""
        clips = x_BTE.shape[1]
        q, k, v = self.qkv(self.norm(x_BTE)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q_BhTd, k_BhdT = q * self.scale, k.mT
        parts = [
            (q_BhTd[:, :, rows] @ k_BhdT).softmax(3) @ v for rows in row_chunks(clips, len(x_BTE) * self.heads * clips)
        ]
        out_BTE: Tensor = self.out(torch.cat(parts, dim=2).transpose(1, 2).flatten(2))
        return out_BTE


class Focus(nn.Module):
    """A weighted sum over five clips around each, weights by head."""

    def __init__(self, dim: int, head_dim: int) -> None:
        super().__init__()
        self.heads = max(1, dim // head_dim)
        self.norm = nn.BatchNorm1d(dim)
        self.value = nn.Linear(dim, self.heads * head_dim, bias=False)
        self.weights = nn.Conv1d(self.heads, self.heads, kernel_size=5, padding=2, groups=self.heads)
        self.out = nn.Linear(self.heads * head_dim, dim)

    def forward(self, x_BTE: Tensor) -> Tensor:
        """Map ``[B, T, E]`` to the same shape; the input is not added. Beyond a video's ends there are zeros."""
        v_BTI = self.value(self.norm(x_BTE.flatten(0, 1)).view_as(x_BTE))
        v_BIT = v_BTI.mT
        summed_BIT = self.weights(v_BIT.reshape(-1, self.heads, v_BIT.shape[2])).reshape(v_BIT.shape)
        out_BTE: Tensor = self.out(summed_BIT.mT)
        return out_BTE


class Block(nn.Module):
    """A convolution over time, an aggregation over time and a feed-forward part; each is added to what it is given."""

    def __init__(self, dim: int, aggregation: nn.Module) -> None:
        super().__init__()
        self.convolution = TemporalConv(dim, dim, kernel_size=3)
        self.aggregation = aggregation
        self.feed_forward = nn.Sequential(
            DeviationNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)
        )

    def forward(self, x_BTE: Tensor) -> Tensor:
        """Map ``[B, T, E]`` to the same shape."""
        x_BTE = x_BTE + self.convolution(x_BTE)
        x_BTE = x_BTE + self.aggregation(x_BTE)
        out_BTE: Tensor = x_BTE + self.feed_forward(x_BTE)
        return out_BTE


class Mgfn(MilModel):
    """Amplified features through three stages, and a linear classifier."""

    def __init__(self, config: MgfnConfig) -> None:
        super().__init__()
        self.amplification = config.amplification
        first, second, third = dims = config.first_dim, config.second_dim, config.third_dim
        self.tokens = TemporalConv(config.input_dim, first, kernel_size=3)
        self.magnitude = nn.Conv1d(1, first, kernel_size=3, padding=1)
        blocks = config.first_blocks, config.second_blocks, config.third_blocks
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(dim, kind(dim, config.head_dim)) for _ in range(count)))
            for dim, count, kind in zip(dims, blocks, (Glance, Focus, Focus), strict=True)
        )
        self.widen = nn.ModuleList(
            nn.Sequential(DeviationNorm(dim), nn.Linear(dim, wider))
            for dim, wider in ((first, second), (second, third))
        )
        self.norm = nn.LayerNorm(third)
        self.fc = LogitLayer(third, 1)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, features: Tensor) -> MilOutput:
        """Score clips ``[B, T, D]``. In training mode the videos of a batch see each other, in evaluation not."""
        lengths_B1T = torch.linalg.vector_norm(features, dim=2).unsqueeze(1)
        x_BTE: Tensor = self.tokens(features) + self.amplification * self.magnitude(lengths_B1T).mT
        x_BTE = self.stages[0](x_BTE)
        for widen, stage in zip(self.widen, self.stages[1:], strict=True):
            x_BTE = stage(widen(x_BTE))
        x_BTE = self.norm(x_BTE)
        logits_BT = self.fc(x_BTE).squeeze(2)
        ranking_BT = torch.linalg.vector_norm(x_BTE.detach(), dim=2)
        ranking_BT = ranking_BT * self.dropout(torch.ones_like(ranking_BT))
        return MilOutput(logits_BT.sigmoid(), logits_BT, features_BTD=x_BTE, parts=MgfnParts(ranking_BT))


class MgfnCriterion(Criterion):
    """``classify`` + weights x (``apart``, ``alike_anomalous``, ``alike_normal``, ``sparsity``, ``smoothness``)."""

    needs_whole_batch = "mgfn normalises a batch and compares halves of it"

    def __init__(self, config: MgfnConfig) -> None:
        self._config = config

    def __call__(self, output: MilOutput, labels_B: Tensor, soft_labels_BX: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``total`` and its terms."""
        config = self._config
        anomalous, normal = classes_of(labels_B)
        assert isinstance(output.parts, MgfnParts)
        assert output.features_BTD is not None
        clips_Bk = top_clips(output.parts.ranking_BT, config.k)
        lengths_Bk = gather_clips(output.features_BTD, clips_Bk).abs().sum(2)
        apart_N = functional.pairwise_distance(lengths_Bk[anomalous], lengths_Bk[normal])
        terms = {
            "classify": bce_of_mean_score(gather_clips(output.logits_BT, clips_Bk), labels_B),
            "apart": (config.margin - apart_N).relu().square().mean(),
            "alike_anomalous": _alike(lengths_Bk[anomalous]),
            "alike_normal": _alike(lengths_Bk[normal]),
            "sparsity": torch.linalg.vector_norm(output.scores_BT[normal]),
            "smoothness": smoothness(output.scores_BT, kind="squared_sum") * len(labels_B),
        }
        weights = {
            "classify": 1.0,
            "apart": config.apart_weight,
            "alike_anomalous": config.alike_weight,
            "alike_normal": config.alike_weight,
            "sparsity": config.sparsity_weight,
            "smoothness": config.smoothness_weight,
        }
        return with_total(terms, weights)


def _alike(lengths_Nk: Tensor) -> Tensor:
    """Return how far the halves of a class are from each other, squared; 0 where there is one video."""
    half = len(lengths_Nk) // 2
    if not half:
        return lengths_Nk.sum() * 0
    return functional.pairwise_distance(lengths_Nk[half : 2 * half], lengths_Nk[:half]).square().mean()
