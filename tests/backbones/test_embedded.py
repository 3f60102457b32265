"""The embedded weights."""

from __future__ import annotations

from wsvad.backbones import shipped
from wsvad.backbones.embedded import embedded_weights, has_embedded_weights

LARGEST = 8 << 20
"""Bytes that a wheel may well carry."""


def test_embedded_weights_are_complete_and_small() -> None:
    """They have their name, which requires the digest with which they were published."""
    assert has_embedded_weights()
    weights = embedded_weights()
    assert (weights.name, weights.architecture, weights.banner) == (shipped.NAME, "inception-compact", "")
    assert len(shipped.path().read_bytes()) < LARGEST
