"""From weights of any known layout to safetensors, and to a description of what they are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from wsvad.backbones.choose import ARCHITECTURES
from wsvad.backbones.names import Architecture
from wsvad.backbones.weights import weights_bytes
from wsvad.errors import ConflictError, UsageError
from wsvad.storage import Created, StoreOptions, open_object, probe_object
from wsvad.weights.source import SourceWeights, read_weights


@dataclass(frozen=True)
class Described:
    """What a file of weights is."""

    uri: str
    format: str
    architecture: str
    name: str
    """The published one where the file is known, else the one it was written under, or made of its digest."""
    known: bool
    """Whether every file is, byte for byte, a published one."""
    digest: str
    """``sha256:<hex>`` of the tensors, which names them in fingerprints; the same for every file format."""
    classes: int | None
    """Of its classifier; ``None``: it has none. Features do not depend on it."""
    parameters: int
    """Floating numbers in it, the classifier's and the statistics included."""
    files: dict[str, str] = field(default_factory=dict)
    """URI and git blob id of each file."""


def describe(uri: str, *, architecture: str | None = None, options: StoreOptions | None = None) -> Described:
    """Read and check a file of weights, and say what it is.

    Args:
        uri: of a file, as for ``read_weights``.
        architecture: the network that they must be for; ``None``: whatever they seem to be for.
        options: how to reach the store.

    Raises:
        WeightsError: damaged, hostile, or not weights of a network that is known here.
        StorageError: it cannot be reached.
        UsageError: there is no such architecture.
    """
    return _described(uri, read_weights(uri, _architecture(architecture), options))


def convert(
    source: str,
    out: str,
    *,
    architecture: str | None = None,
    name: str | None = None,
    overwrite: bool = False,
    options: StoreOptions | None = None,
) -> Described:
    """Read weights of any known layout and write them as safetensors, whole or not at all.

    Args:
        source: URI of a file, as for ``read_weights``.
        out: URI of the file to write.
        architecture: the network that they must be for; ``None``: whatever they seem to be for.
        name: given to weights that no digest is known of; ``None``: made of their digest.
        overwrite: replace another file that is at ``out``.
        options: how to reach the stores.

    Returns:
        What was read.

    Raises:
        WeightsError: damaged, hostile, or not weights of that network.
        ConflictError: another file is at ``out``.
        StorageError: a file cannot be reached or written.
        UsageError: ``out`` does not end in ``.safetensors``, or there is no such architecture.
    """
    if not out.endswith(".safetensors"):
        raise UsageError(f"--out must end in .safetensors, got {out!r:.200}")
    store, key = open_object(out, options)
    probe_object(out, options)
    read = read_weights(source, _architecture(architecture), options)
    if name is not None and read.known is None:
        read = replace(read, weights=replace(read.weights, name=name))
    content = weights_bytes(read.weights)
    if overwrite:
        store.replace(key, content)
    elif store.create(key, content) is Created.DIFFERENT:
        raise ConflictError(f"another file is at {store.uri_of(key)}; give --overwrite to replace it")
    return _described(source, read)


def _architecture(name: str | None) -> Architecture | None:
    for known in ARCHITECTURES:
        if known == name:
            return known
    if name is not None:
        raise UsageError(f"--architecture must be one of {', '.join(ARCHITECTURES)}, got {name!r:.100}")
    return None


def _described(uri: str, read: SourceWeights) -> Described:
    weights = read.weights
    bias = weights.state.get("logits.conv3d.bias", weights.state.get("fc.bias"))
    return Described(
        uri,
        read.format,
        weights.architecture,
        weights.name,
        read.known is not None,
        weights.digest,
        None if bias is None else len(bias),
        sum(tensor.numel() for tensor in weights.state.values() if tensor.is_floating_point()),
        {name: str(digest) for name, digest in read.files.items()},
    )
