"""``wsvad train``."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from rich.console import Console

from wsvad.cli.ending import finish
from wsvad.cli.options import Configured, Stored, require
from wsvad.models.names import Model
from wsvad.models.presets import PRESETS
from wsvad.options import Flag, Natural, NaturalFloat, Option, PositiveFloat, SmallInt, Uri, group
from wsvad.storage import StoreOptions
from wsvad.training.config import TrainConfig, given

if TYPE_CHECKING:
    from wsvad.training.options import TrainOptions
    from wsvad.training.summary import TrainSummary


@dataclass(frozen=True, kw_only=True)
class PlaceOptions:
    """Execution of the training."""

    no_ray: Flag = False
    """train in this process, without Ray; the default if --workers, --max-failures and a cluster are not given, and
    there is no GPU"""
    address: Annotated[str | None, Option(metavar="ADDRESS")] = None
    """address of a Ray cluster (default: RAY_ADDRESS, or a local Ray)"""
    workers: SmallInt | None = None
    """number of workers on Ray, which share every batch (default: one per GPU, otherwise 1)"""
    cpus_per_worker: PositiveFloat = 1.0
    """CPU cores per worker"""
    gpus_per_worker: NaturalFloat | None = None
    """GPUs per worker (default: 1 if available, otherwise 0)"""
    max_failures: Natural = 3
    """maximum number of retries after lost workers, on Ray"""
    cache_folder: Annotated[str | None, Option(metavar="DIR")] = None
    """folder for cached segments on each node (default: temporary folder)"""


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Train a model on features and labels."""

    features: Uri | None = None
    """root of a features data set, from extract"""
    manifest: Uri | None = None
    """manifest with labels and splits of the videos (.csv, .parquet)"""
    model: Model | None = None
    """model to train"""
    out: Uri | None = None
    """folder of the run, local or s3://; the checkpoint is in OUT/checkpoint"""
    dry_run: Flag = False
    """resolve and check everything, but train and write nothing"""
    preset: Annotated[
        str, Option(metavar="NAME", help="; ".join(f"{model}: {', '.join(them)}" for model, them in PRESETS.items()))
    ] = "paper"
    set: Annotated[tuple[str, ...], Option(metavar="KEY=VALUE")] = ()
    """model setting, overrides that of the preset; can be repeated"""
    allow_missing: Flag = False
    """skip videos without features"""
    report_test: Flag = False
    """also measure the frame AUC on test videos, to report the best test value; never used for selection"""
    drop_states: Flag = False
    """delete the training states after the run is finished"""
    training: Annotated[TrainConfig, group("training")] = field(default_factory=TrainConfig)
    place: Annotated[PlaceOptions, group("execution", last=True)] = field(default_factory=PlaceOptions)
    store: Stored = field(default_factory=StoreOptions)


def options_from(options: Options) -> "TrainOptions":
    """Resolve the options."""
    features, manifest, model, out = require(options, "features", "manifest", "model", "out")
    from wsvad.training.options import TrainOptions

    place = options.place
    return TrainOptions(
        features=features,
        manifest=manifest,
        model=model,
        out=out,
        preset=options.preset,
        overrides=options.set,
        training=given(options.training, options.given),
        allow_missing=options.allow_missing,
        report_test=options.report_test,
        use_ray=False if place.no_ray else None,
        address=place.address,
        workers=place.workers,
        cpus_per_worker=place.cpus_per_worker,
        gpus_per_worker=place.gpus_per_worker,
        max_failures=place.max_failures,
        cache_folder=place.cache_folder,
        drop_states=options.drop_states,
        store=options.store,
        dry_run=options.dry_run,
        verbose=options.verbose,
    )


def perform(options: Options, console: Console) -> "TrainSummary":
    """Train and return the summary; progress goes to ``console``."""
    asked = options_from(options)
    from wsvad.training.job import train  # imported here: PyTorch takes seconds

    return train(asked, console)


def run(options: Options) -> int:
    """Train, show the summary, return the exit code."""
    return finish(perform(options, Console(stderr=True)), options)
