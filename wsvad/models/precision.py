"""Mixed precision of training steps: layers multiply in bfloat16; weights, logits, losses and the optimiser stay fp32.

A bfloat16 has 8 significant bits. They are enough for hidden features, but logits would be rounded to steps of a
hundredth, so that clips and cuboids tie where the maximum or the top k selects one. Therefore the layer that gives the
logits is a :class:`LogitLayer`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from wsvad.models.contract import MilOutput


class LogitLayer(nn.Linear):
    """A linear layer that computes in fp32 in mixed precision too."""

    def forward(self, features: Tensor) -> Tensor:
        """Map ``[…, D]`` to ``[…, outputs]``."""
        if not torch.is_autocast_enabled(features.device.type):
            return super().forward(features)
        with torch.autocast(features.device.type, enabled=False):
            return super().forward(features.float())


def mixed_precision(device: torch.device, *, enabled: bool) -> AbstractContextManager[object]:
    """Return a context in which matrix products and convolutions on the device use bfloat16."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if enabled else nullcontext()


def to_fp32(output: MilOutput) -> MilOutput:
    """Return an output with all tensors in fp32, for the loss."""
    parts = output.parts
    if parts is not None:
        whole = tuple(part.float() for part in parts)
        parts = type(parts)(*whole) if hasattr(parts, "_fields") else whole
    tensors = {name: value.float() for name, value in output._asdict().items() if isinstance(value, Tensor)}
    return output._replace(**tensors, parts=parts)
