"""``wsvad compare``."""

import sys
from dataclasses import dataclass, field
from typing import Annotated

from rich.console import Console

from wsvad.cli.options import Configured, Stored, require
from wsvad.errors import UsageError
from wsvad.manifest.names import Split
from wsvad.options import Flag, NaturalFloat, Option, PositiveFloat, SmallInt, Uri, group
from wsvad.storage import StoreOptions
from wsvad.train.config import CurveConfig, given


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
class Options(Configured):
    """Models in, a table out."""

    features: Uri | None = None
    """root of a features data set, from extract"""
    manifest: Uri | None = None
    """.csv or .parquet with labels, splits and truth"""
    out: Uri | None = None
    """folder of the table and of every run, local or s3://"""
    dry_run: Flag = False
    """check everything; train and write nothing"""
    models: Annotated[str, Option(metavar="LIST")] = "all"
    """e.g. ltgs,ltgs:no_decay,st_mil (model:preset); all: each once"""
    set: Annotated[tuple[str, ...], Option(metavar="KEY=VALUE")] = ()
    """a setting of every model named, over its preset's; may be repeated"""
    seeds: SmallInt = 5
    """runs of each"""
    rows: Annotated[str | None, Option(metavar="FILE")] = None
    """TOML file of the table's rows, in place of --models: [[row]] with model, preset, name, set, training"""
    split: Annotated[str, Option(metavar="LIST")] = "test"
    """which the figures are of: test, val, or both with a comma between them"""
    drop_states: Flag = False
    """delete the states of trainings that are finished"""
    allow_missing: Flag = False
    """leave out videos that have no features"""
    training: Training = field(default_factory=CurveConfig)
    place: Annotated[PlaceOptions, group("where it runs", last=True)] = field(default_factory=PlaceOptions)
    store: Stored = field(default_factory=StoreOptions)


def splits_of(text: str) -> tuple[Split, ...]:
    """Read ``test``, ``val``, or both; raises ``UsageError`` for anything else."""
    found: list[Split] = []
    for word in text.split(","):
        if (split := {"test": "test", "val": "val"}.get(word.strip())) is None:
            raise UsageError(f"--split must be test, val, or both with a comma between them, got {text!r:.80}")
        found.append("test" if split == "test" else "val")
    return tuple(found)


def run(options: Options) -> int:
    """Compare, show the table, return the exit code."""
    features, manifest, out = require(options, "features", "manifest", "out")
    if options.rows is not None and "models" in options.given:
        raise UsageError("give either --models or --rows")
    from wsvad.experiments.job import compare  # seconds, because of PyTorch
    from wsvad.experiments.options import CompareOptions
    from wsvad.experiments.rows import parse_rows, read_rows

    asked = CompareOptions(
        features=features,
        manifest=manifest,
        out=out,
        rows=read_rows(options.rows, options.store) if options.rows is not None else parse_rows(options.models),
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
    summary = compare(asked)
    if options.json:
        sys.stdout.write(summary.to_json() + "\n")
    else:
        summary.show(Console())
    return summary.exit_code
