"""What weights come with the package; loads nothing, for whoever only asks."""

from __future__ import annotations

from pathlib import Path

NAME = "i3d-compact"
"""Of the weights, wherever they are named, and of the backbone that they are for."""
FILE = "i3d_compact.safetensors"
DIGEST = "sha256:aacd2a2a7ef98a21b92fd6cc14aee59f827362fbc1a57cb56fe580db1a605033"
"""Of the weights that were published with this version; ``docs/i3d-compact.md`` says how they were made."""


def path() -> Path:
    """Return where they lie, in an installation that has them."""
    return Path(__file__).parent / FILE
