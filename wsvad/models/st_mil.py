"""ST-MIL: weakly supervised anomaly detection in time and space, by ranking cuboids.

Paper: Gianchandani, Tirupattur & Shah, *Weakly-Supervised Spatiotemporal Anomaly Detection*, arXiv 2605.13746 (2026).
The paper leaves much open. Choices:

* An instance is a cuboid: one of 7x7 positions of a clip, a vector of C features (528 of RGB I3D's ``Mixed_4e``, or
  1056 with a flow stream). Sultani's classifier scores each one independently.
* A bag is a whole video, T x K instances (``bag="video"``): an anomalous video does contain an anomalous cuboid.
  ``bag="clip"`` is the literal reading, K instances of one clip, but most clips of an anomalous video contain none.
* The score of a bag is the maximum over its instances; the hinge with margin 1 compares aligned pairs (for clips,
  the clips of a pair at equal positions).
* Sparsity and smoothness are Sultani's, sums over the cuboids of an anomalous video; their weights are 0 by default,
  because the paper has none.
* Dropout uses one mask for all cuboids of a video (``dropout_mask``): with Sultani's per-instance masks, the maximum
  over 1,568 instances instead of 32 is that of the luckiest mask, and many seeds learn nothing.
* The paper's future work is available as options: ``region_weight`` penalises scores that are spread over the frame,
  ``pooling="attention"`` pools bags by gated attention (Ilse, Tomczak & Welling, ICML 2018, equation 9).
* The score of a clip is the maximum over its cuboids.

Axes: B bags, T clips, K cuboids, C features, H hidden features, X bags of a video (1 or T).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from wsvad.models.contract import Criterion, Inputs, MilModel, MilOutput, ModelConfig, Pairs
from wsvad.models.heads import SultaniHead, initialise, unit_length
from wsvad.models.losses import ALL_PAIRS, classes_of, hinge_ranking, region_spread, smoothness, sparsity, with_total

Bag = Literal["video", "clip"]
Pooling = Literal["max", "attention"]
DropoutMask = Literal["video", "instance"]


@dataclass(frozen=True)
class StMilConfig(ModelConfig):
    """Configuration of ST-MIL."""

    name: ClassVar[str] = "st_mil"
    inputs: ClassVar[Inputs] = "cuboids"

    bag: Bag = "video"
    """What a bag contains: all cuboids of a video, or those of one clip."""
    pooling: Pooling = "max"
    """How instances are pooled into the score of a bag."""
    attention_dim: int = 128
    """Width of the gated attention, at least 1; unused with ``pooling="max"``."""
    dropout: float = 0.6
    """Dropout probability, [0, 1)."""
    dropout_mask: DropoutMask = "video"
    """Use one dropout mask for all cuboids of a video, or one per cuboid."""
    pairs: Pairs = "aligned"
    """Which bags the ranking compares."""
    unit_length: bool = True
    """Scale the features of a cuboid to length 1, as in Sultani et al."""
    margin: float = 1.0
    """Margin between the scores of an anomalous and a normal bag, above 0."""
    sparsity_weight: float = 0.0
    """Weight of the sum of an anomalous video's cuboid scores, at least 0."""
    smoothness_weight: float = 0.0
    """Weight of the sum of squared differences in time of an anomalous video's cuboid scores, at least 0."""
    region_weight: float = 0.0
    """Weight of the spatial spread of an anomalous video's scores, at least 0; K must be a square number."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_fraction("dropout")
        self._check_at_least(1, "attention_dim")
        self._check_at_least(0, "sparsity_weight", "smoothness_weight", "region_weight")
        self._check_at_least(1e-6, "margin")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings, without ``margin`` if it is 1, as in runs and checkpoints of earlier versions."""
        return {name: value for name, value in super().to_dict().items() if name != "margin" or value != 1.0}


class GatedAttention(nn.Module):
    """Gated attention pooling with weights ``softmax(w · (tanh(V h) ⊙ sigmoid(U h)))``."""

    def __init__(self, hidden_dim: int, attention_dim: int) -> None:
        super().__init__()
        self.content = nn.Linear(hidden_dim, attention_dim)
        self.gate = nn.Linear(hidden_dim, attention_dim)
        # A bias would shift all instances of a bag equally, which does not change the softmax.
        self.weight = nn.Linear(attention_dim, 1, bias=False)

    def forward(self, hidden_XIH: Tensor) -> Tensor:
        """Pool the instances I of each bag, ``[…, I, H]`` to ``[…, H]``."""
        gated = self.content(hidden_XIH).tanh() * self.gate(hidden_XIH).sigmoid()
        weights_X1I = self.weight(gated).softmax(-2).transpose(-1, -2)
        pooled: Tensor = (weights_X1I @ hidden_XIH).squeeze(-2)
        return pooled


class StMil(MilModel):
    """A classifier that scores each cuboid independently."""

    def __init__(self, config: StMilConfig) -> None:
        super().__init__()
        self.bag, self.unit_length = config.bag, config.unit_length
        self.head = SultaniHead(config.input_dim, config.dropout, shared_dropout=config.dropout_mask == "video")
        self.attention = (
            GatedAttention(SultaniHead.hidden_dim, config.attention_dim) if config.pooling == "attention" else None
        )
        initialise(self)

    def forward(self, features: Tensor) -> MilOutput:
        """Score cuboids ``[B, T, K, C]``."""
        hidden_BTKH = self.head.hidden(unit_length(features) if self.unit_length else features)
        cuboid_logits_BTK = self.head.classify(hidden_BTKH)
        logits_BT = cuboid_logits_BTK.amax(2)
        bag_logits_BX = None
        if self.attention is not None:
            instances_BXIH = hidden_BTKH if self.bag == "clip" else hidden_BTKH.flatten(1, 2).unsqueeze(1)
            bag_logits_BX = self.head.classify(self.attention(instances_BXIH))
        return MilOutput(
            scores_BT=logits_BT.sigmoid(),
            logits_BT=logits_BT,
            cuboid_scores_BTK=cuboid_logits_BTK.sigmoid(),
            cuboid_logits_BTK=cuboid_logits_BTK,
            bag_logits_BX=bag_logits_BX,
        )


class StMilCriterion(Criterion):
    """``rank`` and weighted ``sparsity``, ``smoothness`` and ``region``; terms of weight 0 are omitted."""

    def __init__(self, config: StMilConfig) -> None:
        self._config = config
        self.needs_whole_batch = ALL_PAIRS if config.pairs == "all" else ""

    def __call__(self, output: MilOutput, labels_B: Tensor, soft_labels_BX: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``total`` and its terms."""
        config = self._config
        terms = {"rank": hinge_ranking(self._bag_scores(output), labels_B, pairs=config.pairs, margin=config.margin)}
        assert output.cuboid_scores_BTK is not None
        anomalous_BTK = output.cuboid_scores_BTK[classes_of(labels_B, paired=False).anomalous]
        if config.sparsity_weight:
            terms["sparsity"] = sparsity(anomalous_BTK, reduce="sum")
        if config.smoothness_weight:
            terms["smoothness"] = smoothness(anomalous_BTK, kind="squared_sum")
        if config.region_weight:
            terms["region"] = region_spread(anomalous_BTK)
        weights = {
            "rank": 1.0,
            "sparsity": config.sparsity_weight,
            "smoothness": config.smoothness_weight,
            "region": config.region_weight,
        }
        return with_total(terms, weights)

    def _bag_scores(self, output: MilOutput) -> Tensor:
        """Return the scores of bags, ``[B, X]``."""
        if output.bag_logits_BX is not None:
            return output.bag_logits_BX.sigmoid()
        return output.scores_BT if self._config.bag == "clip" else output.scores_BT.amax(1, keepdim=True)
