"""Describe a features configuration in summaries and reports, including the precision of the arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NAMES = ("backbone", "weights", "geometry", "precision")


def config_fields(config: Mapping[str, Any]) -> dict[str, str]:
    """Return ``backbone, weights, geometry, precision`` of a features configuration; ``unknown`` for missing ones."""
    return {name: str(config.get(name, "unknown")) for name in _NAMES}


def config_phrase(config: Mapping[str, Any]) -> str:
    """Return these values as one phrase; weights are abbreviated to the first digits of their digest."""
    made = config_fields(config)
    return f"{made['backbone']}, weights {made['weights'][:19]}, {made['geometry']}, {made['precision']}"
