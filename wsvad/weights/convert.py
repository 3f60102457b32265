"""Convert weights of any supported format to safetensors, and describe weight files."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from wsvad.backbones.names import Architecture
from wsvad.backbones.registry import ARCHITECTURES
from wsvad.backbones.weights import weights_bytes
from wsvad.errors import ConflictError, UsageError
from wsvad.storage import Created, StoreOptions, open_object, probe_object
from wsvad.weights.source import SourceWeights, read_weights


@dataclass(frozen=True)
class WeightsDescription:
    """Description of a weight file."""

    uri: str
    format: str
    architecture: str
    name: str
    """Published name if the file is known, else the name in its metadata or one derived from its digest."""
    known: bool
    """True if every file is identical to a published one."""
    digest: str
    """``sha256:<hex>`` of the tensors, as used in fingerprints; the same for every file format."""
    classes: int | None
    """Classes of its classifier; ``None`` without a classifier. Features do not depend on it."""
    parameters: int
    """Number of floating-point values, including the classifier and statistics."""
    files: dict[str, str] = field(default_factory=dict)
    """Git blob id of each file, by URI."""


def describe(uri: str, *, architecture: str | None = None, options: StoreOptions | None = None) -> WeightsDescription:
    """Read and validate a weight file, and describe it.

    Args:
        uri: URI of a file, as for ``read_weights``.
        architecture: Architecture that the weights must have; ``None``: the one they match best.
        options: Access options of the store.

    Raises:
        WeightsError: Damaged, hostile, or not weights of a supported network.
        StorageError: The file cannot be read from the store.
        UsageError: Unknown architecture.
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
) -> WeightsDescription:
    """Read weights of any supported format and write them atomically as safetensors.

    Args:
        source: URI of a file, as for ``read_weights``.
        out: URI of the file to write.
        architecture: Architecture that the weights must have; ``None``: the one they match best.
        name: Name for weights that are not in the catalogue; ``None``: derived from their digest.
        overwrite: Replace an existing file with other content at ``out``.
        options: Access options of the stores.

    Returns:
        Description of the weights.

    Raises:
        WeightsError: Damaged, hostile, or not weights of that network.
        ConflictError: A file with other content exists at ``out``.
        StorageError: A file cannot be read or written.
        UsageError: ``out`` does not end in ``.safetensors``, or the architecture is unknown.
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
        raise ConflictError(f"{store.uri_of(key)} exists with other content; use --overwrite to replace it")
    return _described(source, read)


def _architecture(name: str | None) -> Architecture | None:
    for known in ARCHITECTURES:
        if known == name:
            return known
    if name is not None:
        raise UsageError(f"--architecture must be one of {', '.join(ARCHITECTURES)}, got {name!r:.100}")
    return None


def _described(uri: str, read: SourceWeights) -> WeightsDescription:
    weights = read.weights
    bias = weights.state.get("logits.conv3d.bias", weights.state.get("fc.bias"))
    return WeightsDescription(
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
