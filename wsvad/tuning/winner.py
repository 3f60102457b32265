"""The winner of a sweep: its option file, its training on Ray Train, and its single evaluation on the test videos."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rich.console import Console

from wsvad.dataset.sealed import seal, unseal
from wsvad.errors import ConflictError, ObjectNotFound
from wsvad.evaluation.job import EvaluateOptions, evaluate
from wsvad.metrics.options import MetricOptions
from wsvad.scoring.job import ScoreOptions, score
from wsvad.storage import Store, normalize_uri
from wsvad.training.job import train
from wsvad.training.options import TrainOptions
from wsvad.tuning.options import TuneOptions
from wsvad.tuning.space import Configuration, Space
from wsvad.tuning.trial import train_config_for
from wsvad.work.pool import PoolOptions

FINAL = "final.json"


def winner_options(options: TuneOptions, space: Space, configuration: Configuration, *, seed: int) -> TrainOptions:
    """Return the training options of the winner; as in its trials, the checkpoint of the last step is kept."""
    steps = train_config_for(space, configuration, seed=seed, save_every=1).steps
    training = {**space.training, **configuration.training, "seed": seed, "eval_every": steps}
    settings = {**space.settings, **configuration.settings}
    return TrainOptions(
        features=options.features,
        manifest=options.manifest,
        model=space.model,
        preset=space.preset,
        overrides=tuple(f"{name}={_text(value)}" for name, value in settings.items()),
        out="",
        training={**training, "save_every": options.save_every},
        allow_missing=options.allow_missing,
        use_ray=options.use_ray,
        address=options.address,
        workers=options.winner_workers if options.use_ray else None,
        cpus_per_worker=options.cpus,
        gpus_per_worker=None if options.use_ray else options.gpus,
        store=options.store,
        verbose=options.verbose,
    )


def option_file(options: TrainOptions, about: str) -> bytes:
    """Return the options of a training as a file for ``wsvad train --config``."""
    plain: dict[str, Any] = {
        "features": normalize_uri(options.features),
        "manifest": normalize_uri(options.manifest),
        "model": options.model,
        "preset": options.preset,
        "set": list(options.overrides),
        **{name.replace("_", "-"): value for name, value in options.training.items() if name != "save_every"},
    }
    lines = [f"# {about}", "# wsvad train --config best.toml --out RUN"]
    # JSON strings, numbers, booleans and lists of strings are also valid TOML
    lines += [f"{name} = {json.dumps(value)}" for name, value in plain.items()]
    return ("\n".join(lines) + "\n").encode()


def train_winner(options: TrainOptions, out: Store, number: int, console: Console | None) -> str:
    """Train the winner below the sweep and return the URI of its checkpoint; idempotent.

    Raises:
        UsageError, ConflictError, TrainingError, StorageError, ClusterError: as ``train``.
    """
    there = f"{out.uri}/winner/trial-{number:05d}"
    return str(train(replace(options, out=there), console).checkpoint)


def measure_on_test(options: TuneOptions, out: Store, checkpoint: str, number: int) -> Mapping[str, float | None]:
    """Score and evaluate the winner on the test videos, once per sweep, and record it.

    Raises:
        ConflictError: another winner was evaluated on them before.
        UsageError, ManifestError, StorageError: as ``score`` and ``evaluate``.
    """
    try:
        name = f"{out.uri}/{FINAL}"
        there = unseal(out.read(FINAL), name, ("trial", "checkpoint", "figures"), remedy="use another --out")
        if there["trial"] != number:
            raise ConflictError(
                f"{name}: trial {there['trial']} was already evaluated on the test videos, but the winner is now trial "
                f"{number}. The test videos can be used only once, so that they do not influence the selection"
            )
        return dict(there["figures"])
    except ObjectNotFound:
        pass
    folder = f"{out.uri}/final/trial-{number:05d}"
    pool = PoolOptions(cpus_per_worker=options.cpus, gpus_per_worker=options.gpus)
    quiet = Console(quiet=True)
    score(
        ScoreOptions(
            options.features, checkpoint, f"{folder}/scores", pool=pool, use_ray=False, store=options.store
        ),
        quiet,
    )  # fmt: skip
    report = evaluate(
        EvaluateOptions(
            f"{folder}/scores", options.manifest, f"{folder}/report", split="test", frames=False, replace=True,
            allow_missing=options.allow_missing, metrics=MetricOptions(), store=options.store,
        )
    )  # fmt: skip
    figures = {name: metric["value"] for name, metric in report.document["metrics"].items()}
    out.create(FINAL, seal({"trial": number, "checkpoint": checkpoint, "figures": figures}))
    return figures


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
