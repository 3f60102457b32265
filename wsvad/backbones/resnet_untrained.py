"""A seeded ResNet-50 I3D that nobody trained, calibrated as ``untrained`` describes.

Sums of a block and its shortcut are whole numbers as well, so that they are exact in fp32; they grow from block to
block, as in a trained network, and start anew at every stage.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsvad.backbones.resnet import DEVIATION, MEAN, ResNet50I3d
from wsvad.backbones.untrained import ACTIVATION_STEPS, moving_textures, one_thread, whole_weights

STEM = "conv1"
"""The convolution that sees pixels."""
PIXEL_STEPS = 4
"""Steps in one level of brightness: ``x - 114.75`` is a multiple of a quarter."""


def untrained_resnet_state(seed: int) -> dict[str, Tensor]:
    """Return the state dict of an untrained, calibrated ``ResNet50I3d(num_classes=None)``, in fp32.

    Args:
        seed: not negative; the same seed gives the same numbers.
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
        whole_weights(name, conv, seed, step, batch_norm.eps, f"{name}.weight", norm, state)
        model.set_submodule(norm, nn.Identity())
    video_THWC = torch.from_numpy(moving_textures(seed))
    whole_numbers = (PIXEL_STEPS * (video_THWC.float() - MEAN)).permute(3, 0, 1, 2).unsqueeze(0)
    with torch.no_grad(), one_thread():
        model.maps(whole_numbers)
    return state


def norms(model: ResNet50I3d) -> dict[str, str]:
    """Return, by the name of each convolution, the name of the batch norm that follows it."""
    return {
        name: f"{name[:-1]}1" if name.endswith("downsample.0") else "bn".join(name.rsplit("conv", 1))
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv3d)
    }
