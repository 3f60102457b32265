"""Named tensors as bytes and back, and the digest over them. safetensors holds numbers only; nothing is executed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import safetensors.torch
import torch
from torch import Tensor

from wsvad.errors import WeightsError


def encode_tensors(tensors: Mapping[str, Tensor]) -> bytes:
    """Return tensors as safetensors; the same tensors give the same bytes."""
    return safetensors.torch.save({name: tensors[name].detach().cpu().contiguous().clone() for name in sorted(tensors)})


def decode_tensors(data: bytes, where: str) -> dict[str, Tensor]:
    """Undo :func:`encode_tensors`; the tensors are on the CPU.

    Raises:
        WeightsError: the bytes are no safetensors, or fewer than its header announces.
    """
    try:
        return dict(safetensors.torch.load(data))
    except Exception as error:  # a hostile or damaged file can raise anything; all of it means the same here
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            f"{where}: expected tensors as safetensors, got a file that is damaged or of another kind ({reason[:200]})"
        ) from error


def digest_of(tensors: Mapping[str, Tensor], text: bytes = b"") -> str:
    """Return ``sha256:<hex>`` over ``text`` and the names, dtypes, shapes and bytes of tensors, by name."""
    total = hashlib.sha256(len(text).to_bytes(8, "little") + text)
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return f"sha256:{total.hexdigest()}"
