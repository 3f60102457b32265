"""Names of models, and their training recipes. Imports nothing heavy, for use by the command line."""

from __future__ import annotations

from typing import Literal, NamedTuple

Model = Literal["sultani", "rtfm", "st_mil", "ltgs", "st_ltgs", "ur_dmu", "bn_wvad", "mgfn"]


class Recipe(NamedTuple):
    """Default training settings of a model. The optimiser is always Adam."""

    learning_rate: float
    weight_decay: float
    pairs: int
    """Number of anomalous videos in a batch, and of normal ones."""
    steps: int
