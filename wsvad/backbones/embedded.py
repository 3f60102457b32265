"""The weights embedded in the package, so that trained features need no download."""

from __future__ import annotations

from wsvad.backbones import shipped
from wsvad.backbones.shipped import DIGEST, NAME
from wsvad.backbones.weights import Weights, load_weights
from wsvad.errors import WeightsError


def has_embedded_weights() -> bool:
    """Return True if this installation has the embedded weights."""
    return shipped.path().is_file()


def embedded_weights() -> Weights:
    """Return the embedded weights of ``i3d-compact``.

    Raises:
        WeightsError: This installation lacks them, or they differ from the published ones.
    """
    path = shipped.path()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"the embedded weights of {NAME} are not in this installation ({path}: {error.strerror or error}); use a "
            "file, --weights FILE, or an untrained network, --weights random[:SEED]"
        ) from error
    weights = load_weights(data, "inception-compact")
    if (weights.name, weights.digest) != (NAME, DIGEST):
        raise WeightsError(
            f"the embedded weights of {NAME} were altered: {path} holds {weights.name}; reinstall the package"
        )
    return weights
