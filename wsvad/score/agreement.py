"""Whether a checkpoint and features belong together, found out before any work."""

from __future__ import annotations

from wsvad.checkpoint import Checkpoint
from wsvad.dataset.config import differences
from wsvad.errors import ConflictError, UsageError
from wsvad.features.reading import FeatureSet
from wsvad.score.config import ScoreConfig, window_of


def agree(checkpoint: Checkpoint, features: FeatureSet, window: int | None) -> ScoreConfig:
    """Return the configuration of the scores that this checkpoint gives these features.

    Raises:
        ConflictError: they are not features of the configuration that it was trained on; lists the differences.
        UsageError: there are no cuboids and the model looks at them, or the features have another width.
    """
    if checkpoint.features_fingerprint != features.fingerprint:
        told = differences(features.config, checkpoint.features_config)
        raise ConflictError(
            f"the checkpoint was trained on features of another configuration than {features.uri} has "
            f"({'; '.join(told) or 'only the fingerprints differ'}; there: the checkpoint's, here: these features'). "
            "Nothing was changed. Extract with the checkpoint's options, or use a checkpoint of these features."
        )
    model = checkpoint.model_config
    if model.inputs == "cuboids" and features.cuboid_shape is None:
        raise UsageError(
            f"the model {model.name!r} looks at cuboids, and {features.uri} has none; extract without --no-cuboids"
        )
    cuboid_dim = features.cuboid_shape[1] if features.cuboid_shape else 0
    width = cuboid_dim if model.inputs == "cuboids" else features.pooled_dim
    if width != model.input_dim:
        raise UsageError(f"the model takes {model.input_dim} values, {features.uri} has {width} ({model.inputs})")
    return ScoreConfig(
        checkpoint.digest, model.to_dict(), features.fingerprint, features.config, window_of(model.inputs, window)
    )
