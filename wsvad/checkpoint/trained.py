"""A trained model in memory, with all that is needed to use it rightly."""

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
    """A trained model with all that is needed to use it rightly."""

    model_config: ModelConfig
    state: Mapping[str, Tensor] = field(repr=False)
    """Parameters and buffers by name."""
    features_config: dict[str, Any]
    """``FeatureConfig.to_dict()`` of the features that it was trained on."""
    features_fingerprint: str
    """Fingerprint of those features; others are refused when scoring."""
    training_ids: tuple[str, ...] = field(repr=False)
    """Ids of every video that the training or the selection saw, sorted: none of them may be in a test."""
    training: dict[str, Any]
    """How it came about, as JSON values: resolved options, ``seed``, ``step``, ``selection``."""
    versions: dict[str, str] = field(default_factory=dict)
    """Of what it was made with."""

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` over tensors and configuration: the identity of this checkpoint."""
        return digest_of(self.state, canonical(self.described()))

    @property
    def untrained_features(self) -> bool:
        """Whether the features are of a network that no training has touched."""
        return is_untrained(self.features_config.get("weights"))

    def model(self) -> MilModel:
        """Return the network with these weights, in evaluation mode, on the CPU.

        Raises:
            WeightsError: the tensors are not those of ``model_config``.
        """
        problems = _mismatches(meta_model(self.model_config), self.state)
        if problems:
            raise WeightsError(
                f"the tensors are not those of a {self.model_config.name!r} model: {'; '.join(problems)}"
            )
        model = build_model(self.model_config, seed=0)  # only now: it takes as much memory as the tensors, not more
        model.load_state_dict(dict(self.state))
        return model.eval()

    def described(self) -> dict[str, Any]:
        """Return all but the tensors as JSON values: what ``config.json`` holds beside digests."""
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
    """Return the bytes of a description that digests are over."""
    return json.dumps(described, sort_keys=True, separators=(",", ":")).encode()


def _mismatches(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Say how tensors differ from those of a model, the first four; empty where they fit."""
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
