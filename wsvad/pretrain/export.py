"""From the last state of a run to the file that ships."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch

from wsvad.errors import UsageError
from wsvad.pretrain.config import PretrainConfig
from wsvad.storage import open_store
from wsvad.train.state import newest_state

WEIGHTS, HEADS = "trunk.safetensors", "network.safetensors"


def export(out: Path, config: PretrainConfig) -> None:
    """Write the network with and without its heads beside the states.

    Raises:
        UsageError: the run is not finished.
    """
    state = newest_state(open_store(str(out)))
    if state is None or state.step < config.steps:
        raise UsageError(f"{out}: step {state.step if state else 0} of {config.steps}; run the same command again")
    model = {n.removeprefix("model."): t.contiguous() for n, t in state.tensors.items() if n.startswith("model.")}
    safetensors.torch.save_file(model, out / HEADS)
    trunk = {n.removeprefix("trunk."): t for n, t in model.items() if n.startswith("trunk.")}
    safetensors.torch.save_file(trunk, out / WEIGHTS)
