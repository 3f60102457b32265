"""A trained model in memory, with everything that is needed to use it correctly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from wsvad.backbones.identity import is_untrained
from wsvad.checkpoint.tensors import digest_of
from wsvad.errors import WeightsError
from wsvad.models.contract import MilModel, ModelConfig
from wsvad.models.registry import build_model, meta_model

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained model with everything that is needed to use it correctly."""

    model_config: ModelConfig
    state: Mapping[str, Tensor] = field(repr=False)
    """Parameters and buffers by name."""
    features_config: dict[str, Any]
    """``FeatureConfig.to_dict()`` of the features that the model was trained on."""
    features_fingerprint: str
    """Fingerprint of these features; scoring refuses others."""
    training_ids: tuple[str, ...] = field(repr=False)
    """Ids of all videos used in training or selection, sorted; none of them may be in a test."""
    training: dict[str, Any]
    """How the model was trained, as JSON values: resolved options, ``seed``, ``step``, ``selection``."""
    versions: dict[str, str] = field(default_factory=dict)
    """Versions of the software that made it."""

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` of tensors and configuration: the identity of the checkpoint."""
        return digest_of(self.state, canonical(self.described()))

    @property
    def untrained_features(self) -> bool:
        """Whether the features are from an untrained network."""
        return is_untrained(self.features_config.get("weights"))

    def model(self) -> MilModel:
        """Return the network with these weights, in evaluation mode, on the CPU.

        Raises:
            WeightsError: the tensors do not match ``model_config``.
        """
        problems = _mismatches(meta_model(self.model_config), self.state)
        if problems:
            raise WeightsError(f"the tensors do not match a {self.model_config.name!r} model: {'; '.join(problems)}")
        model = build_model(self.model_config, seed=0)  # after the check, which bounds the memory it allocates
        model.load_state_dict(dict(self.state))
        return model.eval()

    def described(self) -> dict[str, Any]:
        """Return everything except the tensors as JSON values: the content of ``config.json`` without digests."""
        return {
            "format": FORMAT,
            "model": self.model_config.to_dict(),
            "features": self.features_config,
            "features_fingerprint": self.features_fingerprint,
            "training_ids": list(self.training_ids),
            "training": self.training,
            "versions": self.versions,
        }


def canonical(described: Mapping[str, Any]) -> bytes:
    """Return the canonical bytes of a description, which its digest covers."""
    return json.dumps(described, sort_keys=True, separators=(",", ":")).encode()


def _mismatches(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Return up to four differences between the tensors and those of a model; empty if they match."""
    wanted = model.state_dict()
    problems = [f"unexpected {name!r}" for name in sorted(state.keys() - wanted.keys())]
    for name, tensor in wanted.items():
        if name not in state:
            problems.append(f"missing {name!r}")
        elif state[name].shape != tensor.shape or state[name].dtype != tensor.dtype:
            found = f"{tuple(state[name].shape)} {state[name].dtype}"
            problems.append(f"{name!r}: expected {tuple(tensor.shape)} {tensor.dtype}, got {found}")
        elif not bool(torch.isfinite(state[name]).all()):
            problems.append(f"{name!r} has values that are not finite")
    return problems[:4]
