"""What every model is to the rest of the program: a configuration, a network, a criterion.

Axes, here and in every file of this unit: B bags (videos), T clips or segments in time, K cuboids of a clip (49, row by
row from the top left), D pooled features, C cuboid features, k chosen clips of a bag, N training videos. A *score* is a
probability of being anomalous in [0, 1]; a *logit* is the same before the sigmoid.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, get_args, get_origin, get_type_hints

from torch import Tensor, nn

from wsvad.errors import UsageError

MAX_SETTING = 1 << 20
"""Of a whole number among the settings: more of anything cannot be meant."""

MAX_LAYERS = 64
"""Of a number of layers: each costs time before its size can be known."""

Inputs = Literal["pooled", "cuboids"]
LabelIndex = Literal["rank", "segment"]
Pairs = Literal["aligned", "all"]


class MilOutput(NamedTuple):
    """What a model says about a batch. All float, on the input's device."""

    scores_BT: Tensor
    """``[B, T]`` in [0, 1]; for cuboid models the maximum over a clip's cuboids."""
    logits_BT: Tensor
    """``[B, T]``; ``scores_BT`` is its sigmoid."""
    cuboid_scores_BTK: Tensor | None = None
    """``[B, T, K]`` in [0, 1]; cuboid models only."""
    cuboid_logits_BTK: Tensor | None = None
    """``[B, T, K]``; cuboid models only."""
    features_BTD: Tensor | None = None
    """``[B, T, D]``: the features whose magnitude ranks clips (RTFM, LTGS-Net), not bounded."""
    bag_logits_BX: Tensor | None = None
    """``[B, X]``: one logit a bag, where a model pools bags itself instead of by maximum: X = 1 (video) or T (clip)."""
    parts: tuple[Tensor, ...] | None = None
    """What a model's own criterion needs besides: a ``NamedTuple`` of the model's file, each of it ``[B, ...]``."""


@dataclass(frozen=True)
class ModelConfig:
    """Base of the configurations: one frozen dataclass a model, complete, checked when made.

    Raises:
        UsageError: a value of another type, of no such choice, or out of its range.
    """

    name: ClassVar[str]
    """The model's name on the command line and in checkpoints."""
    inputs: ClassVar[Inputs]
    """What ``forward`` takes: ``pooled`` ``[B, T, D]`` or ``cuboids`` ``[B, T, K, C]``."""
    remedy: ClassVar[str] = "train again"
    """What to do with a checkpoint of an earlier version of the model, which has other settings."""

    input_dim: int
    """D or C, at least 1: 1024 or 528 (Inception), 2048 (ResNet-50 or two streams), 1056 (two streams), any other."""

    def __post_init__(self) -> None:
        self._check_types()
        self._at_least(1, "input_dim")

    def to_dict(self) -> dict[str, Any]:
        """Return every field and ``name`` as plain JSON values; ``config_from_dict`` is the inverse."""
        return {"name": self.name, **dataclasses.asdict(self)}

    def _check_types(self) -> None:
        hints = get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value, wanted = getattr(self, field.name), hints[field.name]
            if get_origin(wanted) is Literal:
                if value not in get_args(wanted):
                    raise self._error(field.name, f"one of {', '.join(map(str, get_args(wanted)))}", value)
            elif wanted is float and type(value) is int:
                object.__setattr__(self, field.name, float(value))
            elif type(value) is not wanted:
                raise self._error(field.name, f"a value of type {wanted.__name__}", value)
            if type(value) is int and abs(value) > MAX_SETTING:
                raise self._error(field.name, f"at most {MAX_SETTING}", value)

    def _at_least(self, bound: float, *names: str) -> None:
        for name in names:
            if not bound <= getattr(self, name) < float("inf"):
                raise self._error(name, f"a finite number of at least {bound:g}", getattr(self, name))

    def _layers(self, *names: str) -> None:
        for name in names:
            if not 1 <= getattr(self, name) <= MAX_LAYERS:
                raise self._error(name, f"in 1..{MAX_LAYERS}", getattr(self, name))

    def _share(self, *names: str) -> None:
        for name in names:
            if not 0 <= getattr(self, name) < 1:
                raise self._error(name, "a number in [0, 1)", getattr(self, name))

    def _error(self, name: str, expected: str, got: object) -> UsageError:
        return UsageError(f"model {self.name}: {name} must be {expected}, got {got!r}")


class MilModel(nn.Module, ABC):
    """Base of the networks. In evaluation the same features give the same output, whatever came before.

    There is no state but parameters and the running statistics of a batch normalisation, which training moves.
    """

    @abstractmethod
    def forward(self, features: Tensor) -> MilOutput:
        """Score every clip of every bag.

        Args:
            features: float32 ``[B, T, D]`` or ``[B, T, K, C]`` as the configuration's ``inputs`` says, any T of at
                least 1. Bags do not see each other, but in training where a model normalises a batch.
        """


class Criterion(ABC):
    """Base of the losses that go with a model. Holds no state, looks at labels and never at the place in a batch.

    Every term is a mean over the bags of a class or over pairs, so that the mean of the gradients of equal shares of a
    batch (as many anomalous and normal bags in each, pairs kept together) is the gradient of the whole batch. For
    exceptions see ``needs_whole_batch``.
    """

    needs_whole_batch: str = ""
    """Why shares of a batch do not average to it, so that one worker must do: what the model does, as a clause. Empty
    where they do."""

    label_index: LabelIndex | None = None
    """What the columns of soft labels stand for; None where the model uses none."""

    @abstractmethod
    def __call__(self, output: MilOutput, labels_B: Tensor, soft_labels_BX: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``total``, to be minimised, and each term of it by name, before its weight; all scalars.

        Args:
            output: of the model, in training mode.
            labels_B: ``[B]``, 1 for an anomalous video and 0 for a normal one, of any dtype. The i-th anomalous bag and
                the i-th normal one are a pair.
            soft_labels_BX: ``[B, k]`` (``rank``) or ``[B, T]`` (``segment``) from ``DynamicLabels.targets``, or None
                for hard labels.

        Raises:
            ValueError: a class is missing, labels are not 0 or 1, or classes differ in number where bags are paired.
        """

    def label_predictions(self, output: MilOutput) -> Tensor:
        """Return the scores ``[B, k]`` or ``[B, T]`` that refresh soft labels; the output is of evaluation mode.

        Raises:
            ValueError: the model uses no soft labels.
        """
        raise ValueError(f"{type(self).__name__} uses no soft labels")
