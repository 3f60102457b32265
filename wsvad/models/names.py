"""Names of models, and how they are trained where the user says nothing; loads nothing, for whoever only asks."""

from __future__ import annotations

from typing import Literal, NamedTuple

Model = Literal["sultani", "rtfm", "st_mil", "ltgs", "st_ltgs", "ur_dmu", "bn_wvad", "mgfn"]


class Recipe(NamedTuple):
    """How a model is trained where the user says nothing. The optimiser is Adam throughout."""

    learning_rate: float
    weight_decay: float
    pairs: int
    """Anomalous videos in a batch; there are as many normal ones."""
    steps: int
