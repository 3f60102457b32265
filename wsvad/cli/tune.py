"""``wsvad tune``."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console

from wsvad.cli.ending import finish
from wsvad.cli.options import Configured, Stored, require
from wsvad.options import Flag, Natural, NaturalFloat, Option, PositiveFloat, PositiveInt, SmallInt, Uri, group
from wsvad.storage import StoreOptions
from wsvad.training.config import CurveConfig, given

if TYPE_CHECKING:
    from wsvad.tuning.summary import TuneSummary

Search = Literal["sobol", "grid", "tpe"]


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """Configurations to try, and their training."""

    search: Search = "sobol"
    """sobol: quasi-random sequence; grid: all combinations; tpe: model of earlier results (extra wsvad[optuna])"""
    grid_points: SmallInt = 5
    """number of values per range in a grid"""
    trials: Annotated[PositiveInt | None, Option(show_default=lambda _: "30; with --hours, until the time is over")] = (
        None
    )
    """number of configurations"""
    hours: Annotated[PositiveFloat | None, Option(metavar="H")] = None
    """time limit for screening in hours, including earlier runs; no further trial starts after it, and the finals
    follow"""
    seeds: SmallInt = 2
    """number of tuning seeds per configuration"""
    halving: Natural = 0
    """reduction factor of successive halving over steps and seeds: 1 of N configurations continues; 0: no halving"""
    rungs: SmallInt = 3
    """number of rungs of the training with the first seed (with --halving)"""
    finalists: Natural = 3
    """number of best configurations to train with fresh seeds; the best of them wins"""
    fresh_seeds: SmallInt = 5
    """number of seeds in the finals, not used for selection before"""
    metric: Annotated[
        str | None, Option(metavar="NAME", show_default=lambda _: "frame_auc; video_auc without frame annotations")
    ] = None
    """metric to maximise on the validation videos, by its name in report.json"""
    resamples: Natural = 200
    """number of resamples of the validation videos for the corrected best value, 100 to 10,000; 0: none"""
    sweep_seed: Natural = 0
    """random seed of the search"""


@dataclass(frozen=True, kw_only=True)
class PlaceOptions:
    """Execution of the sweep."""

    no_ray: Flag = False
    """run trainings sequentially in this process, without Ray"""
    address: Annotated[str | None, Option(metavar="ADDRESS")] = None
    """address of a Ray cluster (default: RAY_ADDRESS, or a local Ray)"""
    concurrent: Annotated[SmallInt | None, Option(show_default=lambda _: "by available resources")] = None
    """number of concurrent trainings"""
    cpus_per_trial: PositiveFloat = 1.0
    """CPU cores per training"""
    gpus_per_trial: NaturalFloat = 0.0
    """GPUs per training, or a fraction of one"""
    save_every: PositiveInt = 500
    """number of training steps between saved states"""
    winner_workers: Annotated[SmallInt | None, Option(show_default=lambda _: "one per GPU, otherwise 1")] = None
    """number of workers for training the winner"""


@dataclass(frozen=True, kw_only=True)
class TrackerOptions:
    """Copies of the trainings to experiment trackers."""

    mlflow: Annotated[str | None, Option(metavar="FILE.db|URI")] = None
    """database file or tracking server of MLflow, which gets one run per training (extra wsvad[mlflow])"""
    wandb: Annotated[str | None, Option(metavar="FOLDER")] = None
    """folder for offline runs of Weights & Biases, one per training, for wandb sync (extra wsvad[wandb])"""


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """Search for the best configuration, and train its checkpoint."""

    features: Uri | None = None
    """root of a features data set, from extract"""
    manifest: Uri | None = None
    """manifest with labels and splits (.csv, .parquet); only training and validation videos are used"""
    space: Annotated[str | None, Option(metavar="NAME|FILE")] = None
    """ltgs-paper, ltgs-short, st-mil, st-ltgs, or a TOML file with model, and [search] with choices and ranges"""
    out: Uri | None = None
    """folder of the sweep, local or s3://"""
    dry_run: Flag = False
    """check everything, but train and write nothing"""
    extend: Flag = False
    """extend an existing sweep by trials, seeds or finalists"""
    from_: Annotated[str | None, Option(name="--from", metavar="URI")] = None
    """earlier sweep whose configurations and results are reused; data, videos and metric must be the same"""
    final: Flag = False
    """measure the winner on the test videos at the end, once per sweep"""
    no_winner: Flag = False
    """do not train the winner at the end"""
    set: Annotated[tuple[str, ...], Option(metavar="KEY=VALUE")] = ()
    """model setting for all trials; can be repeated"""
    allow_missing: Flag = False
    """skip videos without features"""
    sweep: Annotated[SearchOptions, group("search")] = field(default_factory=SearchOptions)
    training: Annotated[CurveConfig, group("training of all trials (defaults: see wsvad train)")] = field(
        default_factory=CurveConfig
    )
    place: Annotated[PlaceOptions, group("execution", last=True)] = field(default_factory=PlaceOptions)
    trackers: Annotated[TrackerOptions, group("experiment trackers", last=True)] = field(default_factory=TrackerOptions)
    store: Stored = field(default_factory=StoreOptions)


def perform(options: Options, console: Console) -> "TuneSummary":
    """Tune and return the summary; progress goes to ``console``."""
    features, manifest, space, out = require(options, "features", "manifest", "space", "out")
    from wsvad.tuning.job import tune  # imported here: PyTorch takes seconds
    from wsvad.tuning.options import TuneOptions

    sweep, place = options.sweep, options.place
    return tune(
        TuneOptions(
            features=features,
            manifest=manifest,
            space=space,
            out=out,
            search=sweep.search,
            grid_points=sweep.grid_points,
            trials=sweep.trials,
            hours=sweep.hours,
            metric=sweep.metric,
            seeds=sweep.seeds,
            eta=sweep.halving,
            rungs=sweep.rungs,
            finalists=sweep.finalists,
            fresh_seeds=sweep.fresh_seeds,
            sweep_seed=sweep.sweep_seed,
            resamples=sweep.resamples,
            training=given(options.training, options.given),
            overrides=options.set,
            allow_missing=options.allow_missing,
            extend=options.extend,
            warm_start=options.from_,
            final=options.final,
            train_winner=not options.no_winner,
            winner_workers=place.winner_workers,
            use_ray=not place.no_ray,
            address=place.address,
            concurrent=place.concurrent,
            cpus=place.cpus_per_trial,
            gpus=place.gpus_per_trial,
            save_every=place.save_every,
            mlflow=options.trackers.mlflow,
            wandb=options.trackers.wandb,
            store=options.store,
            dry_run=options.dry_run,
            verbose=options.verbose,
        ),
        console,
    )


def run(options: Options) -> int:
    """Tune, show the summary, return the exit code."""
    return finish(perform(options, Console(stderr=True)), options)
