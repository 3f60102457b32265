"""Seeded untrained weights of the ResNet-50 I3D, calibrated as described in ``untrained``.

Sums of a block and its shortcut are integers as well, so that they are exact in fp32. They grow from block to block, as
in a trained network, and are reset at every stage.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsvad.backbones.resnet import DEVIATION, MEAN, ResNet50I3d
from wsvad.backbones.untrained import ACTIVATION_STEPS, moving_textures, one_thread, set_integer_weights

STEM = "conv1"
"""The convolution over pixels."""
PIXEL_STEPS = 4
"""Steps per brightness level: ``x - 114.75`` is a multiple of a quarter."""


def untrained_resnet_state(seed: int) -> dict[str, Tensor]:
    """Return the state dict of an untrained, calibrated ``ResNet50I3d(num_classes=None)``, in fp32.

    Args:
        seed: At least 0; the same seed gives the same weights.
    """
    with torch.device("meta"):
        model = ResNet50I3d(num_classes=None)
        state = model.state_dict()
    model = model.to_empty(device="cpu")
    for name, norm in norms(model).items():
        conv, batch_norm = model.get_submodule(name), model.get_submodule(norm)
        assert isinstance(conv, nn.Conv3d)
        assert isinstance(batch_norm, nn.BatchNorm3d)
        step = 1 / (PIXEL_STEPS * DEVIATION) if name == STEM else 1 / ACTIVATION_STEPS
        set_integer_weights(name, conv, seed, step, batch_norm.eps, f"{name}.weight", norm, state)
        model.set_submodule(norm, nn.Identity())
    video_THWC = torch.from_numpy(moving_textures(seed))
    integers = (PIXEL_STEPS * (video_THWC.float() - MEAN)).permute(3, 0, 1, 2).unsqueeze(0)
    with torch.no_grad(), one_thread():
        model.maps(integers)
    return state


def norms(model: ResNet50I3d) -> dict[str, str]:
    """Return the name of the batch norm that follows each convolution, by the name of the convolution."""
    return {
        name: f"{name[:-1]}1" if name.endswith("downsample.0") else "bn".join(name.rsplit("conv", 1))
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv3d)
    }
