"""What made features, in the words of their configuration: results say it, precision of the arithmetic included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = ("backbone", "weights", "geometry", "precision")


def described(config: Mapping[str, Any]) -> dict[str, str]:
    """Return ``backbone, weights, geometry, precision`` of a features configuration; ``unknown`` where it has none."""
    return {name: str(config.get(name, "unknown")) for name in _NAMES}


def in_words(config: Mapping[str, Any]) -> str:
    """Return them as one phrase; weights by the first digits of their digest."""
    made = described(config)
    return f"{made['backbone']}, weights {made['weights'][:19]}, {made['geometry']}, {made['precision']}"
