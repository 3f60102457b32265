"""Reference data computed with public code; see the files README-*.md in ``tests/data``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wsvad.models.contract import MilModel

DATA = Path(__file__).resolve().parents[1] / "data"
Names = Sequence[tuple[str, str]]
"""Patterns of parts of names, and what is in their place."""

GL_ENCODER: Names = (
    (r"embedding\.conv_1\.0", "encoder.embedding"),
    (r"selfatt\.layers\.(\d)\.0\.norm", r"encoder.layers.\1.attention_norm"),
    (r"selfatt\.layers\.(\d)\.0\.fn\.to_qkv", r"encoder.layers.\1.attention.qkvn"),
    (r"selfatt\.layers\.(\d)\.0\.fn\.to_out\.0", r"encoder.layers.\1.attention.out"),
    (r"selfatt\.layers\.(\d)\.1\.norm", r"encoder.layers.\1.feed_forward_norm"),
    (r"selfatt\.layers\.(\d)\.1\.fn\.net", r"encoder.layers.\1.feed_forward"),
)
"""How the encoder of UR-DMU's and BN-WVAD's code calls its weights, and ours."""


def rtfm_reference() -> dict[str, np.ndarray]:
    """Return the inputs and the value of its loss (``tianyu0207/RTFM`` at cf938f4c)."""
    with np.load(DATA / "rtfm.npz") as arrays:
        return dict(arrays)


def public_numbers(name: str) -> dict[str, Tensor]:
    """Weights (``weight.``), gradients of the total loss (``grad.``), terms (``loss.``), inputs and outputs."""
    with np.load(DATA / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(np.asarray(value)) for key, value in arrays.items()}


def renamed(numbers: dict[str, Tensor], kind: str, names: Names) -> dict[str, Tensor]:
    """Return the tensors of a kind under our names."""
    found = {}
    for key, value in numbers.items():
        head, _, name = key.partition(".")
        if head == kind:
            for pattern, ours in names:
                name = re.sub(f"^{pattern}", ours, name)
            found[name] = value
    return found


def load(model: MilModel, numbers: dict[str, Tensor], names: Names) -> None:
    """Give a model the weights of the public code: all of them, none left over."""
    own = model.state_dict()
    model.load_state_dict({k: v.reshape(own[k].shape) for k, v in renamed(numbers, "weight", names).items()})


def assert_gradients(model: MilModel, numbers: dict[str, Tensor], names: Names) -> None:
    """Every parameter has the gradient of the public code, to 1e-5 of its largest, or to 1e-8 of the largest of all."""
    least = 1e-3 * max(gradient.abs().max() for gradient in renamed(numbers, "grad", names).values())
    expected = renamed(numbers, "grad", names)
    assert expected.keys() == {name for name, _ in model.named_parameters()}
    for name, parameter in model.named_parameters():
        theirs = expected[name].reshape(parameter.shape)
        scale = max(float(theirs.abs().max()), float(least))
        torch.testing.assert_close(parameter.grad, theirs, rtol=1e-4, atol=1e-5 * scale + 1e-8, msg=name)
