"""Names of the ResNet-50 I3D in ``facebookresearch/video-nonlocal-net`` (Caffe2), as ``pytorch-resnet3d`` renames them.

The arrays are the same, only their names differ: ``res2_0_branch2a_w`` is ``layer1.0.conv1.weight``,
``res2_0_branch2a_bn_riv`` (a variance, in spite of its name) is ``layer1.0.bn1.running_var``.
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
    """Return the arrays by PyTorch's names; whether they make up a network is not checked here.

    What only training needs (momentum, the learning rate) is left out.

    Raises:
        WeightsError: a blob that the network does not have, or no floating numbers in it.
    """
    state: dict[str, NDArray[np.float32]] = {}
    for name, values in blobs.items():
        if name.endswith(_TRAINING_ONLY):
            continue
        public = public_name(name)
        if public is None:
            hint = "; the network with non-local blocks is not supported" if name.startswith("nonlocal") else ""
            raise WeightsError(f"the file has {name!r:.120}, which a ResNet-50 I3D has not{hint}")
        if not np.issubdtype(values.dtype, np.floating):
            raise WeightsError(f"{name!r} holds {values.dtype}; expected floating numbers")
        state[public] = np.ascontiguousarray(values, np.float32)
    return state
