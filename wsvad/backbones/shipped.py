"""What weights come with the package; loads nothing, for whoever only asks."""

from __future__ import annotations

from pathlib import Path

NAME = "i3d-compact"
"""Of the weights, wherever they are named, and of the backbone that they are for."""
FILE = "i3d_compact.safetensors"
DIGEST = "sha256:0f1cb71cbc1acba9ad47d2253a730de749b6040e6995e99f2d8630d108b00533"
"""Of the weights that were published with this version; ``docs/i3d-compact.md`` says how they were made."""


def path() -> Path:
    """Return where they lie, in an installation that has them."""
    return Path(__file__).parent / FILE
