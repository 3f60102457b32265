"""Whether a checkpoint and features belong together, found out before any work."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from wsvad.checkpoint import Checkpoint
from wsvad.dataset.config import differences
from wsvad.errors import ConflictError, UsageError
from wsvad.features.reading import FeatureSet
from wsvad.scores.config import ScoreConfig, window_of

log = logging.getLogger(__name__)

_IMMATERIAL = frozenset({"views", "unit_s", "cuboids"})
"""Settings that decide how many rows, columns and objects there are, and no value of what a model is shown."""
_CROPPED = frozenset({"center", "ten-crop"})
"""Geometries that are crops of one and the same resized frame."""


def material(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """List the settings in which two configurations of features differ and that matter to a model.

    A model sees the mean over the crops of a clip, so how many there are, or which, is none of them: test features are
    often published of one crop, where those for training have ten.
    """
    passed = set(_IMMATERIAL)
    if {mine.get("geometry"), theirs.get("geometry")} <= _CROPPED:
        passed.add("geometry")
    here, there = ({k: v for k, v in config.items() if k not in passed} for config in (mine, theirs))
    return differences(here, there)


def agree(checkpoint: Checkpoint, features: FeatureSet, window: int | None) -> ScoreConfig:
    """Return the configuration of the scores that this checkpoint gives these features.

    Raises:
        ConflictError: they are not features of the configuration that it was trained on, the crops of a clip apart;
            lists the differences.
        UsageError: there are no cuboids and the model looks at them, or the features have another width.
    """
    if checkpoint.features_fingerprint != features.fingerprint:
        every = differences(features.config, checkpoint.features_config)
        told = material(features.config, checkpoint.features_config)
        if told or not every:
            raise ConflictError(
                f"the checkpoint was trained on features of another configuration than {features.uri} has "
                f"({'; '.join(told) or 'only the fingerprints differ'}; there: the checkpoint's, here: these features'"
                "). Nothing was changed. Extract with the checkpoint's options (import with its --source), or use a "
                "checkpoint of these features."
            )
        log.info(
            "the checkpoint's features differ in %s alone; scoring averages the crops of a clip, so these are scored",
            "; ".join(every),
        )
    model = checkpoint.model_config
    width = features.shape_of(model.inputs)[-1]
    if width != model.input_dim:
        raise UsageError(f"the model takes {model.input_dim} values, {features.uri} has {width} ({model.inputs})")
    return ScoreConfig(
        checkpoint.digest, model.to_dict(), features.fingerprint, features.config, window_of(model.inputs, window)
    )
