"""The backbone weights that a checkpoint's features were made with."""

from __future__ import annotations

from wsvad.backbones.embedded import embedded_weights, has_embedded_weights
from wsvad.backbones.identity import UNTRAINED, is_untrained, seed_of
from wsvad.checkpoint import Checkpoint
from wsvad.errors import ConflictError, UsageError
from wsvad.features.config import FeatureConfig
from wsvad.features.imported import BACKBONE
from wsvad.storage import StoreOptions
from wsvad.video import require_flow
from wsvad.weights.resolve import EMBEDDED, BackboneSource, resolve_backbone


def backbone_of(
    checkpoint: Checkpoint,
    weights: str | None,
    options: StoreOptions | None = None,
    *,
    flow_weights: str | None = None,
) -> tuple[FeatureConfig, BackboneSource]:
    """Return how this checkpoint's features are made, and the weights for it.

    Args:
        checkpoint: the trained model.
        weights: of the backbone, as ``--weights`` takes them; ``None`` where the checkpoint names those that come with
            the package, or an untrained network, which can be made again from its seed.
        options: how to reach the store.
        flow_weights: likewise, of the second of two streams.

    Raises:
        UsageError: no weights were given and they are not at hand, the features were imported, or they need optical
            flow, which cannot be computed here.
        ConflictError: they are not the ones that the checkpoint was trained with.
        WeightsError, StorageError: as ``resolve_weights``.
    """
    if checkpoint.features_config.get("backbone") == BACKBONE:
        raise UsageError(
            f"the checkpoint was trained on features that were made elsewhere "
            f"({checkpoint.features_config.get('weights')}) and cannot be made here; import those of these videos, and "
            "give --features instead of --videos"
        )
    features = FeatureConfig.from_dict(checkpoint.features_config)
    if features.flow is not None:
        require_flow(features.flow)
    weights = weights or _at_hand(features.weights, "--weights")
    if features.flow_weights is not None:
        flow_weights = flow_weights or _at_hand(features.flow_weights, "--flow-weights")
    source = resolve_backbone(features.backbone, weights, flow_weights, options)
    _same("--weights", weights, source.weights.identity, features.weights)
    if source.flow_weights is not None:
        _same("--flow-weights", str(flow_weights), source.flow_weights.identity, str(features.flow_weights))
    return features, source


def _at_hand(identity: str, option: str) -> str:
    """Return how weights are named that need no file."""
    if is_untrained(identity):
        return f"{UNTRAINED}:{seed_of(identity)}"
    if has_embedded_weights() and embedded_weights().digest == identity:
        return EMBEDDED
    raise UsageError(
        f"the checkpoint was trained on features of the weights {identity}, which do not come with this wsvad; name "
        f"their file: {option}"
    )


def _same(option: str, named: str, got: str, expected: str) -> None:
    if got != expected:
        raise ConflictError(
            f"the checkpoint was trained on features of the weights {expected}, {option} {named} are {got}; give the "
            "weights that the features of its training were extracted with"
        )
