"""A sweep from start to end: check, claim, run the remaining jobs, store the results, train the winner."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from rich.console import Console

from wsvad.backbones.identity import is_untrained
from wsvad.errors import TrainingError, UsageError
from wsvad.features.config_text import config_phrase
from wsvad.features.reading import FeatureSet
from wsvad.manifest.records import VideoRecord, read_records
from wsvad.models.registry import MODELS
from wsvad.storage import Store, open_store
from wsvad.suggest import did_you_mean
from wsvad.training.data import TrainingData, training_data
from wsvad.training.overrides import parse_overrides
from wsvad.tuning.configurations import make_source, number_of_trials
from wsvad.tuning.history import History, check_claim, check_plan, write_claim, write_plan
from wsvad.tuning.options import TuneOptions
from wsvad.tuning.page import sweep_page
from wsvad.tuning.progress import TuneView
from wsvad.tuning.results import (
    finished_summary,
    screening_selection,
    summarize,
    trial_rows,
    write_summary,
    write_tables,
)
from wsvad.tuning.schedule import FIRST_FRESH_SEED, Plan
from wsvad.tuning.space import Configuration, Space
from wsvad.tuning.spaces import find_space
from wsvad.tuning.summary import BEST, HTML, TuneSummary
from wsvad.tuning.sweep import Sweep
from wsvad.tuning.trackers import check_trackers, copy_trainings
from wsvad.tuning.trial import JobContext, device_here, run_task, train_config_for
from wsvad.tuning.validation import MAXIMISED, Validation, default_metric
from wsvad.tuning.warm_start import warm_start
from wsvad.tuning.winner import measure_on_test, option_file, train_winner, winner_options
from wsvad.work.lease import Lease
from wsvad.work.target import probe_target, refuse_job_working_dir

log = logging.getLogger(__name__)

DRIVERS = "drivers/"


@dataclass(frozen=True)
class Resolved:
    """Resolved options: the opened data and everything derived from it."""

    space: Space
    plan: Plan
    features: FeatureSet = field(repr=False)
    records: list[VideoRecord] = field(repr=False)
    data: TrainingData = field(repr=False)
    validation: Validation = field(repr=False)

    def claim(self, options: TuneOptions) -> dict[str, Any]:
        """Return everything that decides results as JSON values; the number of trials does not."""
        data = self.data
        return {
            "kind": "sweep",
            "space": self.space.to_dict(),
            "search": {"name": options.search, "seed": options.sweep_seed, "grid_points": options.grid_points},
            "metric": {"name": self.validation.metric, "resamples": self.validation.resamples},
            "training": {"eta": self.plan.eta, "rungs": self.plan.rungs if self.plan.eta else 1},
            "features": {
                "fingerprint": self.features.fingerprint,
                "content": self.features.digest(sorted(data.seen_ids)),
            },
            "videos": {"train": len(data.train_ids), "val": len(data.val_ids), "digest": data.digest},
        }


def tune(options: TuneOptions, console: Console | None = None) -> TuneSummary:
    """Search a space. Idempotent: finished jobs are not repeated, and unfinished ones resume.

    Args:
        options: the search space, the data and the target.
        console: console for progress output.

    Raises:
        UsageError, ManifestError: raised before any work.
        ConflictError: the target contains another sweep, or another driver is using it.
        TrainingError: no trial gave a value.
        StorageError, ClusterError: the store or the cluster failed; run the same command again.
    """
    resolved = resolve(options)
    refuse_job_working_dir(options.out)
    out = open_store(options.out, options.store)
    claim = resolved.claim(options)
    check_claim(out, claim)
    check_plan(out, resolved.plan, extend=options.extend)
    summary = _initial_summary(out, resolved)
    if summary.banner:
        log.warning("%s", summary.banner)
    if options.dry_run:
        return replace(summary, dry_run=True)
    out = probe_target(out)
    started = time.monotonic()
    with Lease(out, DRIVERS, "a sweep") as lease:
        write_claim(out, claim)
        write_plan(out, resolved.plan)
        history = History(out, resolved.plan, _steps_of(resolved.space))
        if options.extend and history.screened is not None:
            history.resume_screening()
        if options.warm_start:
            warm_start(options.warm_start, options.store, resolved.space, history, out, claim)
        spent_s = float(lease.previous_notes.get("elapsed_s", 0.0))

        def elapsed_s() -> float:
            total = spent_s + time.monotonic() - started
            lease.notes = {"elapsed_s": round(total, 1)}
            return total

        source = make_source(
            options.search, resolved.space, resolved.plan.trials, options.sweep_seed, options.grid_points
        )
        sweep = Sweep(
            resolved.plan, history, source, options.search,
            lambda: options.hours is not None and elapsed_s() > 3600 * options.hours,
        )  # fmt: skip
        run_jobs(options, resolved, sweep, out, console or Console(stderr=True))
        lease.check()
        summary = _finish(options, resolved, sweep, out, summary, elapsed_s() / 3600, console)
        copy_trainings(sweep, claim, out.uri, options.mlflow, options.wandb)
        return summary


def _finish(
    options: TuneOptions, resolved: Resolved, sweep: Sweep, out: Store, summary: TuneSummary, hours: float,
    console: Console | None,
) -> TuneSummary:  # fmt: skip
    """Store the results, train the winner, and measure it on the test videos if requested."""
    done = finished_summary(out, sweep)
    summary = done or summarize(sweep, summary, screening_selection(sweep), hours)
    best = summary.best
    if best is None:
        raise TrainingError(_no_value_message(sweep))
    configuration = sweep.history.configurations[best]
    seed = FIRST_FRESH_SEED if resolved.plan.finalists else 0
    training = winner_options(options, resolved.space, configuration, seed=seed)
    if done is None:
        rows = trial_rows(sweep)
        write_tables(out, sweep, rows, resolved.space.parameters)
        out.replace(BEST, option_file(training, f"trial {best} of a sweep of {resolved.space.model}"))
        out.replace(HTML, sweep_page(rows, resolved.space.parameters, summary))
        sweep.history.delete_states(job for job in sweep.history.outcomes)
    if options.train_winner:
        summary = replace(summary, checkpoint=train_winner(training, out, best, console))
    if options.final:
        summary = replace(summary, test=measure_on_test(options, out, str(summary.checkpoint), best))
    write_summary(out, sweep, replace(summary, nothing_to_do=False), options.to_dict())
    return summary


def resolve(options: TuneOptions) -> Resolved:
    """Validate options and open the data; write nothing. Raises what :func:`tune` raises before any work."""
    given = {"address": options.address, "concurrent": options.concurrent, "winner-workers": options.winner_workers}
    named = " and ".join(f"--{name}" for name, value in given.items() if value is not None)
    if named and not options.use_ray:
        raise UsageError(f"--no-ray runs in this process only: omit {named}, or omit --no-ray")
    if options.final and not options.train_winner:
        raise UsageError("--final measures the trained winner: omit --no-winner")
    check_trackers(options.mlflow, options.wandb)
    space = find_space(options.space, options.store)
    kind = MODELS[space.model].config
    space = space.with_defaults(parse_overrides(options.overrides, kind), options.training)
    space.check()
    trials = number_of_trials(options.search, space, options.trials, options.grid_points, hours=options.hours)
    features = FeatureSet.open(options.features, options.store)
    features.shape_of(kind.inputs)
    records = read_records(options.manifest, options.store)
    config = train_config_for(space, Configuration({}, {}), seed=0, save_every=options.save_every)
    data = training_data(
        records,
        features,
        val_fraction=config.val_fraction,
        seed=config.val_seed,
        allow_missing=options.allow_missing,
    )
    if not data.can_select:
        have = "all have the same class" if data.val_ids else "there are none"
        raise UsageError(
            f"a sweep requires validation videos of both classes, but {have}: give videos the split val in the "
            "manifest, "
            "or set --val-fraction above 0"
        )
    by_id = {record.video_id: record for record in records}
    val_records = tuple(replace(by_id[video_id], split="val") for video_id in data.val_ids)
    metric = options.metric or default_metric(val_records)
    if metric not in MAXIMISED:
        hint = did_you_mean(metric, MAXIMISED) or f"; known: {', '.join(MAXIMISED)}"
        raise UsageError(f"unknown metric {metric!r:.80} for --metric{hint}")
    validation = Validation(features, val_records, metric, options.resamples)
    validation.check(kind.inputs)
    return Resolved(space, options.plan(trials), features, records, data, validation)


def run_jobs(options: TuneOptions, resolved: Resolved, sweep: Sweep, out: Store, console: Console) -> None:
    """Run all remaining jobs, in this process or on Ray Tune. Raises as :func:`tune`."""
    context = _job_context(options, resolved, out)
    with TuneView(sweep, resolved.validation.metric, console) as view:
        if sweep.finished:
            return
        if not options.use_ray:
            while not sweep.finished:
                task = sweep.next_task()
                if task is None:
                    break
                sweep.take(task.job, run_task(context, task))
                view.update()
            return
        from wsvad.tuning.on_ray import run_on_tune  # brings Ray with it
        from wsvad.work.cluster import connected, nodes
        from wsvad.work.pool import PoolOptions, fit_pool

        with connected(options.address, verbose=options.verbose):
            pool = fit_pool(PoolOptions(options.concurrent, options.cpus, options.gpus), nodes())
            placed = replace(context, device=pool.device, threads=pool.threads)
            log.info("%d jobs at once (each %g CPU, %g GPU)", pool.workers, pool.cpus_per_worker, pool.gpus_per_worker)
            name = out.uri.rstrip("/").rpartition("/")[2]
            run_on_tune(placed, sweep, pool, view.update, name=name, verbose=options.verbose)


def _job_context(options: TuneOptions, resolved: Resolved, out: Store) -> JobContext:
    return JobContext(
        out=out.uri,
        store=out.options,
        features=resolved.features,
        space=resolved.space,
        data=resolved.data,
        validation=resolved.validation,
        save_every=options.save_every,
        device=device_here(options.gpus),
        threads=max(1, int(options.cpus)),
    )


def _initial_summary(out: Store, resolved: Resolved) -> TuneSummary:
    weights = str(resolved.features.config.get("weights", ""))
    return TuneSummary(
        out=out.uri,
        model=resolved.space.model,
        metric=resolved.validation.metric,
        features_made_by=config_phrase(resolved.features.config),
        banner=(
            f"TUNED ON FEATURES OF AN UNTRAINED NETWORK ({weights}): the figures say nothing about detection."
            if is_untrained(weights)
            else ""
        ),
        trials=resolved.plan.trials,
        jobs=resolved.plan.jobs,
    )


def _steps_of(space: Space) -> Callable[[Configuration], int]:
    return lambda configuration: train_config_for(space, configuration, seed=0, save_every=1).steps


def _no_value_message(sweep: Sweep) -> str:
    errors = [o.error for o in (*sweep.history.outcomes.values(), *sweep.lost.values()) if o.error]
    first = f"; the first error: {errors[0]}" if errors else ""
    return f"none of {len(sweep.results)} trainings gave a value{first}"
