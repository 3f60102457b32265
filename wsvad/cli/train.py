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
    """Where it runs."""

    no_ray: Flag = False
    """in this process, without Ray: the same loop, for debugging and small jobs"""
    address: Annotated[str | None, Option(metavar="ADDRESS")] = None
    """of a Ray cluster; or RAY_ADDRESS; neither: a local Ray"""
    workers: SmallInt | None = None
    """share every batch (default: one a GPU, else 1)"""
    cpus_per_worker: PositiveFloat = 1.0
    """cores of a worker"""
    gpus_per_worker: NaturalFloat | None = None
    """GPUs of a worker (default: 1 where there are any, else 0)"""
    max_failures: Natural = 3
    """times lost workers are replaced"""
    cache_folder: Annotated[str | None, Option(metavar="DIR")] = None
    """where each node keeps segments (default: temporary folder)"""


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Features and labels in, a checkpoint out."""

    features: Uri | None = None
    """root of a features data set, from extract"""
    manifest: Uri | None = None
    """.csv or .parquet with the labels and splits of its videos"""
    model: Model | None = None
    """which model"""
    out: Uri | None = None
    """folder of the run, local or s3://; the result is in OUT/checkpoint"""
    dry_run: Flag = False
    """resolve and check everything; train and write nothing"""
    preset: Annotated[
        str, Option(metavar="NAME", help="; ".join(f"{model}: {', '.join(them)}" for model, them in PRESETS.items()))
    ] = "paper"
    set: Annotated[tuple[str, ...], Option(metavar="KEY=VALUE")] = ()
    """a setting of the model, over the preset's; may be repeated"""
    allow_missing: Flag = False
    """leave out videos that have no features"""
    report_test: Flag = False
    """also measure the frame AUC on the test videos, to report best-on-test beside the result; never selects"""
    drop_states: Flag = False
    """delete the states once the run is finished"""
    training: Annotated[TrainConfig, group("training")] = field(default_factory=TrainConfig)
    place: Annotated[PlaceOptions, group("where it runs", last=True)] = field(default_factory=PlaceOptions)
    store: Stored = field(default_factory=StoreOptions)


def options_from(options: Options) -> "TrainOptions":
    """Resolve what was given."""
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
        use_ray=not place.no_ray,
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
    from wsvad.training.job import train  # seconds, because of PyTorch

    return train(asked, console)


def run(options: Options) -> int:
    """Train, show the summary, return the exit code."""
    return finish(perform(options, Console(stderr=True)), options)
