"""Properties of the devices that PyTorch computes on."""

from __future__ import annotations

import torch


def has_bf16(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 in hardware; elsewhere bfloat16 is slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
