"""Read and validate weights in any published format, without executing code."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from wsvad.backbones.names import Architecture
from wsvad.backbones.weights import Weights, load_weights
from wsvad.errors import WeightsError
from wsvad.storage import Store, StoreOptions, open_object
from wsvad.weights.catalogue import CATALOGUE
from wsvad.weights.digests import Digest, bytes_digest
from wsvad.weights.download import MAX_BYTES
from wsvad.weights.formats.caffe2 import resnet_state
from wsvad.weights.formats.inception import inception_state
from wsvad.weights.formats.pickles import read_arrays
from wsvad.weights.formats.sstable import MAGIC
from wsvad.weights.formats.tensorflow import Bundle

Format = Literal["safetensors", "pytorch", "tensorflow", "caffe2"]

_BUNDLE = re.compile(r"(?P<prefix>.+)\.(?:index|data-\d{5}-of-\d{5}|meta)")
_PICKLE = b"\x80"
_TORCH_PICKLE = re.compile(rb"\x80[\x02-\x05](?:\x95.{8})?\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", re.DOTALL)
"""Start of PyTorch's files before they were zip archives: the pickled magic number."""
_SETTINGS_SHOWN = "expected a .pt, .pth or .safetensors file, a TensorFlow checkpoint (.index), or a Caffe2 .pkl"


@dataclass(frozen=True, eq=False)
class SourceWeights:
    """Weights and the files they were read from."""

    weights: Weights
    format: Format
    files: Mapping[str, Digest]
    """Git blob id of every file that was read, by URI."""
    known: str | None
    """Name in the catalogue if the digests of all files match; else ``None``."""


def read_weights(
    uri: str, architecture: Architecture | None = None, options: StoreOptions | None = None
) -> SourceWeights:
    """Read weights of any supported format, and validate them.

    Args:
        uri: URI of a file, local or ``s3://``; for a TensorFlow checkpoint, any of its files or their common prefix.
        architecture: Architecture that the weights must have; ``None``: the one they match best.
        options: Access options of the store.

    Raises:
        WeightsError: Damaged, hostile, too large, or not weights of a supported network.
        StorageError: A file cannot be read from the store.
        UsageError: Invalid URI.
    """
    store, key = open_object(uri, options or StoreOptions(follow_links=True))
    files: dict[str, bytes] = {}
    try:
        prefix = _bundle_prefix(store, key)
        if prefix is not None:
            kind: Format = "tensorflow"
            content = _read_bundle(store, prefix, files)
        else:
            content = _read(store, key, files)
            kind = _format(content)
            if kind == "caffe2":
                content = _as_safetensors(resnet_state(read_arrays(content)))
        weights = load_weights(content, architecture)
    except WeightsError as error:
        raise WeightsError(f"{uri}: {error}") from error
    digests = {store.uri_of(name): bytes_digest(data, "git") for name, data in files.items()}
    known = _known(digests)
    if known is not None:
        weights = replace(weights, name=known)
    return SourceWeights(weights, kind, digests, known)


def _bundle_prefix(store: Store, key: str) -> str | None:
    """Return the common prefix of a TensorFlow checkpoint's files if the key belongs to one."""
    match = _BUNDLE.fullmatch(key)
    if match is not None:
        return match["prefix"]
    if posixpath.splitext(key)[1] in (".pt", ".pth", ".pkl", ".safetensors"):
        return None
    index = f"{key}.index"
    return key if any(info.key == index for info in store.list(index)) else None


def _read_bundle(store: Store, prefix: str, files: dict[str, bytes]) -> bytes:
    def shard(part: str) -> bytes:
        return _read(store, f"{prefix}.data-{part}", files)

    return _as_safetensors(inception_state(Bundle(_read(store, f"{prefix}.index", files), shard)))


def _read(store: Store, key: str, files: dict[str, bytes]) -> bytes:
    size = store.stat(key).size
    if size > MAX_BYTES:
        raise WeightsError(f"{store.uri_of(key)}: expected at most {MAX_BYTES} bytes, got {size}")
    files[key] = store.read(key)
    return files[key]


def _format(data: bytes) -> Format:
    if data[8:9] == b"{":
        return "safetensors"
    if data.startswith(b"PK\x03\x04") or _TORCH_PICKLE.match(data):
        return "pytorch"
    if data.startswith(_PICKLE):
        return "caffe2"
    if data.endswith(MAGIC):
        raise WeightsError("this is the index of a TensorFlow checkpoint; name it .index and keep it next to its data")
    if data[:64].lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise WeightsError(f"this is a web page, perhaps of a download that requires a login; {_SETTINGS_SHOWN}")
    if data.startswith(b"version https://git-lfs"):
        raise WeightsError(f"this is a Git LFS pointer, not the file itself; {_SETTINGS_SHOWN}")
    raise WeightsError(f"damaged or of an unsupported format; {_SETTINGS_SHOWN}")


def _as_safetensors(state: Mapping[str, NDArray[np.float32]]) -> bytes:
    return safetensors.numpy.save(dict(state))


def _known(digests: Mapping[str, Digest]) -> str | None:
    found = set(digests.values())
    for known in CATALOGUE.values():
        if known.files and known.pinned and {file.digest for file in known.files} == found:
            return known.name
    return None
