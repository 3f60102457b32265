"""How to train; what a model's paper says about it is the model's recipe."""

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any

from wsvad.errors import UsageError
from wsvad.models.names import Recipe
from wsvad.options import AnyPositiveFloat, Natural, NaturalFloat, Number, Option, PositiveInt, SmallInt

MAX_HELD = 1 << 16
"""Pairs of a batch, and segments of a video, at most: they are in memory at once."""


_OF_THE_RECIPE = Option(show_default=lambda _: "the model's recipe")


@dataclass(frozen=True)
class CurveConfig:
    """Of a training run, what several models that are compared share."""

    steps: Annotated[PositiveInt, _OF_THE_RECIPE] = 15_000
    """updates of the weights"""
    pairs: Annotated[SmallInt, _OF_THE_RECIPE] = 32
    """anomalous videos a step, all workers together, and as many normal ones"""
    lr: Annotated[AnyPositiveFloat, _OF_THE_RECIPE] = 1e-3
    """learning rate of Adam"""
    weight_decay: Annotated[NaturalFloat, _OF_THE_RECIPE] = 5e-3
    """L2 penalty that the optimiser adds to gradients"""
    segments: SmallInt = 32
    """segments that the clips of a training video are pooled to"""
    eval_every: PositiveInt = 100
    """steps between evaluations on the validation videos; the last step is always evaluated"""
    patience: Natural = 0
    """evaluations without a better AUC after which training stops; 0: never"""
    val_fraction: Number = 0.1
    """share of the training videos to hold out where the manifest has no split val, below 1; 0: none"""
    val_seed: Natural = 0
    """of the choice of the videos to hold out, below 2**32: runs of other seeds select on the same ones"""


@dataclass(frozen=True)
class TrainConfig(CurveConfig):
    """Everything that the curve of a training run depends on, besides model, data and number of workers."""

    seed: Natural = 0
    """of initial weights, batches and dropout; below 2**32"""
    save_every: PositiveInt = 500
    """steps between states that a killed run resumes from"""
    keep: PositiveInt = 2
    """states that are kept"""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(field.default, int) and (type(value) is not int or value.bit_length() > 63):
                raise UsageError(f"{field.name} must be a whole number of at most 64 bits, got {value!r:.80}")
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
        recipe: of a model and preset, see ``wsvad.models.registry.default_recipe``.
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


def given(config: CurveConfig, names: Collection[str]) -> dict[str, Any]:
    """Return the training options that somebody gave, by name: all others are left to the model's recipe."""
    return {field.name: getattr(config, field.name) for field in fields(config) if field.name in names}
