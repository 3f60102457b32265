"""Map names of the ResNet-50 I3D in ``facebookresearch/video-nonlocal-net`` (Caffe2) to those of ``pytorch-resnet3d``.

Only the names differ, the arrays are the same: ``res2_0_branch2a_w`` is ``layer1.0.conv1.weight``, and
``res2_0_branch2a_bn_riv`` (a variance, despite its name) is ``layer1.0.bn1.running_var``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from wsvad.errors import WeightsError

_LEAVES = {"w": "weight", "b": "bias", "s": "weight", "rm": "running_mean", "riv": "running_var"}
_BLOCK = re.compile(r"res([2-5])_(\d+)_branch(1|2[abc])(_bn)?_(w|b|s|rm|riv)")
_STEM = re.compile(r"(conv1|res_conv1_bn|pred)_(w|b|s|rm|riv)")
_STEM_NAMES = {"conv1": "conv1", "res_conv1_bn": "bn1", "pred": "fc"}
_TRAINING_ONLY = ("_momentum", "lr", "model_iter")


def public_name(name: str) -> str | None:
    """Return the PyTorch name of a blob of the network; ``None`` for any other blob."""
    if match := _STEM.fullmatch(name):
        return f"{_STEM_NAMES[match[1]]}.{_LEAVES[match[2]]}"
    if match := _BLOCK.fullmatch(name):
        stage, block, branch, norm, leaf = match.groups()
        place = (
            f"downsample.{int(bool(norm))}"
            if branch == "1"
            else f"{'bn' if norm else 'conv'}{'abc'.index(branch[1]) + 1}"
        )
        return f"layer{int(stage) - 1}.{block}.{place}.{_LEAVES[leaf]}"
    return None


def resnet_state(blobs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
    """Return the arrays by PyTorch name. Completeness of the network is not checked here.

    Training state (momentum, learning rate) is left out.

    Raises:
        WeightsError: Unknown blob, or a blob that is not floating-point.
    """
    state: dict[str, NDArray[np.float32]] = {}
    for name, values in blobs.items():
        if name.endswith(_TRAINING_ONLY):
            continue
        public = public_name(name)
        if public is None:
            hint = "; the network with non-local blocks is not supported" if name.startswith("nonlocal") else ""
            raise WeightsError(f"unexpected {name!r:.120}, which is not part of a ResNet-50 I3D{hint}")
        if not np.issubdtype(values.dtype, np.floating):
            raise WeightsError(f"{name!r} has type {values.dtype}; expected floating-point values")
        state[public] = np.ascontiguousarray(values, np.float32)
    return state
