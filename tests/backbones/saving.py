"""Write weights to a file."""

from pathlib import Path

from wsvad.backbones.weights import Weights, weights_bytes


def save_weights(weights: Weights, path: Path) -> None:
    """Write weights as safetensors, with their name and digest in the metadata."""
    path.write_bytes(weights_bytes(weights))
