"""Options of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from wsvad.errors import UsageError
from wsvad.experiments.rows import RESERVED_OPTIONS, Row
from wsvad.experiments.trial import Trial
from wsvad.manifest.names import Split
from wsvad.storage import StoreOptions


@dataclass(frozen=True)
class CompareOptions:
    """Models, data and resources of a comparison; ``wsvad compare --help`` explains the same options."""

    features: str
    """URI of the features data set; a row may override it."""
    manifest: str
    """Manifest with labels, splits and annotations."""
    out: str
    """Folder of the table and of all runs."""
    rows: tuple[Row, ...]
    """Rows of the table."""
    seeds: int = 5
    """Number of runs per row, with the seeds 0, 1, …; at least 1."""
    training: dict[str, Any] = field(default_factory=dict)
    """Options of ``TrainConfig`` for all rows, which override their recipes."""
    overrides: Sequence[str] = ()
    """Model settings as ``key=value``, which override every preset; all models must have them."""
    splits: tuple[Split, ...] = ("test",)
    """Splits to evaluate."""
    allow_missing: bool = False
    drop_states: bool = False
    """Delete the saved states of finished training runs."""
    use_ray: bool = True
    """Run trials as parallel tasks on Ray, instead of one after the other in this process."""
    cpus: float = 1.0
    """CPU cores per run."""
    gpus: float = 0.0
    """GPUs per run."""
    address: str | None = None
    """Address of a Ray cluster; ``None`` uses ``RAY_ADDRESS``, else a local Ray."""
    store: StoreOptions = field(default_factory=StoreOptions)
    dry_run: bool = False
    """Check all options; train and write nothing."""
    verbose: bool = False

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise UsageError(f"seeds must be at least 1, got {self.seeds}")
        if any(name in self.training for name in RESERVED_OPTIONS):
            raise UsageError("a comparison uses the seeds 0, 1, …; seed cannot be one of its training options")
        if not self.splits or len(set(self.splits)) < len(self.splits):
            raise UsageError(f"expected one or more different splits, got {', '.join(map(str, self.splits)) or 'none'}")

    def trial(self, row: Row, seed: int) -> Trial:
        """Return the trial of a row and seed."""
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
        """Return all trials by row name and seed, ordered by seed, so that an interrupted comparison has all rows."""
        return {(row.name, seed): self.trial(row, seed) for seed in range(self.seeds) for row in self.rows}

    def to_dict(self) -> dict[str, Any]:
        """Return the options as JSON values; they contain no secrets."""
        rows = [{**asdict(row), "name": row.name} for row in self.rows]
        return {**asdict(self), "rows": rows, "overrides": list(self.overrides), "splits": list(self.splits)}
