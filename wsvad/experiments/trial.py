"""One run of a comparison: train, score, evaluate. Each step is idempotent, so a run that was killed goes on."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from wsvad.evaluate.job import EvaluateOptions, evaluate
from wsvad.experiments.options import CompareOptions, Trial
from wsvad.metrics.figures import MetricOptions
from wsvad.scoring.job import ScoreOptions, score
from wsvad.train.job import check, train
from wsvad.train.options import TrainOptions
from wsvad.work.pool import PoolOptions

Figures = dict[str, float | None]
"""Metrics by name; None: undefined."""


def check_trial(options: CompareOptions, trial: Trial) -> None:
    """Raise what the training of a run would raise before any work; write nothing."""
    check(_training(options, trial))


def run_trial(options: CompareOptions, trial: Trial) -> Figures:
    """Train, score and evaluate one variant with one seed, in this process.

    Raises:
        WsvadError: as the three steps do.
    """
    root = _root(options, trial)
    quiet = Console(quiet=True)
    trained = train(_training(options, trial), quiet)
    score(
        ScoreOptions(
            options.features,
            f"{root}/train/checkpoint",
            f"{root}/scores",
            pool=PoolOptions(gpus_per_worker=0),
            use_ray=False,
            store=options.store,
        ),
        quiet,
    )
    report = evaluate(
        EvaluateOptions(
            f"{root}/scores",
            options.manifest,
            f"{root}/report",
            split=options.split,
            allow_missing=options.allow_missing,
            frames=False,
            metrics=MetricOptions(resamples=0),
            replace=True,
            store=options.store,
        )
    )
    figures: Figures = {name: metric["value"] for name, metric in report.document["metrics"].items()}
    figures["selected_step"] = float(trained.selected_step)
    figures["best_on_test_frame_auc"] = trained.best_on_test_frame_auc
    return figures


def _root(options: CompareOptions, trial: Trial) -> str:
    return f"{options.out.rstrip('/')}/{trial.folder}"


def _training(options: CompareOptions, trial: Trial) -> TrainOptions:
    settings: dict[str, Any] = {**options.training, "seed": trial.seed}
    return TrainOptions(
        features=options.features,
        manifest=options.manifest,
        model=trial.variant.model,
        preset=trial.variant.preset,
        overrides=options.overrides,
        out=f"{_root(options, trial)}/train",
        training=settings,
        allow_missing=options.allow_missing,
        report_test=options.split == "test",
        use_ray=False,
        gpus_per_worker=0,
        store=options.store,
    )
