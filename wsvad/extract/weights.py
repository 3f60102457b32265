"""From what a user names to checked weights, and how a data set names them."""

from __future__ import annotations

from wsvad.backbones.weights import Weights, load_weights, random_weights
from wsvad.errors import UsageError, WeightsError
from wsvad.storage import StoreOptions, open_object


def resolve_weights(source: str, options: StoreOptions | None = None) -> Weights:
    """Load weights: a path or URI of a file, or ``random`` / ``random:<seed>`` for an untrained network.

    Raises:
        WeightsError: the file is not what it should be; nothing in it was executed.
        StorageError: the file cannot be reached.
        UsageError: a seed that is no number.
    """
    if source == "random" or source.startswith("random:"):
        seed = source.partition(":")[2] or "0"
        if not (seed.isascii() and seed.isdecimal()):
            raise UsageError(f"--weights random:SEED takes a whole number, got {source!r}")
        return random_weights(int(seed))
    store, key = open_object(source, options or StoreOptions())
    try:
        return load_weights(store.read(key))
    except WeightsError as error:
        raise WeightsError(f"{source}: {error}") from error


def weights_identity(weights: Weights) -> str:
    """Return what names the weights in a fingerprint: their digest, or the recipe of an untrained network.

    An untrained network is named by its recipe because its calibration is arithmetic, whose last bits are the
    machine's: the same recipe on two kinds of machine is meant to be the same data set.
    """
    return weights.name if weights.untrained else weights.digest
