"""From the last state of a run to the file that ships."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wsvad.backbones.choose import DEFAULT_BACKBONE
from wsvad.backbones.weights import named_weights, weights_bytes
from wsvad.errors import UsageError
from wsvad.pretrain.config import PretrainConfig
from wsvad.storage import open_store
from wsvad.train.state import newest_state

WEIGHTS = "i3d_compact.safetensors"


@dataclass(frozen=True)
class Exported:
    """What came of a run."""

    weights: str
    """The file."""
    digest: str
    steps: int
    loss: float
    """Of the last look at the validation clips."""


def export(out: Path, config: PretrainConfig) -> Exported:
    """Write the backbone, without the heads that it was trained with.

    Raises:
        UsageError: the run is not finished.
    """
    state = newest_state(open_store(str(out)))
    if state is None or state.step < config.steps:
        raise UsageError(
            f"{out}: {state.step if state else 0} of {config.steps} steps done; run the same command again"
        )
    prefix = "model.trunk."
    trunk = {name.removeprefix(prefix): t for name, t in state.tensors.items() if name.startswith(prefix)}
    weights = named_weights(DEFAULT_BACKBONE, trunk, "inception-compact")
    (out / WEIGHTS).write_bytes(weights_bytes(weights))
    loss = state.tensors["curve"][-1, state.columns.index("val_total")].item()
    return Exported(str(out / WEIGHTS), weights.digest, state.step, loss)
