"""The backbone weights that a checkpoint's features were made with."""

from __future__ import annotations

from wsvad.checkpoint import Checkpoint
from wsvad.errors import ConflictError, UsageError
from wsvad.extract.config import FeatureConfig
from wsvad.extract.weights import WeightsSource, resolve_weights
from wsvad.importing.config import BACKBONE
from wsvad.storage import StoreOptions


def backbone_of(
    checkpoint: Checkpoint, weights: str | None, options: StoreOptions | None = None
) -> tuple[FeatureConfig, WeightsSource]:
    """Return how this checkpoint's features are made, and the weights for it.

    Args:
        checkpoint: the trained model.
        weights: file or URI of the backbone's weights; ``None`` where the checkpoint names an untrained network, which
            can be made again from its seed.
        options: how to reach the store.

    Raises:
        UsageError: no weights were given and they are not made from a seed, or the features were imported.
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
    if weights is None:
        kind, _, rest = features.weights.partition(":")
        if kind != "random":
            raise UsageError(
                f"the checkpoint was trained on features of the weights {features.weights}; name their file: --weights"
            )
        weights = f"random:{rest.partition(':')[0]}"
    source = resolve_weights(weights, options)
    if source.identity != features.weights:
        raise ConflictError(
            f"the checkpoint was trained on features of the weights {features.weights}, --weights {weights} are "
            f"{source.identity}; give the weights that the features of its training were extracted with"
        )
    return features, source
