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
    """Which configurations are tried, and how far."""

    search: Search = "sobol"
    """sobol: a quasi-random sequence; grid: all combinations; tpe: what results suggest (extra wsvad[optuna])"""
    grid_points: SmallInt = 5
    """values of each range in a grid"""
    trials: Annotated[PositiveInt | None, Option(show_default=lambda _: "30; with --hours, until they are over")] = None
    """configurations"""
    hours: Annotated[PositiveFloat | None, Option(metavar="H")] = None
    """after which no further trial of the screening begins, those of earlier calls included; the finals follow"""
    seeds: SmallInt = 2
    """tuning seeds of a configuration"""
    halving: Natural = 0
    """keep 1 of so many configurations at each halving, over steps, then over seeds; 0: train all to the end"""
    rungs: SmallInt = 3
    """parts of the training with the first seed, between which configurations are dropped (with --halving)"""
    finalists: Natural = 3
    """best configurations that are trained with fresh seeds; the best of them wins"""
    fresh_seeds: SmallInt = 5
    """seeds of the finals, which chose nothing"""
    metric: Annotated[
        str | None, Option(metavar="NAME", show_default=lambda _: "frame_auc; without truth video_auc")
    ] = None
    """figure on the validation videos to maximise, by its name in report.json"""
    resamples: Natural = 200
    """of the validation videos, for the corrected best, 100 to 10,000; 0: none"""
    sweep_seed: Natural = 0
    """of the search"""


@dataclass(frozen=True, kw_only=True)
class PlaceOptions:
    """Where it runs."""

    no_ray: Flag = False
    """one training after the other in this process"""
    address: Annotated[str | None, Option(metavar="ADDRESS")] = None
    """of a Ray cluster; or RAY_ADDRESS; neither: a local Ray"""
    concurrent: Annotated[SmallInt | None, Option(show_default=lambda _: "what fits")] = None
    """trainings at once"""
    cpus_per_trial: PositiveFloat = 1.0
    """cores of a training"""
    gpus_per_trial: NaturalFloat = 0.0
    """GPUs of a training, or the part of one that it shares"""
    save_every: PositiveInt = 500
    """steps of a training between states that a killed one goes on from"""
    winner_workers: Annotated[SmallInt | None, Option(show_default=lambda _: "one a GPU, else 1")] = None
    """workers that train the winner"""


@dataclass(frozen=True, kw_only=True)
class TrackerOptions:
    """Copies of the trainings for experiment trackers, in their own offline stores."""

    mlflow: Annotated[str | None, Option(metavar="FILE.db|URI")] = None
    """database file or tracking server of MLflow that gets a run for each training (extra wsvad[mlflow])"""
    wandb: Annotated[str | None, Option(metavar="FOLDER")] = None
    """folder that gets an offline run of Weights & Biases for each training, for wandb sync (extra wsvad[wandb])"""


@dataclass(frozen=True, kw_only=True)
class Options(Configured):
    """A search space in, the best configuration and its checkpoint out."""

    features: Uri | None = None
    """root of a features data set, from extract"""
    manifest: Uri | None = None
    """.csv or .parquet with labels and splits; validation videos alone are looked at"""
    space: Annotated[str | None, Option(metavar="NAME|FILE")] = None
    """ltgs-paper, ltgs-short, st-mil, st-ltgs, or a TOML file: model, and [search] with choices and ranges"""
    out: Uri | None = None
    """folder of the sweep, local or s3://"""
    dry_run: Flag = False
    """check everything; train and write nothing"""
    extend: Flag = False
    """give a sweep that is there more trials, seeds or finalists"""
    from_: Annotated[str | None, Option(name="--from", metavar="URI")] = None
    """an earlier sweep whose configurations and results are taken over, if data, videos and figure are the same"""
    final: Flag = False
    """at the end measure the winner on the test videos, once for the whole sweep"""
    no_winner: Flag = False
    """do not train the winner at the end"""
    set: Annotated[tuple[str, ...], Option(metavar="KEY=VALUE")] = ()
    """a setting of the model for all trials; may be repeated"""
    allow_missing: Flag = False
    """leave out videos that have no features"""
    sweep: Annotated[SearchOptions, group("search")] = field(default_factory=SearchOptions)
    training: Annotated[CurveConfig, group("training of all trials (what is left alone: see wsvad train)")] = field(
        default_factory=CurveConfig
    )
    place: Annotated[PlaceOptions, group("where it runs", last=True)] = field(default_factory=PlaceOptions)
    trackers: Annotated[TrackerOptions, group("experiment trackers", last=True)] = field(default_factory=TrackerOptions)
    store: Stored = field(default_factory=StoreOptions)


def perform(options: Options, console: Console) -> "TuneSummary":
    """Tune and return the summary; progress goes to ``console``."""
    features, manifest, space, out = require(options, "features", "manifest", "space", "out")
    from wsvad.tuning.job import tune  # seconds, because of PyTorch
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
