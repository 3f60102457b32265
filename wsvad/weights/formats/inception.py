"""Map names and axes of I3D in ``deepmind/kinetics-i3d`` (TensorFlow, Sonnet) to those of the public PyTorch files.

Sonnet's batch norm has no learned scale, so PyTorch's is 1; both networks use an epsilon of 1e-3. Convolutions are
stored as ``[T, H, W, in, out]`` there and as ``[out, in, T, H, W]`` here.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from wsvad.errors import WeightsError
from wsvad.weights.formats.tensorflow import Bundle

_SCOPE = re.compile(r"^(?:(?:RGB|Flow)/inception_i3d/)?(?P<layer>.+)/(?P<part>conv_3d|batch_norm)/(?P<leaf>\w+)$")
_BRANCHES = {
    "Branch_0/Conv3d_0a_1x1": "b0",
    "Branch_1/Conv3d_0a_1x1": "b1a",
    "Branch_1/Conv3d_0b_3x3": "b1b",
    "Branch_2/Conv3d_0a_1x1": "b2a",
    "Branch_2/Conv3d_0b_3x3": "b2b",
    "Branch_2/Conv3d_0a_3x3": "b2b",  # its name in Mixed_5b
    "Branch_3/Conv3d_0b_1x1": "b3b",
}
_LEAVES = {
    ("conv_3d", "w"): "conv3d.weight",
    ("conv_3d", "b"): "conv3d.bias",
    ("batch_norm", "beta"): "bn.bias",
    ("batch_norm", "moving_mean"): "bn.running_mean",
    ("batch_norm", "moving_variance"): "bn.running_var",
}
_TRAINING_ONLY = ("/Momentum", "/ExponentialMovingAverage")


def public_name(name: str) -> str | None:
    """Return the PyTorch name of a TensorFlow variable of I3D; ``None`` for any other variable."""
    match = _SCOPE.match(name)
    leaf = _LEAVES.get((match["part"], match["leaf"])) if match else None
    if match is None or leaf is None:
        return None
    unit, _, branch = match["layer"].partition("/")
    if match["layer"] == "Logits/Conv3d_0c_1x1":
        return f"logits.{leaf}"
    if not branch:
        return f"{unit}.{leaf}"
    return f"{unit}.{_BRANCHES[branch]}.{leaf}" if branch in _BRANCHES else None


def inception_state(bundle: Bundle) -> dict[str, NDArray[np.float32]]:
    """Return the tensors of an I3D checkpoint by PyTorch name. Completeness of the network is not checked here.

    Training state (momentum) is not read.

    Raises:
        WeightsError: Unknown variable, two variables with one name, not floating-point, or damaged.
    """
    state: dict[str, NDArray[np.float32]] = {}
    for name in bundle.entries:
        if name.endswith(_TRAINING_ONLY) or name == "global_step":
            continue
        public = public_name(name)
        if public is None:
            raise WeightsError(f"unexpected {name!r:.120}, which is not part of an Inception-v1 I3D")
        if public in state:
            raise WeightsError(f"the checkpoint has two variables for {public!r}: {name!r:.120} and another")
        values = bundle.array(name)
        if not np.issubdtype(values.dtype, np.floating):
            raise WeightsError(f"{name!r} has type {values.dtype}; expected floating-point values")
        if public.endswith("conv3d.weight") and values.ndim == 5:
            values = values.transpose(4, 3, 0, 1, 2)
        elif not public.endswith("conv3d.weight"):
            values = values.reshape(-1)
        state[public] = np.ascontiguousarray(values, np.float32)
    for name in [name for name in state if name.endswith(".bn.bias")]:
        state.setdefault(name.replace(".bn.bias", ".bn.weight"), np.ones_like(state[name]))
    return state
