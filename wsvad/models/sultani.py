"""Sultani's multiple instance ranking, the first baseline.

Paper: Sultani, Chen & Shah, *Real-World Anomaly Detection in Surveillance Videos*, CVPR 2018. Choices:

* A bag is a video, its score the maximum over its clips; the hinge has margin 1 (section 3.2, equation 7).
* The paper's code adds the hinge up over all pairs of a batch, its ports over aligned pairs. Here it is a mean over
  aligned pairs, because that one is the same for one worker and for several; ``pairs="all"`` gives the other (its
  mean, too), to one worker only.
* Sparsity and smoothness (equation 8) are sums over the clips of an anomalous video, then a mean over such videos.
* Features have length 1 (section 4.1), here those of a segment, after pooling. Without it (``unit_length=False``)
  features as large as I3D's drive the scores of both bags to 1 before anything is learned.
* Any feature may come in: the paper's are C3D's 4096.

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
    """Share of units left out in training, [0, 1)."""
    pairs: Pairs = "aligned"
    """Which bags the ranking compares."""
    unit_length: bool = True
    """Whether features are scaled to length 1 first."""
    sparsity_weight: float = 8e-5
    """Weight of the sum of an anomalous video's scores, at least 0."""
    smoothness_weight: float = 8e-5
    """Weight of the sum of squared steps between an anomalous video's clips, at least 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._share("dropout")
        self._at_least(0, "sparsity_weight", "smoothness_weight")


class Sultani(MilModel):
    """A classifier that looks at each clip alone."""

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
    """``rank`` + weights x (``sparsity``, ``smoothness``)."""

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
