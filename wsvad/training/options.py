"""Options of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from wsvad.storage import StoreOptions


@dataclass(frozen=True)
class TrainOptions:
    """Model, data, target and resources of a training run; ``wsvad train --help`` explains the same options."""

    features: str
    """URI of the features data set."""
    manifest: str
    """``.csv`` or ``.parquet`` with labels and splits."""
    model: str
    out: str
    """Folder of the run."""
    preset: str = "paper"
    overrides: Sequence[str] = ()
    """Model settings as ``key=value``, which override the preset."""
    training: dict[str, Any] = field(default_factory=dict)
    """Options of ``TrainConfig`` by name, which override the model's recipe."""
    allow_missing: bool = False
    report_test: bool = False
    use_ray: bool | None = None
    """Train on Ray (True) or in this process (False); ``None``: on Ray for workers, a cluster or GPUs."""
    address: str | None = None
    """Address of a Ray cluster; ``None`` uses ``RAY_ADDRESS``, else a local Ray."""
    workers: int | None = None
    """Workers that divide every batch; ``None``: one for each GPU that can divide it evenly, or one without GPUs."""
    cpus_per_worker: float | None = None
    """CPU cores (and threads) per worker; ``None``: one."""
    gpus_per_worker: float | None = None
    """GPUs per worker; ``None``: one if the cluster has any."""
    max_failures: int = 3
    """Number of times that lost workers are replaced, at least 0."""
    cache_folder: str | None = None
    drop_states: bool = False
    """Delete the saved states when the run is finished; checkpoint, curve and record are kept."""
    store: StoreOptions = field(default_factory=StoreOptions)
    dry_run: bool = False
    verbose: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the options as JSON values; they contain no secrets."""
        return {**asdict(self), "overrides": list(self.overrides)}
