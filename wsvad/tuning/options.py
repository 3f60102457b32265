"""Options of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from wsvad.errors import UsageError
from wsvad.storage import StoreOptions
from wsvad.tuning.configurations import Search
from wsvad.tuning.schedule import Plan


@dataclass(frozen=True)
class TuneOptions:
    """Options of a sweep; ``wsvad tune --help`` explains the same options."""

    features: str
    """Root of a features data set."""
    manifest: str
    """Manifest with labels, splits, and annotations if available."""
    space: str
    """Name of a search space, or URI of a TOML file."""
    out: str
    """Root of the sweep."""
    search: Search = "sobol"
    grid_points: int = 5
    """Number of values of each range in a grid."""
    trials: int | None = None
    """Number of configurations; None: the size of the grid, 30, or as many as fit into ``hours``."""
    hours: float | None = None
    """Time limit for screening in hours, including earlier runs; after it, no further trial starts."""
    metric: str | None = None
    """Metric to maximise on the validation videos; None: the frame AUC, or the video AUC without frame annotations."""
    seeds: int = 2
    eta: int = 0
    rungs: int = 3
    finalists: int = 3
    fresh_seeds: int = 5
    sweep_seed: int = 0
    """Seed of the search."""
    resamples: int = 200
    """Number of resamples of the validation videos for the corrected best value; 0: none."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Options of ``TrainConfig`` for all trials; they override those of the space."""
    overrides: Sequence[str] = ()
    """Model settings ``key=value`` for all trials; they override those of the space."""
    allow_missing: bool = False
    extend: bool = False
    """Whether an existing sweep may be extended by trials, seeds or finalists."""
    warm_start: str | None = None
    """Root of an earlier sweep whose configurations and results are reused."""
    final: bool = False
    """Whether to measure the winner on the test videos, once."""
    train_winner: bool = True
    winner_workers: int | None = None
    use_ray: bool = True
    address: str | None = None
    concurrent: int | None = None
    """Number of concurrent jobs; None: limited by the available cores or GPUs."""
    cpus: float = 1.0
    """CPU cores per job."""
    gpus: float = 0.0
    """GPUs per job, or a fraction of one."""
    save_every: int = 500
    """Number of training steps between saved states of a job."""
    mlflow: str | None = None
    """Database file or tracking server of MLflow to which trainings are copied."""
    wandb: str | None = None
    """Folder for offline runs of Weights & Biases."""
    store: StoreOptions = field(default_factory=StoreOptions)
    dry_run: bool = False
    verbose: bool = False

    def __post_init__(self) -> None:
        if self.hours is not None and not self.hours > 0:
            raise UsageError(f"hours must be above 0, got {self.hours}")
        if self.resamples != 0 and not 100 <= self.resamples <= 10_000:
            raise UsageError(f"resamples must be 0, or 100 to 10,000, got {self.resamples}")
        self.plan(1)

    def plan(self, trials: int) -> Plan:
        """Return the plan for this number of configurations. Raises ``UsageError``."""
        return Plan(trials, self.seeds, self.eta, self.rungs, self.finalists, self.fresh_seeds)

    def to_dict(self) -> dict[str, Any]:
        """Return the options as JSON values, without tracker URIs, which can contain a password."""
        plain = {**asdict(self), "overrides": list(self.overrides), "training": dict(self.training)}
        return {name: value for name, value in plain.items() if name not in ("mlflow", "wandb")}
