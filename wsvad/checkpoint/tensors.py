"""Encode named tensors as safetensors, which holds numbers only and executes nothing, and compute their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import safetensors.torch
import torch
from torch import Tensor

from wsvad.errors import WeightsError


def encode_tensors(tensors: Mapping[str, Tensor]) -> bytes:
    """Encode tensors as safetensors; equal tensors give equal bytes."""
    return safetensors.torch.save({name: tensors[name].detach().cpu().contiguous().clone() for name in sorted(tensors)})


def decode_tensors(data: bytes, where: str) -> dict[str, Tensor]:
    """Decode safetensors to tensors on the CPU.

    Raises:
        WeightsError: the bytes are not safetensors, or are truncated.
    """
    try:
        return dict(safetensors.torch.load(data))
    except Exception as error:  # a hostile or damaged file can raise any exception
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            f"{where}: expected tensors as safetensors, got a damaged file or another format ({reason[:200]})"
        ) from error


def digest_of(tensors: Mapping[str, Tensor], text: bytes = b"") -> str:
    """Return ``sha256:<hex>`` of ``text`` and the names, dtypes, shapes and bytes of the tensors, ordered by name."""
    total = hashlib.sha256(len(text).to_bytes(8, "little") + text)
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return f"sha256:{total.hexdigest()}"
