"""What a sweep is asked to do."""

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
    """What to search, on what, and where to; ``wsvad tune --help`` explains the same options."""

    features: str
    """Root of a features data set."""
    manifest: str
    """Labels, splits, and truth where it is known."""
    space: str
    """Name of a search space, or a TOML file."""
    out: str
    """Folder of the sweep."""
    search: Search = "sobol"
    grid_points: int = 5
    """Values of each range in a grid."""
    trials: int | None = None
    """Configurations; None: the grid's, 30, or as many as fit into ``hours``."""
    hours: float | None = None
    """After which no further trial of the screening begins, earlier calls included."""
    metric: str | None = None
    """Figure to maximise on the validation videos; None: the frame AUC, without frame truth the video AUC."""
    seeds: int = 2
    eta: int = 0
    rungs: int = 3
    finalists: int = 3
    fresh_seeds: int = 5
    sweep_seed: int = 0
    """Of the search."""
    resamples: int = 200
    """Of the validation videos, for the corrected best; 0: none."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Options of ``TrainConfig`` for all trials, over the space's."""
    overrides: Sequence[str] = ()
    """Settings of the model as ``key=value`` for all trials, over the space's."""
    allow_missing: bool = False
    extend: bool = False
    """Whether a sweep that is there may be given more trials, seeds or finalists."""
    warm_start: str | None = None
    """Root of an earlier sweep whose configurations and results are taken over."""
    final: bool = False
    """Whether the winner is measured on the test videos, once."""
    train_winner: bool = True
    winner_workers: int | None = None
    use_ray: bool = True
    address: str | None = None
    concurrent: int | None = None
    """Jobs at once; None: as many as there are cores or GPUs for."""
    cpus: float = 1.0
    """Cores of a job."""
    gpus: float = 0.0
    """GPUs of a job, or a part of one."""
    save_every: int = 500
    """Steps of a job between states."""
    mlflow: str | None = None
    """Where the trainings are copied for MLflow: a database file, or a tracking server."""
    wandb: str | None = None
    """Folder of offline runs of Weights & Biases."""
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
        """Return how many of everything, with so many configurations. Raises ``UsageError``."""
        return Plan(trials, self.seeds, self.eta, self.rungs, self.finalists, self.fresh_seeds)

    def to_dict(self) -> dict[str, Any]:
        """Return the options as JSON values; they hold no secret: the URI of a tracking server may, and is left out."""
        plain = {**asdict(self), "overrides": list(self.overrides), "training": dict(self.training)}
        return {name: value for name, value in plain.items() if name not in ("mlflow", "wandb")}
