"""A checkpoint folder: written so that a whole one is recognised, read so that an altered one is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from wsvad.checkpoint.card import model_card
from wsvad.checkpoint.tensors import decode_tensors, digest_of, encode_tensors
from wsvad.documents import DocumentError, parse_object
from wsvad.errors import ConflictError, ObjectNotFound, UsageError, WeightsError
from wsvad.models.choose import build_model, config_from_dict, outline
from wsvad.models.contract import MilModel, ModelConfig
from wsvad.storage import Created, Store, StoreOptions, is_absent, open_store

MODEL, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
FORMAT = 1
_KEYS = frozenset(
    ("format", "digest", "model", "features", "features_fingerprint", "training_ids", "training", "versions")
)


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
        return digest_of(self.state, _canonical(self._described()))

    @property
    def untrained_features(self) -> bool:
        """Whether the features are of a network that no training has touched."""
        return str(self.features_config.get("weights", "")).startswith("random:")

    def model(self) -> MilModel:
        """Return the network with these weights, in evaluation mode, on the CPU.

        Raises:
            WeightsError: the tensors are not those of ``model_config``.
        """
        problems = _mismatches(outline(self.model_config), self.state)
        if problems:
            raise WeightsError(
                f"the tensors are not those of a {self.model_config.name!r} model: {'; '.join(problems)}"
            )
        model = build_model(self.model_config, seed=0)  # only now: it takes as much memory as the tensors, not more
        model.load_state_dict(dict(self.state))
        return model.eval()

    def to_json(self) -> bytes:
        """Return ``config.json``."""
        return json.dumps({**self._described(), "digest": self.digest}, indent=1, sort_keys=True).encode()

    def _described(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "model": self.model_config.to_dict(),
            "features": self.features_config,
            "features_fingerprint": self.features_fingerprint,
            "training_ids": list(self.training_ids),
            "training": self.training,
            "versions": self.versions,
        }


def save_checkpoint(store: Store, prefix: str, checkpoint: Checkpoint) -> None:
    """Write a checkpoint below ``prefix`` (``""``: the store's root); a whole one is never overwritten.

    ``config.json`` comes last and has the digest of everything, so a folder with it is whole. What a killed writer left
    without it is written over.

    Raises:
        ConflictError: another whole checkpoint is there.
        WeightsError: the tensors do not fit the configuration.
    """
    checkpoint.model()
    folder = f"{prefix.rstrip('/')}/" if prefix else ""
    whole = any(info.key == folder + CONFIG for info in store.list(folder + CONFIG))
    for name, data in (
        (MODEL, encode_tensors(checkpoint.state)),
        (CARD, model_card(checkpoint).encode()),
        (CONFIG, checkpoint.to_json()),
    ):
        if store.create(folder + name, data) is not Created.DIFFERENT:
            continue
        if whole:
            raise ConflictError(
                f"{store.uri}/{prefix} holds another checkpoint. Nothing was changed. Use another --out."
            )
        store.replace(folder + name, data)


def load_checkpoint(uri: str, options: StoreOptions | None = None) -> Checkpoint:
    """Read a checkpoint folder and check it; nothing in it is executed.

    Raises:
        UsageError: there is no checkpoint, or it was written by another version or for an unknown model.
        WeightsError: it is damaged or altered, or its tensors are not those of its model.
    """
    store = open_store(uri, options)
    try:
        described = _parse(store.read(CONFIG), f"{store.uri}/{CONFIG}")
    except ObjectNotFound as error:
        raise UsageError(
            f"no checkpoint at {store.uri}{', which does not exist' if is_absent(store.uri) else ''}: expected a "
            f"folder with {MODEL} and {CONFIG}, as `wsvad train` writes it to OUT/checkpoint"
        ) from error
    try:
        state = decode_tensors(store.read(MODEL), f"{store.uri}/{MODEL}")
    except ObjectNotFound as error:
        raise WeightsError(f"{store.uri} has {CONFIG} and no {MODEL}; it is not whole") from error
    config = config_from_dict(described["model"])
    newer = sorted(config.to_dict().keys() - described["model"].keys())
    if newer:  # a default of today's may not be what it was trained with
        raise UsageError(
            f"{store.uri} was written by an earlier version, whose {config.name} had no {', '.join(newer)}; train again"
        )
    checkpoint = Checkpoint(
        model_config=config,
        state=state,
        features_config=described["features"],
        features_fingerprint=described["features_fingerprint"],
        training_ids=tuple(described["training_ids"]),
        training=described["training"],
        versions=described["versions"],
    )
    found = digest_of(state, _canonical({k: v for k, v in described.items() if k != "digest"}))
    if found != described["digest"]:
        raise WeightsError(
            f"{store.uri} was altered: expected the digest {described['digest']} over {MODEL} and {CONFIG}, got {found}"
        )
    checkpoint.model()
    return checkpoint


def _parse(data: bytes, where: str) -> dict[str, Any]:
    try:
        described = parse_object(data)
    except DocumentError as error:
        raise WeightsError(f"{where} is damaged: {error}") from error
    if described.get("format", FORMAT) != FORMAT:
        raise UsageError(
            f"{where}: expected format {FORMAT}, got {described['format']!r}; use the version that wrote it"
        )
    wrong = sorted(_KEYS ^ described.keys())
    if wrong:
        kinds = [f"{'missing' if key in _KEYS else 'unknown'} {key!r}" for key in wrong]
        raise WeightsError(f"{where} is not a checkpoint's: {', '.join(kinds)}")
    types = {"digest": str, "features_fingerprint": str, "model": dict, "features": dict, "training_ids": list}
    types |= {"training": dict, "versions": dict}
    for key, kind in types.items():
        if not isinstance(described[key], kind):
            raise WeightsError(f"{where}: expected {key!r} as a {kind.__name__}, got {described[key]!r:.80}")
    if not all(isinstance(i, str) for i in described["training_ids"]):
        raise WeightsError(f"{where}: expected 'training_ids' as a list of ids")
    return described


def _canonical(described: Mapping[str, Any]) -> bytes:
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
