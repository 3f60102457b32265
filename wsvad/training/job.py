"""A complete training run: resolve the options, claim the target, train, and save checkpoint and record."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console

from wsvad.backbones.extractor import cuda_devices
from wsvad.backbones.identity import is_untrained
from wsvad.checkpoint import Checkpoint, save_checkpoint
from wsvad.checkpoint.folder import CONFIG, read_checkpoint
from wsvad.dataset.sealed import seal
from wsvad.documents import DocumentError
from wsvad.errors import DamagedError, StorageError, UsageError
from wsvad.features.config_text import config_phrase
from wsvad.features.reading import FeatureSet
from wsvad.loop.claim import CHECKPOINT, RUN, check_claim, read_run, write_claim
from wsvad.loop.curve import TEST_AUC, Curve
from wsvad.loop.group import SingleWorker
from wsvad.loop.keys import STATES
from wsvad.loop.progress import TrainView
from wsvad.loop.state import TrainState, delete_older, newest_state
from wsvad.manifest.records import read_records
from wsvad.models.contract import ModelConfig
from wsvad.models.registry import MODELS, check_size, default_config, default_recipe
from wsvad.provenance import versions
from wsvad.storage import Store, normalize_uri, open_store
from wsvad.training.config import TrainConfig, train_config
from wsvad.training.data import TrainingData, training_data
from wsvad.training.options import TrainOptions
from wsvad.training.overrides import parse_overrides
from wsvad.training.selection import best_on_test, selected_step
from wsvad.training.summary import TrainSummary
from wsvad.training.trainer import selected_weights
from wsvad.training.worker import TrainPlan, run_worker
from wsvad.work.backend import Backend, requested_backend
from wsvad.work.pool import PoolOptions
from wsvad.work.target import probe_target, refuse_job_working_dir

log = logging.getLogger(__name__)
OnRow = Callable[[Mapping[str, float]], None]


@dataclass(frozen=True)
class _Resolved:
    """Options resolved with features and manifest."""

    features: FeatureSet
    model: ModelConfig
    config: TrainConfig
    data: TrainingData

    def claim(self) -> dict[str, Any]:
        """Return what determines the result, as JSON values; excludes how often states are saved."""
        training = {k: v for k, v in self.config.to_dict().items() if k not in ("save_every", "keep")}
        tested = [r.video_id for r in self.data.test]
        return {
            "kind": "training",
            "model": self.model.to_dict(),
            "training": training,
            "features": {
                "fingerprint": self.features.fingerprint,
                "content": self.features.digest(sorted({*self.data.seen_ids, *tested})),
            },
            "videos": {"train": len(self.data.train_ids), "val": len(self.data.val_ids), "digest": self.data.digest},
            "reported_test": hashlib.sha256(json.dumps(tested).encode()).hexdigest() if tested else "",
        }


def train(options: TrainOptions, console: Console | None = None, on_row: OnRow | None = None) -> TrainSummary:
    """Train a model and write the result to ``options.out``. A killed run resumes when it is run again.

    Args:
        options: model, data, target and resources.
        console: where progress is drawn.
        on_row: called with rows of the curve that this call adds: with every row in this process, or with the newest
            row every half second on Ray. An exception that it raises ends training; the next call resumes it.

    Raises:
        UsageError, ManifestError: detected before any work.
        ConflictError: the target contains a run with other options or data.
        TrainingError: the loss is not finite.
        StorageError, ClusterError: run the same command again.
    """
    started = time.monotonic()
    _refuse_unused(options)
    resolved = _resolve(options)
    refuse_job_working_dir(options.out)
    out = open_store(options.out, options.store)
    check_claim(out, resolved.claim())
    before = newest_state(out)
    summary = _initial_summary(options, resolved, before)
    if summary.banner:
        log.warning("%s", summary.banner)
    if options.dry_run:
        return summary
    done = _earlier_result(out)
    if done:
        if options.drop_states:
            _drop_states(out)
        return done
    out = probe_target(out)
    write_claim(out, resolved.claim())
    plan = TrainPlan(
        features=resolved.features,
        out=out.uri,  # absolute: workers have other working directories
        store=out.options,
        model=resolved.model,
        config=resolved.config,
        data=resolved.data,
        cache_folder=options.cache_folder and os.path.abspath(options.cache_folder),
    )
    if before and before.finished:
        delete_older(out, before.step, keep=resolved.config.keep)  # the run may have been killed before it did
    else:
        with TrainView(resolved.config.steps, console or Console(stderr=True)) as view:

            def take(row: Mapping[str, float]) -> None:
                view.add(row)
                if on_row:
                    on_row(row)

            workers, device = _run(options, plan, take)
        summary = replace(summary, workers=workers, device=device, steps_per_s=view.steps_per_s)
    summary = _save_result(options, resolved, out, summary, started)
    if options.drop_states:
        _drop_states(out)
    return summary


def _drop_states(out: Store) -> None:
    for info in list(out.list(STATES)):
        out.delete(info.key)


def check(options: TrainOptions) -> None:
    """Raise what :func:`train` would raise before any work. Writes nothing."""
    claim = _resolve(options).claim()
    refuse_job_working_dir(options.out)
    check_claim(open_store(options.out, options.store), claim)


def _resolve(options: TrainOptions) -> _Resolved:
    features = FeatureSet.open(options.features, options.store)
    recipe = default_recipe(options.model, preset=options.preset)
    config = train_config(recipe, options.training)
    kind = MODELS[options.model].config  # default_recipe has checked that the model exists
    dim = features.shape_of(kind.inputs)[-1]
    overrides = parse_overrides(options.overrides, kind)
    model = default_config(options.model, dim, preset=options.preset, **overrides)
    check_size(model)
    records = read_records(options.manifest, options.store)
    data = training_data(
        records,
        features,
        val_fraction=config.val_fraction,
        seed=config.val_seed,
        allow_missing=options.allow_missing,
        report_test=options.report_test,
    )
    return _Resolved(features, model, config, data)


def _refuse_unused(options: TrainOptions) -> None:
    given = [name for name, value in (("workers", (options.workers or 1) > 1), ("address", options.address)) if value]
    if given and options.use_ray is False:
        raise UsageError(f"--no-ray trains in this process only: leave out --{' and --'.join(given)}, or --no-ray")


def _initial_summary(options: TrainOptions, resolved: _Resolved, before: TrainState | None) -> TrainSummary:
    data, weights = resolved.data, str(resolved.features.config.get("weights", ""))
    if data.val_ids and not data.can_select:
        log.warning("the validation videos have only one class, so they cannot be used to select a step")
    return TrainSummary(
        out=normalize_uri(options.out),
        model=resolved.model.name,
        features=resolved.features.uri,
        features_fingerprint=resolved.features.fingerprint,
        features_made_by=config_phrase(resolved.features.config),
        banner=(
            f"TRAINED ON FEATURES OF AN UNTRAINED NETWORK ({weights}): the model's scores mean nothing for detection."
            if is_untrained(weights)
            else ""
        ),
        train_anomalous=sum(data.train_labels),
        train_normal=len(data.train_labels) - sum(data.train_labels),
        val_anomalous=sum(data.val_labels),
        val_normal=len(data.val_labels) - sum(data.val_labels),
        val_is_cut=data.val_is_cut,
        missing=len(data.missing),
        steps=resolved.config.steps,
        steps_before=before.step if before else 0,
        steps_done=before.step if before else 0,
        dry_run=options.dry_run,
    )


def _earlier_result(out: Store) -> TrainSummary | None:
    """Return the summary of an earlier finished run if it and its checkpoint are intact, else ``None``."""
    config = f"{CHECKPOINT}/{CONFIG}"
    try:
        run = read_run(out)
        if run is None or not any(info.key == config for info in out.list(config)):
            return None
        with suppress(UsageError):  # written by an earlier version, but still the result of this run
            read_checkpoint(out, CHECKPOINT)
        # the current location, because the run may have been copied since
        here = f"{out.uri}/{CHECKPOINT}"
        return replace(TrainSummary.from_dict(run["summary"]), checkpoint=here, nothing_to_do=True)
    except (DamagedError, DocumentError) as error:
        log.warning("%s. It is rewritten from the last state.", error)
        return None


def _run(options: TrainOptions, plan: TrainPlan, on_row: Callable[[dict[str, float]], None]) -> tuple[int, str]:
    """Train in this process or on Ray; return the number of workers and the kind of device."""
    backend = choose_backend(options)
    if options.use_ray is None:  # otherwise the caller has chosen
        log.info("training %s (%s)", "on Ray" if backend.on_ray else "in this process", backend.why)
    if backend.on_ray:
        from wsvad.training.on_ray import train_on_ray  # imports Ray

        return train_on_ray(plan, options, on_row)
    device = "cuda" if options.gpus_per_worker != 0 and cuda_devices() else "cpu"
    run_worker(replace(plan, device=device, threads=max(1, int(options.cpus_per_worker or 1))), SingleWorker(), on_row)
    return 1, device


def choose_backend(options: TrainOptions) -> Backend:
    """Return where to train: as options and clusters say, else on Ray only if this machine has a GPU.

    A single worker on one machine needs no Ray, and has the same curve without it.
    """
    given = requested_backend(options.use_ray, PoolOptions(workers=options.workers), options.address)
    if given:
        return given
    if options.max_failures != TrainOptions.max_failures:
        return Backend(True, "--max-failures is given")
    gpus = cuda_devices() if options.gpus_per_worker is None else options.gpus_per_worker
    return Backend(True, "with GPUs") if gpus else Backend(False, "one worker without a GPU")


def _save_result(
    options: TrainOptions, resolved: _Resolved, out: Store, summary: TrainSummary, started: float
) -> TrainSummary:
    """Write the selected weights as a checkpoint, and the record of the run."""
    state = newest_state(out)
    if state is None or not state.finished:
        raise StorageError(f"the last state of the run at {out.uri} is missing; run the same command again")
    curve = Curve(state.columns, state.tensors["curve"].tolist())
    step, val_auc = selected_step(curve)
    rule = "validation videos" if not math.isnan(val_auc) else f"last step: {_why_last(resolved.data)}"
    selection = {"by": rule, "step": step, "val_auc": _number(val_auc), "val_videos": len(resolved.data.val_ids)}
    training: dict[str, Any] = {
        **resolved.config.to_dict(), "preset": options.preset, "step": step, "selection": selection
    }  # fmt: skip
    best_step, best = best_on_test(curve)
    if not math.isnan(best):
        at_kept = dict(curve.column(TEST_AUC)).get(step, math.nan)
        training["best_on_test"] = {"frame_auc": best, "step": best_step, "used_to_select": False}
        summary = replace(
            summary, best_on_test_frame_auc=best, best_on_test_step=best_step, test_frame_auc=_number(at_kept)
        )
    checkpoint = Checkpoint(
        model_config=resolved.model,
        state=selected_weights(state),
        features_config=resolved.features.config,
        features_fingerprint=resolved.features.fingerprint,
        training_ids=resolved.data.seen_ids,
        training=training,
        versions=versions(),
    )
    checkpoint = _stored_if_equal(out, checkpoint)
    save_checkpoint(out, CHECKPOINT, checkpoint)
    summary = replace(
        summary,
        steps_done=state.step,
        finished=state.finished,
        selected_by=rule,
        selected_step=step,
        val_auc=_number(val_auc),
        checkpoint=f"{out.uri}/{CHECKPOINT}",
        checkpoint_digest=checkpoint.digest,
        elapsed_s=time.monotonic() - started,
    )
    record = {"options": options.to_dict(), "resolved": resolved.claim(), "versions": versions()}
    out.replace(RUN, seal({**record, "summary": summary.to_dict()}))
    return summary


def _stored_if_equal(out: Store, checkpoint: Checkpoint) -> Checkpoint:
    """Return the stored checkpoint if it differs only in package versions, else the given one."""
    with suppress(UsageError, DamagedError):
        there = read_checkpoint(out, CHECKPOINT)
        if replace(checkpoint, versions=there.versions).digest == there.digest:
            return there
    return checkpoint


def _why_last(data: TrainingData) -> str:
    return "the validation videos are of one class" if data.val_ids else "there are no validation videos"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
