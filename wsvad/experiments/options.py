"""What is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from wsvad.errors import UsageError
from wsvad.experiments.rows import NOT_OF_A_ROW, Row
from wsvad.experiments.trial import Trial
from wsvad.manifest.names import Split
from wsvad.storage import StoreOptions


@dataclass(frozen=True)
class CompareOptions:
    """What to train, score and evaluate; ``wsvad compare --help`` explains the same options."""

    features: str
    """Root of a features data set; that of a row wins over it."""
    manifest: str
    """Labels, splits and truth."""
    out: str
    """Folder that holds the table and every run."""
    rows: tuple[Row, ...]
    """Lines of the table."""
    seeds: int = 5
    """Runs of each row, with the seeds 0, 1, …; at least 1."""
    training: dict[str, Any] = field(default_factory=dict)
    """Options of ``TrainConfig`` for all rows, over their recipes."""
    overrides: Sequence[str] = ()
    """Settings of the models as ``key=value``, over those of every preset; each row's model must have them."""
    splits: tuple[Split, ...] = ("test",)
    """Which splits the figures are of."""
    allow_missing: bool = False
    drop_states: bool = False
    """Delete the states of every training that is finished."""
    use_ray: bool = True
    """Whether runs are tasks on Ray, side by side, or follow each other in this process."""
    cpus: float = 1.0
    """Cores of a run."""
    gpus: float = 0.0
    """GPUs of a run."""
    address: str | None = None
    """Of a Ray cluster; ``None``: ``RAY_ADDRESS``, else a local Ray."""
    store: StoreOptions = field(default_factory=StoreOptions)
    dry_run: bool = False
    """Check everything; train and write nothing."""
    verbose: bool = False

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise UsageError(f"seeds must be at least 1, got {self.seeds}")
        if any(name in self.training for name in NOT_OF_A_ROW):
            raise UsageError("the seeds of a comparison are 0, 1, …; seed cannot be an option of its training")
        if not self.splits or len(set(self.splits)) < len(self.splits):
            raise UsageError(f"expected splits, each once, got {', '.join(map(str, self.splits)) or 'none'}")

    def trial(self, row: Row, seed: int) -> Trial:
        """Return one run."""
        return Trial(
            features=row.features or self.features,
            manifest=self.manifest,
            out=f"{self.out.rstrip('/')}/runs/{row.folder}/seed-{seed}",
            model=row.model,
            preset=row.preset,
            settings=(*self.overrides, *row.settings),
            training={**self.training, **row.training},
            seed=seed,
            splits=self.splits,
            cpus=self.cpus,
            gpus=self.gpus,
            allow_missing=self.allow_missing,
            drop_states=self.drop_states,
            store=self.store,
            label=f"{row.name} seed {seed}",
        )

    def trials(self) -> dict[tuple[str, int], Trial]:
        """Return every run by its row's name and seed, seed by seed: a comparison that is stopped has all rows so."""
        return {(row.name, seed): self.trial(row, seed) for seed in range(self.seeds) for row in self.rows}

    def to_dict(self) -> dict[str, Any]:
        """Return the options as JSON values; they hold no secret."""
        rows = [{**asdict(row), "name": row.name} for row in self.rows]
        return {**asdict(self), "rows": rows, "overrides": list(self.overrides), "splits": list(self.splits)}
