"""One trial: train, score, evaluate. Every step is idempotent, so that an interrupted trial can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from wsvad.errors import DamagedError, StorageError
from wsvad.evaluation.job import EvaluateOptions, evaluate
from wsvad.experiments.log_prefix import log_prefix
from wsvad.manifest.names import Split
from wsvad.metrics.options import MetricOptions
from wsvad.scoring.job import ScoreOptions, score
from wsvad.storage import StoreOptions
from wsvad.training.job import check, train
from wsvad.training.options import TrainOptions
from wsvad.work.pool import PoolOptions

Figures = dict[str, float | None]
"""Metrics by name; ``None`` if undefined."""
OnRow = Callable[[Mapping[str, float]], None]


@dataclass(frozen=True)
class Trial:
    """Options and target of one run."""

    features: str
    """URI of the features data set."""
    manifest: str
    """Manifest with labels, splits and annotations."""
    out: str
    """Folder of the trial, with ``train/``, ``scores/`` and a report for each split."""
    model: str
    preset: str = "paper"
    settings: Sequence[str] = ()
    """Model settings as ``key=value``, which override the preset."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Options of ``TrainConfig`` by name except for the seed, which override the model's recipe."""
    seed: int = 0
    splits: Sequence[Split] = ("test",)
    """Splits to evaluate."""
    cpus: float = 1.0
    """CPU cores, and threads of the computation."""
    gpus: float = 0.0
    allow_missing: bool = False
    drop_states: bool = False
    """Delete the saved states when training is finished; the checkpoint is kept."""
    store: StoreOptions = field(default_factory=StoreOptions)
    label: str = ""
    """Name in log lines; empty: model, preset and seed."""

    @property
    def name(self) -> str:
        """Name in log lines."""
        model = self.model if self.preset == "paper" else f"{self.model}:{self.preset}"
        return self.label or f"{model} seed {self.seed}"

    def report(self, split: Split) -> str:
        """Return the folder of a split's report."""
        return f"{self.out}/report" if len(self.splits) == 1 else f"{self.out}/report-{split}"

    def training_options(self) -> TrainOptions:
        """Return the options of the training."""
        return TrainOptions(
            features=self.features,
            manifest=self.manifest,
            model=self.model,
            preset=self.preset,
            overrides=tuple(self.settings),
            out=f"{self.out}/train",
            training={**self.training, "seed": self.seed},
            allow_missing=self.allow_missing,
            report_test="test" in self.splits,
            drop_states=self.drop_states,
            use_ray=False,
            cpus_per_worker=self.cpus,
            gpus_per_worker=self.gpus,
            store=self.store,
        )


def check_trial(trial: Trial) -> None:
    """Raise what the training of a trial would raise before any work. Writes nothing."""
    check(trial.training_options())


def run_trial(trial: Trial, on_row: OnRow | None = None) -> dict[Split, Figures]:
    """Train, score and evaluate in this process.

    Args:
        trial: trial to run.
        on_row: called with every row that this call adds to the training curve.

    Returns:
        Metrics by split, each with ``selected_step`` and ``best_on_test_frame_auc`` of the training.

    Raises:
        WsvadError: raised by one of the steps.
    """
    quiet = Console(quiet=True)
    with log_prefix(trial.name):
        trained = train(trial.training_options(), quiet, on_row)
        scored = score(
            ScoreOptions(
                trial.features,
                f"{trial.out}/train/checkpoint",
                f"{trial.out}/scores",
                pool=PoolOptions(cpus_per_worker=trial.cpus, gpus_per_worker=trial.gpus),
                use_ray=False,
                store=trial.store,
            ),
            quiet,
        )
        if scored.units_damaged:
            raise DamagedError(
                f"{trial.name}: features of {scored.units_damaged} videos are missing or damaged; "
                f"run `wsvad verify` on {trial.features}"
            )
        if scored.units_failed:
            raise StorageError(
                f"{trial.name}: {scored.units_failed} units could not be scored; run the same command again"
            )
        found: dict[Split, Figures] = {}
        for split in trial.splits:
            figures = _evaluate(trial, split)
            figures["selected_step"] = float(trained.selected_step)
            figures["best_on_test_frame_auc"] = trained.best_on_test_frame_auc if split == "test" else None
            found[split] = figures
    return found


def _evaluate(trial: Trial, split: Split) -> Figures:
    report = evaluate(
        EvaluateOptions(
            f"{trial.out}/scores",
            trial.manifest,
            trial.report(split),
            split=split,
            allow_missing=trial.allow_missing,
            frames=False,
            metrics=MetricOptions(resamples=0),
            replace=True,
            store=trial.store,
        )
    )
    return {name: metric["value"] for name, metric in report.document["metrics"].items()}
