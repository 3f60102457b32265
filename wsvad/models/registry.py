"""Registry of models: maps a model's name to its classes, and builds networks, criteria and labels.

A model consists of a configuration, a network and a criterion, defined in the module of its name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from wsvad.errors import UsageError
from wsvad.models.bn_wvad import BnWvad, BnWvadConfig, BnWvadCriterion
from wsvad.models.contract import Criterion, MilModel, ModelConfig
from wsvad.models.dynamic_labels import DynamicLabels
from wsvad.models.ltgs import Ltgs, LtgsConfig, LtgsCriterion
from wsvad.models.mgfn import Mgfn, MgfnConfig, MgfnCriterion
from wsvad.models.names import Recipe
from wsvad.models.presets import PRESETS, Preset
from wsvad.models.rtfm import Rtfm, RtfmConfig, RtfmCriterion
from wsvad.models.st_ltgs import StLtgs, StLtgsConfig, StLtgsCriterion
from wsvad.models.st_mil import StMil, StMilConfig, StMilCriterion
from wsvad.models.sultani import Sultani, SultaniConfig, SultaniCriterion
from wsvad.models.ur_dmu import UrDmu, UrDmuConfig, UrDmuCriterion
from wsvad.suggest import did_you_mean


class ModelKind(NamedTuple):
    """The three classes of a model."""

    config: type[ModelConfig]
    network: Callable[[Any], MilModel]
    criterion: Callable[[Any], Criterion]


MAX_BYTES = 4 << 30
"""Maximum size of a network's weights; the largest of the presets have about 100 MiB."""

MODELS: Mapping[str, ModelKind] = {
    "sultani": ModelKind(SultaniConfig, Sultani, SultaniCriterion),
    "rtfm": ModelKind(RtfmConfig, Rtfm, RtfmCriterion),
    "st_mil": ModelKind(StMilConfig, StMil, StMilCriterion),
    "ltgs": ModelKind(LtgsConfig, Ltgs, LtgsCriterion),
    "st_ltgs": ModelKind(StLtgsConfig, StLtgs, StLtgsCriterion),
    "ur_dmu": ModelKind(UrDmuConfig, UrDmu, UrDmuCriterion),
    "bn_wvad": ModelKind(BnWvadConfig, BnWvad, BnWvadCriterion),
    "mgfn": ModelKind(MgfnConfig, Mgfn, MgfnCriterion),
}


def default_config(name: str, input_dim: int, *, preset: str = "paper", **overrides: Any) -> ModelConfig:
    """Return a model's configuration.

    Args:
        name: one of ``MODELS``.
        input_dim: D or C of the features.
        preset: one of ``PRESETS[name]``.
        overrides: fields of the configuration that override the preset.

    Raises:
        UsageError: the model, preset or field does not exist, or a value is invalid.
    """
    settings = {**_preset(name, preset).settings, **overrides}
    return config_from_dict({"name": name, "input_dim": input_dim, **settings})


def default_recipe(name: str, *, preset: str = "paper") -> Recipe:
    """Return the default training recipe of a preset.

    Raises:
        UsageError: the model or preset does not exist.
    """
    return _preset(name, preset).recipe


def config_from_dict(values: Mapping[str, Any]) -> ModelConfig:
    """Return the configuration of values from ``ModelConfig.to_dict``; missing fields take their defaults.

    Raises:
        UsageError: the model or a field does not exist, ``input_dim`` is missing, or a value is invalid.
    """
    fields = dict(values)
    kind = _kind(fields.pop("name", None))
    known = [field.name for field in dataclasses.fields(kind.config)]
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise UsageError(
            f"model {kind.config.name} has no setting {', '.join(map(repr, unknown))}; it has {', '.join(known)}"
        )
    if "input_dim" not in fields:
        raise UsageError(f"model {kind.config.name}: input_dim is missing")
    return kind.config(**fields)


def build_model(config: ModelConfig, *, seed: int) -> MilModel:
    """Return the network on the CPU, in training mode; its weights depend only on ``config`` and ``seed``."""
    check_size(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _kind(config.name).network(config)
    model.smooth_clips = config.smooth_clips
    return model


def meta_model(config: ModelConfig) -> MilModel:
    """Return the network on the meta device: names, shapes and types of its tensors, without memory for values.

    Raises:
        UsageError: a size is not possible for a tensor.
    """
    try:
        with torch.device("meta"):
            return _kind(config.name).network(config)
    except (RuntimeError, OverflowError) as error:
        raise UsageError(f"model {config.name}: settings give impossible tensor sizes: {config}") from error


def check_size(config: ModelConfig) -> None:
    """Raise ``UsageError`` if a network would have more than ``MAX_BYTES``, without allocating it."""
    size = sum(tensor.numel() * tensor.element_size() for tensor in meta_model(config).state_dict().values())
    if size > MAX_BYTES:
        raise UsageError(
            f"model {config.name} would have {size / 2**30:.1f} GiB of weights with these settings, expected at most "
            f"{MAX_BYTES / 2**30:.0f}: {config}"
        )


def build_criterion(config: ModelConfig) -> Criterion:
    """Return the criterion of a model."""
    return _kind(config.name).criterion(config)


def build_dynamic_labels(config: ModelConfig, labels_N: Tensor, *, segments: int) -> DynamicLabels | None:
    """Return initial soft labels of training videos, or None if the model does not use them.

    Args:
        config: configuration of the model.
        labels_N: 0 or 1 for each training video.
        segments: T of the training bags.
    """
    index = build_criterion(config).label_index
    if index is None:
        return None
    values = config.to_dict()
    columns = min(values["k"], segments) if index == "rank" else segments
    return DynamicLabels(
        labels_N, columns=columns, index=index, alpha=values["label_alpha"], period=values["label_period"]
    )


def _kind(name: object) -> ModelKind:
    if not isinstance(name, str) or name not in MODELS:
        raise UsageError(f"model must be one of {', '.join(MODELS)}, got {name!r}")
    return MODELS[name]


def _preset(name: str, preset: str) -> Preset:
    _kind(name)
    if preset not in PRESETS[name]:
        hint = did_you_mean(preset, PRESETS[name])
        raise UsageError(f"model {name}: preset must be one of {', '.join(PRESETS[name])}, got {preset!r}{hint}")
    return PRESETS[name][preset]
