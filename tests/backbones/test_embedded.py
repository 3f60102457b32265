"""The weights that come with the package."""

from __future__ import annotations

from wsvad.backbones import shipped
from wsvad.backbones.embedded import embedded_weights, has_embedded_weights

LARGEST = 8 << 20
"""Bytes that a wheel may well carry."""


def test_what_is_shipped_is_whole_and_small() -> None:
    """They bear their name, which holds only with the digest that they were published with."""
    assert has_embedded_weights()
    weights = embedded_weights()
    assert (weights.name, weights.architecture, weights.banner) == (shipped.NAME, "inception-compact", "")
    assert len(shipped.path().read_bytes()) < LARGEST
