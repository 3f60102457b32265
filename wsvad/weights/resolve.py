"""Resolve the weights named by the user: their identity at once, their tensors only when they are needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from wsvad.backbones.embedded import embedded_weights
from wsvad.backbones.identity import is_untrained
from wsvad.backbones.names import DEFAULT_BACKBONE, Architecture
from wsvad.backbones.registry import architecture_spec, backbone_spec
from wsvad.backbones.weights import Weights, random_weights, untrained_name
from wsvad.errors import UsageError, WeightsError
from wsvad.storage import StoreOptions
from wsvad.weights import catalogue
from wsvad.weights.folder import find_weights
from wsvad.weights.source import read_weights

EMBEDDED = "embedded"
"""Name of the embedded weights in ``--weights``."""


class LoadedWeights(NamedTuple):
    """Weights of a backbone's networks, as passed to workers."""

    weights: Weights
    flow_weights: Weights | None = None
    """Weights of the second of two streams."""


@dataclass(frozen=True)
class WeightsSource:
    """Weights of one network, identified but not necessarily loaded."""

    identity: str
    """Identity in a fingerprint: ``sha256:<hex>`` of the tensors, or the recipe of an untrained network, which gives
    the same tensors everywhere and need not be executed to identify them."""
    label: str
    """Text for messages and summaries."""
    banner: str
    """Warning if the weights are untrained, else empty."""
    architecture: Architecture
    """Architecture of the network."""
    seed: int | None = None
    loaded: Weights | None = field(default=None, repr=False, compare=False)

    def load(self) -> Weights:
        """Return the weights; creating those of an untrained network takes a few seconds."""
        if self.loaded is not None:
            return self.loaded
        assert self.seed is not None
        return random_weights(self.seed, self.architecture)


@dataclass(frozen=True)
class BackboneSource:
    """Weights of a backbone, of one network or of two."""

    weights: WeightsSource
    flow_weights: WeightsSource | None = None
    """Weights of the second of two streams."""

    @property
    def label(self) -> str:
        """Text for messages and summaries."""
        return " + ".join(source.label for source in self._all)

    @property
    def banner(self) -> str:
        """Warning if any of the weights are untrained, else empty."""
        return next((source.banner for source in self._all if source.banner), "")

    def load(self) -> LoadedWeights:
        """Load and return the weights."""
        return LoadedWeights(*(source.load() for source in self._all))

    @property
    def _all(self) -> list[WeightsSource]:
        return [source for source in (self.weights, self.flow_weights) if source]


def resolve_backbone(
    backbone: str, weights: str | None, flow_weights: str | None = None, options: StoreOptions | None = None
) -> BackboneSource:
    """Resolve the weights of a backbone.

    Args:
        backbone: Name of the backbone.
        weights: Weights of its (first) network, see :func:`resolve_weights`; ``None``: the embedded ones, if any.
        flow_weights: Weights of the second of two streams.
        options: Access options of the store.

    Raises:
        UsageError: Required weights are missing, or superfluous ones are given.
        WeightsError, StorageError: As for ``resolve_weights``.
    """
    spec = backbone_spec(backbone)
    if flow_weights is not None and len(spec.streams) < 2:
        raise UsageError(f"--flow-weights is only valid with i3d-two-stream; for backbone {backbone} use --weights")
    if weights is None and spec.name == DEFAULT_BACKBONE:
        weights = EMBEDDED
    named = {"--weights": weights, "--flow-weights": flow_weights}
    sources = []
    for option, architecture in zip(named, spec.architectures, strict=False):
        source = named[option]
        if source is None:
            raise UsageError(_missing(backbone, option, architecture))
        try:
            sources.append(resolve_weights(source, architecture, options))
        except WeightsError as error:
            raise WeightsError(f"{option} {error}") from error
        except UsageError as error:
            raise UsageError(f"{option}: {error}") from error
    return BackboneSource(*sources)


def _missing(backbone: str, option: str, architecture: Architecture) -> str:
    spec = architecture_spec(architecture)
    public = f"{option} {spec.public} after `wsvad weights fetch {spec.public}`, "
    return (
        f"backbone {backbone} needs weights of {spec.title}: {public}{option} FILE or URI, or {option} random[:SEED] "
        f"for an untrained network. --backbone {DEFAULT_BACKBONE} has embedded weights"
    )


def resolve_weights(
    source: str, architecture: Architecture = "inception-rgb", options: StoreOptions | None = None
) -> WeightsSource:
    """Resolve the weights of one network.

    Args:
        source: ``embedded``; ``random`` or ``random:<seed>`` for an untrained network; a name of ``wsvad weights list``
            or of a file in the weights folder; else the path or URI of a file of any supported format.
        architecture: Architecture of the network.
        options: Access options of the store.

    Raises:
        WeightsError: Invalid file; no code in it was executed.
        StorageError: The file cannot be read from the store.
        UsageError: Invalid seed, or embedded weights of an architecture that has none.
    """
    if is_untrained(source):
        text = source.partition(":")[2] or "0"
        if not (text.isascii() and text.isdecimal() and int(text) < 2**32):
            raise UsageError(f"random:SEED expects an integer from 0 to 2**32 - 1, got {source!r}")
        name = untrained_name(int(text), architecture)
        return WeightsSource(name, name, Weights(name, "", {}).banner, architecture, int(text))
    if source in (EMBEDDED, catalogue.EMBEDDED):
        if architecture != "inception-compact":
            raise UsageError(f"there are no embedded weights of {architecture_spec(architecture).title}")
        return _loaded_source(embedded_weights())
    where = source if "://" in source else str(find_weights(source))
    return _loaded_source(read_weights(where, architecture, options).weights)


def _loaded_source(weights: Weights) -> WeightsSource:
    label = f"{weights.name} ({weights.digest[:19]})"
    return WeightsSource(weights.digest, label, weights.banner, weights.architecture, loaded=weights)
