"""Training options. Defaults of a model come from its recipe, i.e. from its paper."""

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, get_args

from wsvad.backbones.names import Precision
from wsvad.errors import UsageError
from wsvad.models.names import Recipe
from wsvad.options import AnyPositiveFloat, Natural, NaturalFloat, Number, Option, PositiveInt, SmallInt

MAX_IN_MEMORY = 1 << 16
"""Maximum number of pairs per batch, and of segments per video, because they are in memory at the same time."""


LATER: Mapping[str, Any] = {"val_seed": 0, "precision": "fp32"}
"""Options that earlier versions did not have, with their defaults. Records without them are equal to the default."""
_ALWAYS = object()
_RECIPE_DEFAULT = Option(show_default=lambda _: "the model's recipe")


@dataclass(frozen=True)
class CurveConfig:
    """Training options that are shared by models that are compared."""

    steps: Annotated[PositiveInt, _RECIPE_DEFAULT] = 15_000
    """number of weight updates"""
    pairs: Annotated[SmallInt, _RECIPE_DEFAULT] = 32
    """anomalous videos per step over all workers; the number of normal videos is the same"""
    lr: Annotated[AnyPositiveFloat, _RECIPE_DEFAULT] = 1e-3
    """learning rate of Adam"""
    weight_decay: Annotated[NaturalFloat, _RECIPE_DEFAULT] = 5e-3
    """weight decay (L2 penalty added to the gradients)"""
    precision: Precision = "fp32"
    """precision of layers in training; bf16 is faster on processors and GPUs that multiply it in hardware. Weights,
    logits, losses and scores are fp32 in both cases"""
    segments: SmallInt = 32
    """number of segments that the clips of a training video are pooled to"""
    eval_every: PositiveInt = 100
    """steps between evaluations on the validation videos; the last step is always evaluated"""
    patience: Natural = 0
    """number of evaluations without improvement of the AUC before training stops; 0 disables early stopping"""
    val_fraction: Number = 0.1
    """fraction of the training videos held out for validation if the manifest has no split val, below 1; 0 for none"""
    val_seed: Natural = 0
    """seed of the choice of held-out videos, below 2**32; independent of --seed, so that runs use the same videos"""


@dataclass(frozen=True)
class TrainConfig(CurveConfig):
    """All options that the training curve depends on, except model, data and number of workers."""

    seed: Natural = 0
    """seed of initial weights, batches and dropout, below 2**32"""
    save_every: PositiveInt = 500
    """steps between saved states, from which a killed run resumes"""
    keep: PositiveInt = 2
    """number of saved states to keep"""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(field.default, int) and (type(value) is not int or value.bit_length() > 63):
                raise UsageError(f"{field.name} must be a whole number of at most 64 bits, got {value!r:.80}")
        for name in ("steps", "pairs", "segments", "eval_every", "save_every", "keep"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("pairs", "segments"):
            if getattr(self, name) > MAX_IN_MEMORY:
                raise UsageError(f"{name} must be at most {MAX_IN_MEMORY}, got {getattr(self, name)}")
        if self.patience < 0:
            raise UsageError(f"patience must be at least 0, got {self.patience}")
        if not (0 < self.lr < math.inf):
            raise UsageError(f"lr must be above 0 and finite, got {self.lr}")
        if not (0 <= self.weight_decay < math.inf):
            raise UsageError(f"weight_decay must be at least 0 and finite, got {self.weight_decay}")
        if self.precision not in get_args(Precision):
            raise UsageError(f"precision must be one of {', '.join(get_args(Precision))}, got {self.precision!r}")
        for name in ("seed", "val_seed"):
            if not 0 <= getattr(self, name) < 2**32:
                raise UsageError(f"{name} must be 0 to {2**32 - 1}, got {getattr(self, name)}")
        if not 0 <= self.val_fraction < 1:
            raise UsageError(f"val_fraction must be at least 0 and below 1, got {self.val_fraction}")

    def to_dict(self) -> dict[str, Any]:
        """Return the options as JSON values; options of later versions (``LATER``) only if they are not the default."""
        return {name: value for name, value in asdict(self).items() if value != LATER.get(name, _ALWAYS)}


def train_config(recipe: Recipe, given: Mapping[str, Any] | None = None) -> TrainConfig:
    """Return the training options of a model's recipe, overridden by those in ``given``.

    Args:
        recipe: recipe of a model and preset, see ``wsvad.models.registry.default_recipe``.
        given: options by name; ``None`` values are ignored.

    Raises:
        UsageError: an unknown option, or a value out of range.
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
    """Return the training options whose names are in ``names``; all others come from the model's recipe."""
    return {field.name: getattr(config, field.name) for field in fields(config) if field.name in names}
