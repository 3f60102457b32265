"""The weights that come with the package, so that there are learned features without a network."""

from __future__ import annotations

from importlib.resources import files

from wsvad.backbones.choose import DEFAULT_BACKBONE
from wsvad.backbones.weights import Weights, load_weights
from wsvad.errors import WeightsError

FILE = "i3d_compact.safetensors"
NAME = DEFAULT_BACKBONE
"""Name of the embedded weights, in their file and in messages."""
DIGEST = "sha256:aacd2a2a7ef98a21b92fd6cc14aee59f827362fbc1a57cb56fe580db1a605033"
"""Of the weights that were published with this version; ``docs/i3d-compact.md`` says how they were made."""


def has_embedded_weights() -> bool:
    """Tell whether this installation has the embedded weights."""
    return (files("wsvad.backbones") / FILE).is_file()


def embedded_weights() -> Weights:
    """Return the embedded weights of ``i3d-compact``.

    Raises:
        WeightsError: they are not in this installation, or not as they were published.
    """
    path = files("wsvad.backbones") / FILE
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"the embedded weights of {NAME} are not in this installation ({path}: {error.strerror or error}); give a "
            "file, --weights FILE, or an untrained network, --weights random[:SEED]"
        ) from error
    weights = load_weights(data, "inception-compact")
    if (weights.name, weights.digest) != (NAME, DIGEST):
        raise WeightsError(f"the embedded weights of {NAME} were altered: {path} holds {weights.name}; install again")
    return weights
