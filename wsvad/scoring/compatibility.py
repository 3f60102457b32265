"""Checks that a checkpoint and features are compatible, before any work."""

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
"""Settings that determine numbers of rows, columns and objects, but not the model's input."""
_CROPPED = frozenset({"center", "ten-crop"})
"""Geometries that are crops of the same resized frame."""


def relevant_differences(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Return the differences between two feature configurations that are relevant to a model.

    The input of a model is the mean over the crops of a clip, so the number and choice of crops is not relevant: test
    features are often published for one crop if training features have ten.
    """
    passed = set(_IMMATERIAL)
    if {mine.get("geometry"), theirs.get("geometry")} <= _CROPPED:
        passed.add("geometry")
    here, there = ({k: v for k, v in config.items() if k not in passed} for config in (mine, theirs))
    return differences(here, there)


def check_compatible(checkpoint: Checkpoint, features: FeatureSet, window: int | None) -> ScoreConfig:
    """Return the configuration of scores from this checkpoint and these features.

    Raises:
        ConflictError: the checkpoint was trained on features of another configuration, other than the crops of a clip;
            the message lists the differences.
        UsageError: the features have no cuboids that the model needs, or another width.
    """
    if checkpoint.features_fingerprint != features.fingerprint:
        all_differences = differences(features.config, checkpoint.features_config)
        relevant = relevant_differences(features.config, checkpoint.features_config)
        if relevant or not all_differences:
            raise ConflictError(
                f"the checkpoint was trained on features of another configuration than {features.uri} "
                f"({'; '.join(relevant) or 'only the fingerprints differ'}; there: the checkpoint's, here: these "
                "features'). Nothing was changed. Extract with the checkpoint's options (import with its --source), or "
                "use a checkpoint of these features."
            )
        log.info(
            "the checkpoint's features differ only in %s; scoring averages the crops of a clip, so they are compatible",
            "; ".join(all_differences),
        )
    model = checkpoint.model_config
    width = features.shape_of(model.inputs)[-1]
    if width != model.input_dim:
        raise UsageError(f"the model takes {model.input_dim} values, {features.uri} has {width} ({model.inputs})")
    return ScoreConfig(
        checkpoint.digest, model.to_dict(), features.fingerprint, features.config, window_of(model.inputs, window)
    )
