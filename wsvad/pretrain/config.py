"""What the weights depend on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from wsvad.errors import UsageError

VAL_SHARDS = 1
"""Shards, the first ones, that nothing is trained on: what they show decides nothing, either."""

MAY_BE_NOUGHT = ("seed", "warmup", "weight_decay", "motion_weight", "labels_weight", "clip_weight", "hidden")


@dataclass(frozen=True)
class PretrainConfig:
    """A recipe. Several workers share its clips and batches: another number of them is another order of clips."""

    seed: int = 0
    """Of the clips, the weights and the order."""
    shards: int = 161
    """Shards of rendered clips, the one for validation among them."""
    shard_clips: int = 128
    """Clips in a shard."""
    steps: int = 3200
    """Updates of the weights."""
    batch: int = 16
    """Clips a step, of all workers together."""
    lr: float = 3e-3
    """Highest learning rate: reached after ``warmup`` steps, and led to 0 along a cosine."""
    warmup: int = 60
    weight_decay: float = 0.02
    """Of AdamW (Loshchilov & Hutter 2019)."""
    gradient_norm: float = 5.0
    """Longest gradient; longer ones are shortened."""
    motion_weight: float = 2.0
    """Of the loss over measures of motion, in each cell and window; at least 0."""
    labels_weight: float = 4.0
    """Of the loss over labels of each cell; at least 0."""
    clip_weight: float = 1.0
    """Of the loss over what is asked of the whole clip; at least 0."""
    hidden: float = 0.5
    """Share of the clips whose last four frames are hidden, [0, 1]: how things move in them must then be foretold."""
    eval_every: int = 100
    """Steps between looks at the validation clips, and between saved states."""

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
