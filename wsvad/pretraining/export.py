"""Export the backbone of a finished run to the file that is embedded in the package."""

from __future__ import annotations

from dataclasses import dataclass

from wsvad.backbones import shipped
from wsvad.backbones.weights import named_weights, weights_bytes
from wsvad.errors import UsageError
from wsvad.loop.state import newest_state
from wsvad.pretraining.config import PretrainConfig
from wsvad.storage import Store


@dataclass(frozen=True)
class ExportResult:
    """Result of a run."""

    weights: str
    """URI of the weights."""
    digest: str
    steps: int
    loss: float
    """Loss of the last evaluation of the validation clips."""


def export(out: Store, config: PretrainConfig) -> ExportResult:
    """Write the backbone, without the parts that only training needs.

    Raises:
        UsageError: The run is not finished.
    """
    state = newest_state(out)
    if state is None or state.step < config.steps:
        raise UsageError(
            f"{out.uri}: {state.step if state else 0} of {config.steps} steps done; run the same command again"
        )
    weights = named_weights(shipped.NAME, state.part("model.backbone"), "inception-compact")
    out.replace(shipped.FILE, weights_bytes(weights))
    loss = state.tensors["curve"][-1, state.columns.index("val_total")].item()
    return ExportResult(f"{out.uri}/{shipped.FILE}", weights.digest, state.step, loss)
