"""What a training run is asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from wsvad.storage import StoreOptions


@dataclass(frozen=True)
class TrainOptions:
    """What to train, on what, and where to; ``wsvad train --help`` explains the same options."""

    features: str
    """Root of a features data set."""
    manifest: str
    """``.csv`` or ``.parquet`` with labels and splits."""
    model: str
    out: str
    """Folder of the run."""
    preset: str = "paper"
    overrides: Sequence[str] = ()
    """Settings of the model as ``key=value``, over those of the preset."""
    training: dict[str, Any] = field(default_factory=dict)
    """Options of ``TrainConfig`` by name, over those of the model's recipe."""
    allow_missing: bool = False
    report_test: bool = False
    use_ray: bool = True
    """Whether the loop runs on Ray Train, or in this process."""
    address: str | None = None
    """Of a Ray cluster; ``None``: ``RAY_ADDRESS``, else a local Ray."""
    workers: int | None = None
    """Workers that share every batch; ``None``: one for each GPU that can share it evenly, without GPUs one."""
    cpus_per_worker: float | None = None
    """CPU cores (and threads) of a worker; ``None``: one."""
    gpus_per_worker: float | None = None
    """GPUs of a worker; ``None``: one where the cluster has any."""
    max_failures: int = 3
    """Times that lost workers are replaced, at least 0."""
    cache_folder: str | None = None
    drop_states: bool = False
    """Delete the states of the run once it is finished; checkpoint, curve and record stay."""
    store: StoreOptions = field(default_factory=StoreOptions)
    dry_run: bool = False
    verbose: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the options as JSON values; they hold no secret."""
        return {**asdict(self), "overrides": list(self.overrides)}
