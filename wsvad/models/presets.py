"""Named settings: what each paper says, and its ablations.

Every model has ``paper``, which is the default; a preset is what differs from the configuration's defaults, and how
it is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from wsvad.models.contract import Recipe


class Preset(NamedTuple):
    """One named setting of a model."""

    recipe: Recipe
    settings: Mapping[str, Any]
    """Fields of the configuration that differ from its defaults."""


SULTANI_RECIPE = Recipe(learning_rate=1e-3, weight_decay=1e-3, pairs=30, steps=20_000)

PRESETS: Mapping[str, Mapping[str, Preset]] = {
    "sultani": {
        "paper": Preset(SULTANI_RECIPE, {}),
        "all_pairs": Preset(SULTANI_RECIPE, {"pairs": "all"}),
    },
}
