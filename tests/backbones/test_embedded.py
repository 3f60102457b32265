"""The weights that come with the package: there whole, or said to be missing."""

from __future__ import annotations

from importlib.resources import files

import pytest

from wsvad.backbones.embedded import FILE, NAME, embedded_weights, has_embedded_weights
from wsvad.errors import WeightsError

LARGEST = 8 << 20
"""Bytes that a wheel may well carry."""


def test_what_is_shipped_is_whole_and_small() -> None:
    """They bear their name, which holds only with the digest that they were published with; else the error says so."""
    if has_embedded_weights():
        weights = embedded_weights()
        assert (weights.name, weights.architecture, weights.banner) == (NAME, "inception-compact", "")
        assert len((files("wsvad.backbones") / FILE).read_bytes()) < LARGEST
    else:
        with pytest.raises(WeightsError, match="not in this installation"):
            embedded_weights()
