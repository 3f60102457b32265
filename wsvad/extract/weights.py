"""From what a user names to weights: known by identity at once, loaded only when there is work for them."""

from __future__ import annotations

from dataclasses import dataclass, field

from wsvad.backbones.weights import Weights, load_weights, random_weights, untrained_name
from wsvad.errors import UsageError, WeightsError
from wsvad.storage import StoreOptions, open_object


@dataclass(frozen=True)
class WeightsSource:
    """Weights that are known by name."""

    identity: str
    """What names them in a fingerprint: ``sha256:<hex>`` of the tensors, or the recipe of an untrained network, which
    makes the same tensors everywhere and need not run to be named."""
    label: str
    """What people are told."""
    banner: str
    """A loud line when the weights are untrained, else empty."""
    seed: int | None = None
    loaded: Weights | None = field(default=None, repr=False, compare=False)

    def load(self) -> Weights:
        """Return the weights; an untrained network takes a few seconds to make."""
        if self.loaded is not None:
            return self.loaded
        assert self.seed is not None
        return random_weights(self.seed)


def resolve_weights(source: str, options: StoreOptions | None = None) -> WeightsSource:
    """Find weights: a path or URI of a file, or ``random`` / ``random:<seed>`` for an untrained network.

    Raises:
        WeightsError: the file is not what it should be; nothing in it was executed.
        StorageError: the file cannot be reached.
        UsageError: a seed that is no number.
    """
    if source == "random" or source.startswith("random:"):
        text = source.partition(":")[2] or "0"
        if not (text.isascii() and text.isdecimal() and int(text) < 2**32):
            raise UsageError(f"--weights random:SEED takes a whole number below 2**32, got {source!r}")
        name = untrained_name(int(text))
        return WeightsSource(name, name, Weights(name, "", {}).banner, int(text))
    store, key = open_object(source, options or StoreOptions(follow_links=True))
    try:
        weights = load_weights(store.read(key))
    except WeightsError as error:
        raise WeightsError(f"{source}: {error}") from error
    label = f"{weights.name} ({weights.digest[:19]})"
    return WeightsSource(weights.digest, label, weights.banner, loaded=weights)
