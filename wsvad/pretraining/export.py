"""From the last state of a run to the file that ships."""

from __future__ import annotations

from dataclasses import dataclass

from wsvad.backbones import shipped
from wsvad.backbones.weights import named_weights, weights_bytes
from wsvad.errors import UsageError
from wsvad.loop.state import newest_state
from wsvad.pretraining.config import PretrainConfig
from wsvad.storage import Store


@dataclass(frozen=True)
class Exported:
    """What came of a run."""

    weights: str
    """Where they are."""
    digest: str
    steps: int
    loss: float
    """Of the last look at the validation clips."""


def export(out: Store, config: PretrainConfig) -> Exported:
    """Write the backbone, without what only training needs.

    Raises:
        UsageError: the run is not finished.
    """
    state = newest_state(out)
    if state is None or state.step < config.steps:
        raise UsageError(
            f"{out.uri}: {state.step if state else 0} of {config.steps} steps done; run the same command again"
        )
    weights = named_weights(shipped.NAME, state.part("model.backbone"), "inception-compact")
    out.replace(shipped.FILE, weights_bytes(weights))
    loss = state.tensors["curve"][-1, state.columns.index("val_total")].item()
    return Exported(f"{out.uri}/{shipped.FILE}", weights.digest, state.step, loss)
