"""How to train; what a model's paper says about it is the model's recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from wsvad.errors import UsageError
from wsvad.models.contract import Recipe

MAX_HELD = 1 << 16
"""Pairs of a batch, and segments of a video, at most: they are in memory at once."""


@dataclass(frozen=True)
class TrainConfig:
    """Everything that the curve of a training run depends on, besides model, data and number of workers."""

    steps: int = 15_000
    """Updates of the weights, at least 1."""
    pairs: int = 32
    """Anomalous videos a step, all workers together, and as many normal ones; at least 1."""
    segments: int = 32
    """Segments that the clips of a training video are pooled to, at least 1."""
    lr: float = 1e-3
    """Learning rate of Adam, above 0."""
    weight_decay: float = 5e-3
    """L2 penalty that the optimiser adds to gradients, at least 0."""
    seed: int = 0
    """Of initial weights, batches and dropout; 0 to 2**32 - 1."""
    val_seed: int = 0
    """Of the choice of validation videos where the manifest has none: runs of other seeds select on the same ones."""
    eval_every: int = 100
    """Steps between evaluations on the validation videos, at least 1; the last step is always evaluated."""
    patience: int = 0
    """Evaluations without a better AUC after which training stops; 0: never."""
    save_every: int = 500
    """Steps between states that a killed run resumes from, at least 1."""
    keep: int = 2
    """States that are kept, at least 1."""
    val_fraction: float = 0.1
    """Share of the training videos that is held out where the manifest has no split ``val``; 0: none, below 1."""

    def __post_init__(self) -> None:
        for name in ("steps", "pairs", "segments", "eval_every", "save_every", "keep"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("pairs", "segments"):
            if getattr(self, name) > MAX_HELD:
                raise UsageError(f"{name} must be at most {MAX_HELD}, got {getattr(self, name)}")
        if self.patience < 0:
            raise UsageError(f"patience must be at least 0, got {self.patience}")
        if not (0 < self.lr < math.inf):
            raise UsageError(f"lr must be above 0 and finite, got {self.lr}")
        if not (0 <= self.weight_decay < math.inf):
            raise UsageError(f"weight_decay must be at least 0 and finite, got {self.weight_decay}")
        for name in ("seed", "val_seed"):
            if not 0 <= getattr(self, name) < 2**32:
                raise UsageError(f"{name} must be 0 to {2**32 - 1}, got {getattr(self, name)}")
        if not 0 <= self.val_fraction < 1:
            raise UsageError(f"val_fraction must be at least 0 and below 1, got {self.val_fraction}")

    def to_dict(self) -> dict[str, Any]:
        """Return the options as JSON values; no ``val_seed`` where it is 0, as in runs of versions that had none."""
        return {name: value for name, value in asdict(self).items() if name != "val_seed" or value}


def train_config(recipe: Recipe, given: Mapping[str, Any] | None = None) -> TrainConfig:
    """Return the training options of a model's recipe, with those that were ``given`` in their place.

    Args:
        recipe: of a model and preset, see ``wsvad.models.choose.default_recipe``.
        given: options by name; ``None`` as a value means not given.

    Raises:
        UsageError: an unknown option, or a value out of its range.
    """
    chosen = {name: value for name, value in (given or {}).items() if value is not None}
    known = {f.name for f in fields(TrainConfig)}
    unknown = sorted(chosen.keys() - known)
    if unknown:
        raise UsageError(f"unknown training options: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    defaults = {
        "steps": recipe.steps,
        "pairs": recipe.pairs,
        "lr": recipe.learning_rate,
        "weight_decay": recipe.weight_decay,
    }
    return TrainConfig(**{**defaults, **chosen})
