"""Training recipe of the embedded backbone, which determines its weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from wsvad.errors import UsageError
from wsvad.options import AnyPositiveFloat, Natural, NaturalFloat, PositiveInt

VAL_SHARDS = 1
"""Number of validation shards, the first ones; they are never trained on and no decision depends on them."""

MAY_BE_ZERO = ("seed", "warmup", "weight_decay", "motion_weight", "labels_weight", "clip_weight", "hidden")


@dataclass(frozen=True)
class PretrainConfig:
    """Training recipe. Workers share its clips and batches, so the number of workers changes the order of clips."""

    seed: Natural = 0
    """seed of the clips, the weights and the order"""
    shards: PositiveInt = 161
    """number of shards of rendered clips; the first is for validation"""
    shard_clips: PositiveInt = 128
    """number of clips per shard"""
    steps: PositiveInt = 3200
    """number of training steps"""
    batch: PositiveInt = 16
    """batch size over all workers, in clips"""
    lr: AnyPositiveFloat = 3e-3
    """peak learning rate, reached after the warmup and decayed to 0 along a cosine"""
    warmup: Natural = 60
    """number of warmup steps"""
    weight_decay: NaturalFloat = 0.02
    """weight decay of AdamW (Loshchilov & Hutter 2019)"""
    gradient_norm: AnyPositiveFloat = 5.0
    """maximum gradient norm; larger gradients are clipped"""
    motion_weight: NaturalFloat = 2.0
    """weight of the loss over motion measures, per cell and window"""
    labels_weight: NaturalFloat = 4.0
    """weight of the loss over labels of each cell"""
    clip_weight: NaturalFloat = 1.0
    """weight of the loss over labels of the whole clip"""
    hidden: NaturalFloat = 0.5
    """fraction of the clips whose last four frames are hidden, 0 to 1; their motion must then be predicted"""
    eval_every: PositiveInt = 100
    """number of steps between evaluations of the validation clips, and between checkpoints"""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < (0 if name in MAY_BE_ZERO else 1e-9):
                raise UsageError(f"{name} of the recipe is too small: {value}")
        if self.hidden > 1:
            raise UsageError(f"hidden must be a fraction of the clips from 0 to 1, got {self.hidden}")
        if self.motion_weight + self.labels_weight + self.clip_weight == 0:
            raise UsageError("one of motion_weight, labels_weight and clip_weight must be above 0")
        if self.shards <= VAL_SHARDS:
            raise UsageError(f"shards must be more than {VAL_SHARDS}, got {self.shards}")
        if self.batch > self.shard_clips:
            raise UsageError(f"batch must be at most shard_clips = {self.shard_clips} clips, got {self.batch}")

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON values."""
        return asdict(self)
