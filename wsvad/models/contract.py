"""Interface of models: configuration, network and criterion.

Axes, here and in every module of this package: B bags (videos), T clips or segments in time, K cuboids of a clip (49,
in row-major order from the top left), D pooled features, C cuboid features, k selected clips of a bag, N training
videos. A *score* is a probability of being anomalous in [0, 1]; a *logit* is its value before the sigmoid.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, get_args, get_origin, get_type_hints

from torch import Tensor, nn

from wsvad.errors import UsageError

MAX_SETTING = 1 << 20
"""Maximum of an integer setting; larger values are typing errors."""
MAX_SMOOTH = 63
"""Maximum number of clips in the moving average of scores: about 40 s at 25 frames/s and stride 16."""

MAX_LAYERS = 64
"""Of a number of layers: each costs time before its size can be known."""

Inputs = Literal["pooled", "cuboids"]
LabelIndex = Literal["rank", "segment"]
Pairs = Literal["aligned", "all"]


class MilOutput(NamedTuple):
    """Output of a model for a batch. All tensors are float, on the input's device."""

    scores_BT: Tensor
    """``[B, T]`` in [0, 1]; for cuboid models the maximum over a clip's cuboids."""
    logits_BT: Tensor
    """``[B, T]``; ``scores_BT`` is its sigmoid."""
    cuboid_scores_BTK: Tensor | None = None
    """``[B, T, K]`` in [0, 1]; cuboid models only."""
    cuboid_logits_BTK: Tensor | None = None
    """``[B, T, K]``; cuboid models only."""
    features_BTD: Tensor | None = None
    """``[B, T, D]``, unbounded: the features whose magnitude ranks clips (RTFM, LTGS-Net)."""
    bag_logits_BX: Tensor | None = None
    """``[B, X]``: one logit per bag, for models with their own bag pooling instead of the maximum; X = 1 or T."""
    parts: tuple[Tensor, ...] | None = None
    """Further tensors ``[B, ...]`` for the model's own criterion: a ``NamedTuple`` of the model's file."""


@dataclass(frozen=True)
class ModelConfig:
    """Base class of configurations: one frozen dataclass per model, validated when created.

    Raises:
        UsageError: a value has a wrong type, is not one of the choices, or is out of range.
    """

    name: ClassVar[str]
    """Name of the model on the command line and in checkpoints."""
    inputs: ClassVar[Inputs]
    """Input of ``forward``: ``pooled`` ``[B, T, D]`` or ``cuboids`` ``[B, T, K, C]``."""
    added: ClassVar[frozenset[str]] = frozenset({"smooth_clips"})
    """Fields that checkpoints of earlier versions do not have."""
    remedy: ClassVar[str] = "train again"
    """Advice for checkpoints of an earlier version of the model with other settings."""

    input_dim: int
    """D or C, at least 1: 1024 or 528 (Inception), 2048 (ResNet-50 or two streams), 1056 (two streams), or others."""
    smooth_clips: int = 1
    """Number of clips over which logits are averaged when a video is scored, odd, from 1 (off) to 63."""

    def __post_init__(self) -> None:
        self._check_types()
        self._check_at_least(1, "input_dim")
        if self.smooth_clips % 2 == 0 or not 1 <= self.smooth_clips <= MAX_SMOOTH:
            raise self._error("smooth_clips", f"an odd number from 1 to {MAX_SMOOTH}", self.smooth_clips)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and ``name`` as JSON values; ``config_from_dict`` is the inverse.

        Fields of ``added`` are omitted if they have their defaults, as in checkpoints of versions without them: their
        digests stay valid.
        """
        fields = dataclasses.asdict(self)
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        kept = {key: value for key, value in fields.items() if key not in self.added or value != defaults[key]}
        return {"name": self.name, **kept}

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

    def _check_at_least(self, bound: float, *names: str) -> None:
        for name in names:
            if not bound <= getattr(self, name) < float("inf"):
                raise self._error(name, f"a finite number of at least {bound:g}", getattr(self, name))

    def _check_layers(self, *names: str) -> None:
        for name in names:
            if not 1 <= getattr(self, name) <= MAX_LAYERS:
                raise self._error(name, f"from 1 to {MAX_LAYERS}", getattr(self, name))

    def _check_fraction(self, *names: str) -> None:
        for name in names:
            if not 0 <= getattr(self, name) < 1:
                raise self._error(name, "a number in [0, 1)", getattr(self, name))

    def _error(self, name: str, expected: str, got: object) -> UsageError:
        return UsageError(f"model {self.name}: {name} must be {expected}, got {got!r}")


class MilModel(nn.Module, ABC):
    """Base class of networks. In evaluation mode equal features give equal output, whatever was computed before.

    The only state is parameters, and running statistics of batch normalisation, which training updates.
    """

    smooth_clips: int = 1
    """Number of clips over which ``score_clips`` averages logits, from the configuration; ``forward`` ignores it."""

    @abstractmethod
    def forward(self, features: Tensor) -> MilOutput:
        """Score every clip of every bag.

        Args:
            features: float32 ``[B, T, D]`` or ``[B, T, K, C]``, depending on the configuration's ``inputs``; T is at
                least 1. The output of a bag does not depend on other bags, except in training with batch normalisation.
        """


class Criterion(ABC):
    """Base class of losses. They are stateless and depend on labels, never on the position in a batch.

    Every term is a mean over the bags of a class or over pairs. So the mean of the gradients of equal parts of a batch
    (each with as many anomalous as normal bags, pairs kept together) is the gradient of the whole batch. For the
    exceptions see ``needs_whole_batch``.
    """

    needs_whole_batch: str = ""
    """Why a batch cannot be divided among several workers, as a clause for the error message; empty if it can."""

    label_index: LabelIndex | None = None
    """What the columns of soft labels refer to; None if the model does not use them."""

    @abstractmethod
    def __call__(self, output: MilOutput, labels_B: Tensor, soft_labels_BX: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``total``, to be minimised, and each unweighted term by name, as scalars.

        Args:
            output: output of the model in training mode.
            labels_B: ``[B]``, 1 for an anomalous video and 0 for a normal one, of any dtype. The i-th anomalous bag and
                the i-th normal bag are a pair.
            soft_labels_BX: ``[B, k]`` (``rank``) or ``[B, T]`` (``segment``) from ``DynamicLabels.targets``, or None
                for hard labels.

        Raises:
            ValueError: a class is missing, labels are not 0 or 1, or paired classes differ in number.
        """

    def label_predictions(self, output: MilOutput) -> Tensor:
        """Return the scores ``[B, k]`` or ``[B, T]`` that update soft labels, from output in evaluation mode.

        Raises:
            ValueError: the model does not use soft labels.
        """
        raise ValueError(f"{type(self).__name__} does not use soft labels")
