"""``wsvad compare``, and the options it shares with ``ablate``."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from rich.console import Console

from wsvad.cli.ending import finish
from wsvad.cli.options import Configured, Stored, require
from wsvad.errors import UsageError
from wsvad.manifest.names import Split
from wsvad.options import Flag, NaturalFloat, Option, PositiveFloat, SmallInt, Uri, group
from wsvad.storage import StoreOptions
from wsvad.training.config import CurveConfig, given

if TYPE_CHECKING:
    from wsvad.experiments.job import CompareSummary
    from wsvad.experiments.options import CompareOptions
    from wsvad.experiments.rows import Row


@dataclass(frozen=True, kw_only=True)
class PlaceOptions:
    """Execution of the runs."""

    no_ray: Flag = False
    """run sequentially in this process, without Ray"""
    cpus_per_run: PositiveFloat = 1.0
    """CPU cores per run on Ray"""
    gpus_per_run: NaturalFloat = 0.0
    """GPUs per run on Ray"""
    address: Annotated[str | None, Option(metavar="ADDRESS")] = None
    """address of a Ray cluster (default: RAY_ADDRESS, or a local Ray)"""


Training = Annotated[CurveConfig, group("training of every model (defaults: see wsvad train)")]


@dataclass(frozen=True, kw_only=True)
class RunsOptions(Configured):
    """Options common to several runs of train, score and evaluate."""

    features: Uri | None = None
    """root of a features data set, from extract"""
    manifest: Uri | None = None
    """manifest with labels, splits and annotations (.csv, .parquet)"""
    out: Uri | None = None
    """folder for the tables and all runs, local or s3://"""
    dry_run: Flag = False
    """check everything, but train and write nothing"""
    set: Annotated[tuple[str, ...], Option(metavar="KEY=VALUE")] = ()
    """model setting for all rows, overrides that of the preset; can be repeated"""
    split: Annotated[str, Option(metavar="LIST")] = "test"
    """splits to evaluate: test, val, or test,val"""
    drop_states: Flag = False
    """delete the training states of finished runs"""
    allow_missing: Flag = False
    """skip videos without features"""
    training: Training = field(default_factory=CurveConfig)
    place: Annotated[PlaceOptions, group("execution", last=True)] = field(default_factory=PlaceOptions)
    store: Stored = field(default_factory=StoreOptions)

    def comparison(self, rows: "tuple[Row, ...]", seeds: int) -> "CompareOptions":
        """Return the options of the comparison. Raises ``UsageError`` if an option is missing or invalid."""
        from wsvad.experiments.options import CompareOptions  # imported here: PyTorch takes seconds

        features, manifest, out = require(self, "features", "manifest", "out")
        return CompareOptions(
            features=features,
            manifest=manifest,
            out=out,
            rows=rows,
            seeds=seeds,
            training=given(self.training, self.given),
            splits=splits_of(self.split),
            overrides=self.set,
            allow_missing=self.allow_missing,
            drop_states=self.drop_states,
            cpus=self.place.cpus_per_run,
            gpus=self.place.gpus_per_run,
            use_ray=not self.place.no_ray,
            address=self.place.address,
            store=self.store,
            dry_run=self.dry_run,
            verbose=self.verbose,
        )


@dataclass(frozen=True, kw_only=True)
class Options(RunsOptions):
    """Train, score and evaluate models, and write a table."""

    models: Annotated[str, Option(metavar="LIST")] = "all"
    """comma-separated models, optionally with a preset, e.g. ltgs,ltgs:no_decay,st_mil; all: every model once"""
    rows: Annotated[str | None, Option(metavar="FILE")] = None
    """TOML file of the table's rows, instead of --models: [[row]] with model, preset, name, set, training"""
    seeds: SmallInt = 5
    """number of runs per row"""


def splits_of(text: str) -> tuple[Split, ...]:
    """Parse ``test``, ``val``, or both. Raises ``UsageError`` for anything else."""
    found: list[Split] = []
    for word in text.split(","):
        if (split := {"test": "test", "val": "val"}.get(word.strip())) is None:
            raise UsageError(f"--split must be test, val, or test,val, got {text!r:.80}")
        found.append("test" if split == "test" else "val")
    return tuple(found)


def perform(options: Options, console: Console) -> "CompareSummary":
    """Run the comparison and return the summary; progress goes to ``console``."""
    require(options, "features", "manifest", "out")
    if options.rows is not None and "models" in options.given:
        raise UsageError("give either --models or --rows")
    from wsvad.experiments.job import compare  # imported here: PyTorch takes seconds
    from wsvad.experiments.rows import parse_rows, read_rows

    rows = read_rows(options.rows, options.store) if options.rows is not None else parse_rows(options.models)
    return compare(options.comparison(rows, options.seeds))


def run(options: Options) -> int:
    """Compare, show the table, return the exit code."""
    return finish(perform(options, Console(stderr=True)), options)
