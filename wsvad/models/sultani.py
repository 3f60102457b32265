"""Sultani's multiple instance ranking, the first baseline.

Paper: Sultani, Chen & Shah, *Real-World Anomaly Detection in Surveillance Videos*, CVPR 2018. Choices:

* A bag is a video, its score the maximum over its clips; the hinge has margin 1 (section 3.2, equation 7).
* The paper's code sums the hinge over all pairs of a batch, its ports over aligned pairs. Here it is the mean over
  aligned pairs, which gives the same result for one worker and for several. ``pairs="all"`` is the mean over all pairs
  and requires a single worker.
* Sparsity and smoothness (equation 8) are sums over the clips of an anomalous video, averaged over such videos.
* Features of a segment are scaled to length 1 (section 4.1) after pooling. Without it (``unit_length=False``), large
  features such as I3D's drive the scores of both bags to 1 before anything is learned.
* Any feature dimension is supported: the paper uses C3D's 4096.

Axes: B bags, T clips, D features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from wsvad.models.contract import Criterion, Inputs, MilModel, MilOutput, ModelConfig, Pairs
from wsvad.models.heads import SultaniHead, initialise, unit_length
from wsvad.models.losses import ALL_PAIRS, classes_of, hinge_ranking, smoothness, sparsity, with_total


@dataclass(frozen=True)
class SultaniConfig(ModelConfig):
    """Configuration of Sultani's model."""

    name: ClassVar[str] = "sultani"
    inputs: ClassVar[Inputs] = "pooled"

    dropout: float = 0.6
    """Dropout probability, [0, 1)."""
    pairs: Pairs = "aligned"
    """Which bags the ranking compares."""
    unit_length: bool = True
    """Scale features to length 1."""
    sparsity_weight: float = 8e-5
    """Weight of the sum of an anomalous video's scores, at least 0."""
    smoothness_weight: float = 8e-5
    """Weight of the sum of squared differences between consecutive clips of an anomalous video, at least 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_fraction("dropout")
        self._check_at_least(0, "sparsity_weight", "smoothness_weight")


class Sultani(MilModel):
    """A classifier that scores each clip independently."""

    def __init__(self, config: SultaniConfig) -> None:
        super().__init__()
        self.unit_length = config.unit_length
        self.head = SultaniHead(config.input_dim, config.dropout)
        initialise(self)

    def forward(self, features: Tensor) -> MilOutput:
        """Score clips ``[B, T, D]``."""
        logits_BT = self.head(unit_length(features) if self.unit_length else features)
        return MilOutput(logits_BT.sigmoid(), logits_BT)


class SultaniCriterion(Criterion):
    """``rank`` and weighted ``sparsity`` and ``smoothness``."""

    def __init__(self, config: SultaniConfig) -> None:
        self._config = config
        self.needs_whole_batch = ALL_PAIRS if config.pairs == "all" else ""

    def __call__(self, output: MilOutput, labels_B: Tensor, soft_labels_BX: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``total`` and its terms."""
        config = self._config
        anomalous_BT = output.scores_BT[classes_of(labels_B, paired=False).anomalous]
        terms = {
            "rank": hinge_ranking(output.scores_BT.amax(1), labels_B, pairs=config.pairs),
            "sparsity": sparsity(anomalous_BT, reduce="sum"),
            "smoothness": smoothness(anomalous_BT, kind="squared_sum"),
        }
        weights = {"rank": 1.0, "sparsity": config.sparsity_weight, "smoothness": config.smoothness_weight}
        return with_total(terms, weights)
