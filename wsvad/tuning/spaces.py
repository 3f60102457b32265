"""Built-in search spaces, in the form of a TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wsvad.errors import UsageError
from wsvad.storage import StoreOptions
from wsvad.suggest import did_you_mean
from wsvad.tuning.space import Space, parse_space, read_space

_LR = {"low": 1e-4, "high": 3e-3, "log": True}

SPACES: Mapping[str, Mapping[str, Any]] = {
    # LTGS-Net, sections 4.2 and 5.2: k, β (label_period), α, λ1, λ2; the paper does not vary the learning rate
    "ltgs-paper": {
        "model": "ltgs",
        "search": {
            "k": [2, 3, 4],
            "label_period": [300, 500, 1000, 1500],
            "label_alpha": {"low": 0.5, "high": 0.99},
            "sparsity_weight": {"low": 8e-5, "high": 8e-3, "log": True},
            "smoothness_weight": {"low": 2e-6, "high": 2e-4, "log": True},
            "lr": _LR,
        },
    },
    # the same for short trainings: β is about a tenth of the steps, so that labels are refreshed several times
    "ltgs-short": {
        "model": "ltgs",
        "training": {"steps": 60, "pairs": 8},
        "search": {
            "k": [2, 3, 4],
            "label_period": [5, 10, 20, 30],
            "label_alpha": {"low": 0.5, "high": 0.99},
            "sparsity_weight": {"low": 8e-5, "high": 8e-3, "log": True},
            "smoothness_weight": {"low": 2e-6, "high": 2e-4, "log": True},
            "lr": _LR,
        },
    },
    "st-mil": {
        "model": "st_mil",
        "search": {
            "bag": ["video", "clip"],
            "pooling": ["max", "attention"],
            "margin": {"low": 0.3, "high": 2.0},
            "sparsity_weight": {"low": 1e-6, "high": 1e-3, "log": True},
            "smoothness_weight": {"low": 1e-6, "high": 1e-3, "log": True},
            "region_weight": {"low": 1e-3, "high": 1.0, "log": True},
            "lr": _LR,
        },
    },
    "st-ltgs": {
        "model": "st_ltgs",
        "search": {
            "reach": {"low": 0.5, "high": 8.0, "log": True},
            "k": [2, 3, 4],
            "cuboids": [1, 2, 3, 4, 6],
            "region_weight": {"low": 1e-3, "high": 1.0, "log": True},
            "weight_decay": {"low": 1e-4, "high": 1e-1, "log": True},
            "steps": [60, 120, 240, 480],
            "lr": _LR,
        },
    },
}
"""Built-in spaces by the name for ``wsvad tune --space``."""


def find_space(name: str, options: StoreOptions | None = None) -> Space:
    """Return the space with this name, or from this TOML file.

    Raises:
        UsageError: unknown name, missing file, or invalid space.
        StorageError: the file cannot be read.
    """
    if name in SPACES:
        space = parse_space(SPACES[name])
        space.check()
        return space
    if name.endswith(".toml"):
        return read_space(name, options)
    hint = did_you_mean(name, SPACES) or f"; known: {', '.join(SPACES)}"
    raise UsageError(f"unknown search space {name!r:.80}; expected a name, or a file that ends in .toml{hint}")
