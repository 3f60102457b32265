"""``wsvad compare``, and what ``ablate`` has in common with it."""

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
    """Where it runs."""

    no_ray: Flag = False
    """one run after the other in this process"""
    cpus_per_run: PositiveFloat = 1.0
    """cores of a run on Ray"""
    gpus_per_run: NaturalFloat = 0.0
    """GPUs of a run on Ray"""
    address: Annotated[str | None, Option(metavar="ADDRESS")] = None
    """of a Ray cluster; or RAY_ADDRESS; neither: a local Ray"""


Training = Annotated[CurveConfig, group("training of every model (what is left alone: see wsvad train)")]


@dataclass(frozen=True, kw_only=True)
class RunsOptions(Configured):
    """What several runs of train, score and evaluate depend on, whatever their rows are."""

    features: Uri | None = None
    """root of a features data set, from extract"""
    manifest: Uri | None = None
    """.csv or .parquet with labels, splits and truth"""
    out: Uri | None = None
    """folder of the tables and of every run, local or s3://"""
    dry_run: Flag = False
    """check everything; train and write nothing"""
    set: Annotated[tuple[str, ...], Option(metavar="KEY=VALUE")] = ()
    """a setting of every row's model, over its preset's; may be repeated"""
    split: Annotated[str, Option(metavar="LIST")] = "test"
    """which the figures are of: test, val, or both with a comma between them"""
    drop_states: Flag = False
    """delete the states of trainings that are finished"""
    allow_missing: Flag = False
    """leave out videos that have no features"""
    training: Training = field(default_factory=CurveConfig)
    place: Annotated[PlaceOptions, group("where it runs", last=True)] = field(default_factory=PlaceOptions)
    store: Stored = field(default_factory=StoreOptions)

    def comparison(self, rows: "tuple[Row, ...]", seeds: int) -> "CompareOptions":
        """Return what is asked for; raises ``UsageError`` where an option is missing or cannot be."""
        from wsvad.experiments.options import CompareOptions  # seconds, because of PyTorch

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
    """Models in, a table out."""

    models: Annotated[str, Option(metavar="LIST")] = "all"
    """e.g. ltgs,ltgs:no_decay,st_mil (model:preset); all: each once"""
    rows: Annotated[str | None, Option(metavar="FILE")] = None
    """TOML file of the table's rows, in place of --models: [[row]] with model, preset, name, set, training"""
    seeds: SmallInt = 5
    """runs of each"""


def splits_of(text: str) -> tuple[Split, ...]:
    """Read ``test``, ``val``, or both; raises ``UsageError`` for anything else."""
    found: list[Split] = []
    for word in text.split(","):
        if (split := {"test": "test", "val": "val"}.get(word.strip())) is None:
            raise UsageError(f"--split must be test, val, or both with a comma between them, got {text!r:.80}")
        found.append("test" if split == "test" else "val")
    return tuple(found)


def perform(options: Options, console: Console) -> "CompareSummary":
    """Compare and return the summary; progress goes to ``console``."""
    require(options, "features", "manifest", "out")
    if options.rows is not None and "models" in options.given:
        raise UsageError("give either --models or --rows")
    from wsvad.experiments.job import compare  # seconds, because of PyTorch
    from wsvad.experiments.rows import parse_rows, read_rows

    rows = read_rows(options.rows, options.store) if options.rows is not None else parse_rows(options.models)
    return compare(options.comparison(rows, options.seeds))


def run(options: Options) -> int:
    """Compare, show the table, return the exit code."""
    return finish(perform(options, Console(stderr=True)), options)
