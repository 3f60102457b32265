"""What weights come with the package; loads nothing, for whoever only asks."""

from __future__ import annotations

from pathlib import Path

NAME = "i3d-compact"
"""Of the weights, wherever they are named, and of the backbone that they are for."""
FILE = "i3d_compact.safetensors"
DIGEST = "sha256:d8288dc92807852d9078312c0029e90635bb78b21b0f2a8d93321968419f691f"
"""Of the weights that were published with this version; ``docs/i3d-compact.md`` says how they were made."""


def path() -> Path:
    """Return where they lie, in an installation that has them."""
    return Path(__file__).parent / FILE
