"""Resolves the backbone weights that the features of a checkpoint were computed with."""

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
    """Return the feature configuration of a checkpoint, and the backbone weights for it.

    Args:
        checkpoint: the trained model.
        weights: backbone weights, as for ``--weights``; may be ``None`` if the checkpoint was trained with the weights
            embedded in this package, or with an untrained network, which is restored from its seed.
        options: settings of the store.
        flow_weights: weights of the flow stream of a two-stream backbone, as ``weights``.

    Raises:
        UsageError: weights are required but not given, the features were imported, or they need optical flow, which
            is not available.
        ConflictError: the checkpoint was trained with other weights.
        WeightsError, StorageError: as ``resolve_weights``.
    """
    if checkpoint.features_config.get("backbone") == BACKBONE:
        raise UsageError(
            f"the checkpoint was trained on imported features "
            f"({checkpoint.features_config.get('weights')}), which cannot be computed from videos; import the features "
            "of these videos, and use --features instead of --videos"
        )
    features = FeatureConfig.from_dict(checkpoint.features_config)
    if features.flow is not None:
        require_flow(features.flow)
    weights = weights or _default_weights(features.weights, "--weights")
    if features.flow_weights is not None:
        flow_weights = flow_weights or _default_weights(features.flow_weights, "--flow-weights")
    source = resolve_backbone(features.backbone, weights, flow_weights, options)
    _check_identity("--weights", weights, source.weights.identity, features.weights)
    if source.flow_weights is not None:
        _check_identity("--flow-weights", str(flow_weights), source.flow_weights.identity, str(features.flow_weights))
    return features, source


def _default_weights(identity: str, option: str) -> str:
    """Return the name of weights that need no file."""
    if is_untrained(identity):
        return f"{UNTRAINED}:{seed_of(identity)}"
    if has_embedded_weights() and embedded_weights().digest == identity:
        return EMBEDDED
    raise UsageError(
        f"the checkpoint was trained on features of the weights {identity}, which are not part of this package; "
        f"pass their file with {option}"
    )


def _check_identity(option: str, named: str, got: str, expected: str) -> None:
    if got != expected:
        raise ConflictError(
            f"the checkpoint was trained on features of the weights {expected}, but {option} {named} are {got}; pass "
            "the weights that its training features were extracted with"
        )
