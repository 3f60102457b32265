"""From what a user names to weights: known by identity at once, loaded only when there is work for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from wsvad.backbones.choose import architecture_spec, backbone_spec
from wsvad.backbones.embedded import embedded_weights
from wsvad.backbones.identity import is_untrained
from wsvad.backbones.names import DEFAULT_BACKBONE, Architecture
from wsvad.backbones.weights import Weights, random_weights, untrained_name
from wsvad.errors import UsageError, WeightsError
from wsvad.storage import StoreOptions
from wsvad.weights import catalogue
from wsvad.weights.folder import find_weights
from wsvad.weights.source import read_weights

EMBEDDED = "embedded"
"""What ``--weights`` calls the weights that come with the package."""


class LoadedWeights(NamedTuple):
    """The weights of a backbone's networks, as workers get them."""

    weights: Weights
    flow_weights: Weights | None = None
    """Of the second of two streams."""


@dataclass(frozen=True)
class WeightsSource:
    """Weights of one network that are known by name."""

    identity: str
    """What names them in a fingerprint: ``sha256:<hex>`` of the tensors, or the recipe of an untrained network, which
    makes the same tensors everywhere and need not run to be named."""
    label: str
    """What people are told."""
    banner: str
    """A loud line when the weights are untrained, else empty."""
    architecture: Architecture
    """The network that they are for."""
    seed: int | None = None
    loaded: Weights | None = field(default=None, repr=False, compare=False)

    def load(self) -> Weights:
        """Return the weights; an untrained network takes a few seconds to make."""
        if self.loaded is not None:
            return self.loaded
        assert self.seed is not None
        return random_weights(self.seed, self.architecture)


@dataclass(frozen=True)
class BackboneSource:
    """Weights of a backbone, of one network or of two."""

    weights: WeightsSource
    flow_weights: WeightsSource | None = None
    """Of the second of two streams."""

    @property
    def label(self) -> str:
        """What people are told."""
        return " + ".join(source.label for source in self._all)

    @property
    def banner(self) -> str:
        """A loud line when any of the weights are untrained, else empty."""
        return next((source.banner for source in self._all if source.banner), "")

    def load(self) -> LoadedWeights:
        """Return the weights."""
        return LoadedWeights(*(source.load() for source in self._all))

    @property
    def _all(self) -> list[WeightsSource]:
        return [source for source in (self.weights, self.flow_weights) if source]


def resolve_backbone(
    backbone: str, weights: str | None, flow_weights: str | None = None, options: StoreOptions | None = None
) -> BackboneSource:
    """Find the weights of a backbone.

    Args:
        backbone: its name.
        weights: of its (first) network, see :func:`resolve_weights`; ``None``: the embedded ones, where it has some.
        flow_weights: of the second of two streams.
        options: how to reach the store.

    Raises:
        UsageError: weights that are needed are not named, or some are named that have no use.
        WeightsError, StorageError: as ``resolve_weights``.
    """
    spec = backbone_spec(backbone)
    if flow_weights is not None and len(spec.streams) < 2:
        raise UsageError(f"--flow-weights goes with i3d-two-stream; backbone {backbone} takes all of its --weights")
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
        f"for an untrained network. Without weights of your own there is --backbone {DEFAULT_BACKBONE}"
    )


def resolve_weights(
    source: str, architecture: Architecture = "inception-rgb", options: StoreOptions | None = None
) -> WeightsSource:
    """Find the weights of one network.

    Args:
        source: ``embedded``; ``random`` or ``random:<seed>`` for an untrained network; a name of ``wsvad weights list``
            or of a file in the folder of weights; else the path or URI of a file of any layout that is known here.
        architecture: the network.
        options: how to reach the store.

    Raises:
        WeightsError: the file is not what it should be; nothing in it was executed.
        StorageError: the file cannot be reached.
        UsageError: a seed that is no number, or embedded weights of a network that has none.
    """
    if is_untrained(source):
        text = source.partition(":")[2] or "0"
        if not (text.isascii() and text.isdecimal() and int(text) < 2**32):
            raise UsageError(f"random:SEED takes a whole number below 2**32, got {source!r}")
        name = untrained_name(int(text), architecture)
        return WeightsSource(name, name, Weights(name, "", {}).banner, architecture, int(text))
    if source in (EMBEDDED, catalogue.EMBEDDED):
        if architecture != "inception-compact":
            raise UsageError(f"there are no embedded weights of {architecture_spec(architecture).title}")
        return _known(embedded_weights())
    where = source if "://" in source else str(find_weights(source))
    return _known(read_weights(where, architecture, options).weights)


def _known(weights: Weights) -> WeightsSource:
    label = f"{weights.name} ({weights.digest[:19]})"
    return WeightsSource(weights.digest, label, weights.banner, weights.architecture, loaded=weights)
