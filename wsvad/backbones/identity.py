"""Identities of weights, as used in configurations and fingerprints."""

from __future__ import annotations

UNTRAINED = "random"
"""Prefix of untrained networks. Their identity is ``random:<seed>:<recipe>``; users write ``random[:<seed>]``."""


def is_untrained(identity: object) -> bool:
    """Return True if an identity, or a name given by the user, is that of an untrained network."""
    return str(identity or "").split(":", 1)[0] == UNTRAINED


def seed_of(identity: str) -> str:
    """Return the seed in an untrained network's identity or name, as text; ``0`` if it has none."""
    return [*identity.split(":"), ""][1] or "0"
