"""What the weights depend on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from wsvad.errors import UsageError
from wsvad.options import AnyPositiveFloat, Natural, NaturalFloat, PositiveInt

VAL_SHARDS = 1
"""Shards, the first ones, that nothing is trained on: what they show decides nothing, either."""

MAY_BE_NOUGHT = ("seed", "warmup", "weight_decay", "motion_weight", "labels_weight", "clip_weight", "hidden")


@dataclass(frozen=True)
class PretrainConfig:
    """A recipe. Several workers share its clips and batches: another number of them is another order of clips."""

    seed: Natural = 0
    """of the clips, the weights and the order"""
    shards: PositiveInt = 161
    """of rendered clips; the first is for validation"""
    shard_clips: PositiveInt = 128
    """clips in a shard"""
    steps: PositiveInt = 3200
    """updates of the weights"""
    batch: PositiveInt = 16
    """clips a step, of all workers together"""
    lr: AnyPositiveFloat = 3e-3
    """highest learning rate: reached after the warmup, and led to 0 along a cosine"""
    warmup: Natural = 60
    """steps until the highest learning rate is reached"""
    weight_decay: NaturalFloat = 0.02
    """of AdamW (Loshchilov & Hutter 2019)"""
    gradient_norm: AnyPositiveFloat = 5.0
    """longest gradient; longer ones are shortened"""
    motion_weight: NaturalFloat = 2.0
    """of the loss over measures of motion, in each cell and window"""
    labels_weight: NaturalFloat = 4.0
    """of the loss over labels of each cell"""
    clip_weight: NaturalFloat = 1.0
    """of the loss over what is asked of the whole clip"""
    hidden: NaturalFloat = 0.5
    """share of the clips whose last four frames are hidden, 0 to 1: how things move in them must then be foretold"""
    eval_every: PositiveInt = 100
    """steps between looks at the validation clips, and between saved states"""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < (0 if name in MAY_BE_NOUGHT else 1e-9):
                raise UsageError(f"{name} of a recipe is too small: {value}")
        if self.hidden > 1:
            raise UsageError(f"hidden is a share of the clips, got {self.hidden}")
        if self.motion_weight + self.labels_weight + self.clip_weight == 0:
            raise UsageError("nothing is asked: one of motion_weight, labels_weight and clip_weight must be above 0")
        if self.shards <= VAL_SHARDS:
            raise UsageError(f"expected more than {VAL_SHARDS} shards, got {self.shards}")
        if self.batch > self.shard_clips:
            raise UsageError(f"expected a batch of at most {self.shard_clips} clips, a shard's, got {self.batch}")

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON values."""
        return asdict(self)
