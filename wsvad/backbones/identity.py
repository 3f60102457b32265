"""Identities of weights, as configurations and fingerprints name them."""

from __future__ import annotations

UNTRAINED = "random"
"""An untrained network's identity is ``random:<seed>:<recipe>``; people name it ``random`` or ``random:<seed>``."""


def is_untrained(identity: object) -> bool:
    """Whether an identity, or the name somebody gives, is that of a network that no training has touched."""
    return str(identity or "").split(":", 1)[0] == UNTRAINED


def seed_of(identity: str) -> str:
    """Return the seed in an untrained network's identity or name, as text; ``0`` where there is none."""
    return [*identity.split(":"), ""][1] or "0"
