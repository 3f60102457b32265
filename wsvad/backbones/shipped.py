"""Name, file and digest of the embedded weights, in a module without imports of libraries."""

from __future__ import annotations

from pathlib import Path

NAME = "i3d-compact"
"""Name of the weights and of their backbone."""
FILE = "i3d_compact.safetensors"
DIGEST = "sha256:0f1cb71cbc1acba9ad47d2253a730de749b6040e6995e99f2d8630d108b00533"
"""Digest of the weights published with this version; ``docs/i3d-compact.md`` describes how they were made."""


def path() -> Path:
    """Return the path of the embedded weights; the file exists only in installations that include it."""
    return Path(__file__).parent / FILE
