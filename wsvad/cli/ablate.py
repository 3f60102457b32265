"""``wsvad ablate``."""

import sys
from dataclasses import dataclass, field
from typing import Annotated, Literal

from rich.console import Console

from wsvad.cli.compare import PlaceOptions, Training, splits_of
from wsvad.cli.options import Configured, Stored, require
from wsvad.errors import UsageError
from wsvad.options import Flag, Natural, Option, SmallInt, Uri, group
from wsvad.storage import StoreOptions
from wsvad.train.config import CurveConfig, given

Family = Literal["ltgs", "st_mil", "st_ltgs"]


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """A base, rows that differ from it in one factor, and which of them are worse."""

    features: Uri | None = None
    """root of a features data set, from extract"""
    manifest: Uri | None = None
    """.csv or .parquet with labels, splits and truth"""
    out: Uri | None = None
    """folder of the tables and of every run, local or s3://"""
    dry_run: Flag = False
    """check everything; train and write nothing"""
    family: Family | None = None
    """rows by name: ltgs (modules, decay, heads, loss, labels), st_mil (bag, pooling, region weight), st_ltgs (ours)"""
    rows: Annotated[str | None, Option(metavar="FILE")] = None
    """TOML file of rows, in place of --family; the first is the base"""
    set: Annotated[tuple[str, ...], Option(metavar="KEY=VALUE")] = ()
    """a setting of every row's model, over its preset's; may be repeated"""
    seeds: SmallInt = 10
    """runs of each row, the same seeds for all"""
    split: Annotated[str, Option(metavar="LIST")] = "test"
    """which the figures are of: test, val, or both with a comma between them"""
    metric: Annotated[str, Option(metavar="NAME")] = "frame_auc"
    """figure that rows are tested on, by its name in report.json"""
    resamples: Natural = 1000
    """of seeds and videos, for intervals and P(worse); 0: none"""
    drop_states: Flag = False
    """delete the states of trainings that are finished"""
    allow_missing: Flag = False
    """leave out videos that have no features"""
    training: Training = field(default_factory=CurveConfig)
    place: Annotated[PlaceOptions, group("where it runs", last=True)] = field(default_factory=PlaceOptions)
    store: Stored = field(default_factory=StoreOptions)


def run(options: Options) -> int:
    """Ablate, show the tables, return the exit code."""
    features, manifest, out = require(options, "features", "manifest", "out")
    if (options.family is None) == (options.rows is None):
        raise UsageError("give either --family or --rows")
    from wsvad.experiments.ablation import AblationOptions, ablate  # seconds, because of PyTorch
    from wsvad.experiments.families import FAMILIES
    from wsvad.experiments.options import CompareOptions
    from wsvad.experiments.rows import read_rows

    family = FAMILIES[options.family] if options.family else None
    rows = (family.base, *family.rows) if family else read_rows(str(options.rows), options.store)
    comparison = CompareOptions(
        features=features,
        manifest=manifest,
        out=out,
        rows=rows,
        seeds=options.seeds,
        training=given(options.training, options.given),
        splits=splits_of(options.split),
        overrides=options.set,
        allow_missing=options.allow_missing,
        drop_states=options.drop_states,
        cpus=options.place.cpus_per_run,
        gpus=options.place.gpus_per_run,
        use_ray=not options.place.no_ray,
        address=options.place.address,
        store=options.store,
        dry_run=options.dry_run,
        verbose=options.verbose,
    )
    summary = ablate(
        AblationOptions(
            comparison,
            options.metric,
            options.resamples,
            family.published if family else {},
            f"Ablation of {family.about}" if family else f"Ablation: {rows[0].name} and what differs from it",
        )
    )
    if options.json:
        sys.stdout.write(summary.to_json() + "\n")
    else:
        summary.show(Console())
    return summary.exit_code
