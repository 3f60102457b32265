"""A sweep from start to end: check, claim, run what is left, keep the results, train the winner."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from rich.console import Console

from wsvad.backbones.identity import is_untrained
from wsvad.errors import TrainingError, UsageError
from wsvad.features.described import in_words
from wsvad.features.reading import FeatureSet
from wsvad.manifest.records import VideoRecord, read_records
from wsvad.models.choose import MODELS
from wsvad.storage import Store, open_store
from wsvad.suggest import did_you_mean
from wsvad.training.data import TrainingData, training_data
from wsvad.training.overrides import parse_overrides
from wsvad.tuning.book import Book, check_claim, check_plan, write_claim, write_plan
from wsvad.tuning.configurations import make_source, number_of_trials
from wsvad.tuning.measuring import MAXIMISED, Validation, default_metric
from wsvad.tuning.options import TuneOptions
from wsvad.tuning.page import sweep_page
from wsvad.tuning.progress import TuneView
from wsvad.tuning.results import finished_summary, keep_summary, keep_tables, rows_of, selection_of, summarize
from wsvad.tuning.schedule import FRESH, Plan
from wsvad.tuning.space import Configuration, Space
from wsvad.tuning.spaces import find_space
from wsvad.tuning.summary import BEST, HTML, TuneSummary
from wsvad.tuning.sweep import Sweep
from wsvad.tuning.trackers import check_trackers, copy_trainings
from wsvad.tuning.trial import Setting, device_here, run_task, training_of
from wsvad.tuning.warm_start import warm_start
from wsvad.tuning.winner import measure_on_test, option_file, train_winner, winner_options
from wsvad.work.lease import Lease
from wsvad.work.target import probe_target, refuse_job_working_dir

log = logging.getLogger(__name__)

DRIVERS = "drivers/"


@dataclass(frozen=True)
class Resolved:
    """Options brought together with what is there."""

    space: Space
    plan: Plan
    features: FeatureSet = field(repr=False)
    records: list[VideoRecord] = field(repr=False)
    data: TrainingData = field(repr=False)
    validation: Validation = field(repr=False)

    def claim(self, options: TuneOptions) -> dict[str, Any]:
        """What decides every result, as JSON values; how many trials there are does not."""
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
    """Search a space; safe to kill and to run again: finished jobs are not run twice, begun ones go on.

    Args:
        options: what to search, on what, where to.
        console: where progress is drawn.

    Raises:
        UsageError, ManifestError: before any work.
        ConflictError: the target holds another sweep, or another driver is at work on it.
        TrainingError: not one trial gave a value.
        StorageError, ClusterError: run the same command again.
    """
    resolved = resolve(options)
    refuse_job_working_dir(options.out)
    out = open_store(options.out, options.store)
    claim = resolved.claim(options)
    check_claim(out, claim)
    check_plan(out, resolved.plan, extend=options.extend)
    summary = _begin(out, resolved)
    if summary.banner:
        log.warning("%s", summary.banner)
    if options.dry_run:
        return replace(summary, dry_run=True)
    out = probe_target(out)
    started = time.monotonic()
    with Lease(out, DRIVERS, "a sweep") as lease:
        write_claim(out, claim)
        write_plan(out, resolved.plan)
        book = Book(out, resolved.plan, _steps_of(resolved.space))
        if options.extend and book.screened is not None:
            book.resume_screening()
        if options.warm_start:
            warm_start(options.warm_start, options.store, resolved.space, book, out, claim)
        spent_s = float(lease.previous_notes.get("elapsed_s", 0.0))

        def elapsed_s() -> float:
            total = spent_s + time.monotonic() - started
            lease.notes = {"elapsed_s": round(total, 1)}
            return total

        source = make_source(
            options.search, resolved.space, resolved.plan.trials, options.sweep_seed, options.grid_points
        )
        sweep = Sweep(
            resolved.plan, book, source, options.search,
            lambda: options.hours is not None and elapsed_s() > 3600 * options.hours,
        )  # fmt: skip
        run_jobs(options, resolved, sweep, out, console or Console(stderr=True))
        lease.check()
        summary = _conclude(options, resolved, sweep, out, summary, elapsed_s() / 3600, console)
        copy_trainings(sweep, claim, out.uri, options.mlflow, options.wandb)
        return summary


def _conclude(
    options: TuneOptions, resolved: Resolved, sweep: Sweep, out: Store, summary: TuneSummary, hours: float,
    console: Console | None,
) -> TuneSummary:  # fmt: skip
    """Keep what came of it, train the winner, and look at the test videos if that was asked for."""
    done = finished_summary(out, sweep)
    summary = done or summarize(sweep, summary, selection_of(sweep), hours)
    best = summary.best
    if best is None:
        raise TrainingError(_nothing(sweep))
    configuration = sweep.book.configurations[best]
    seed = FRESH if resolved.plan.finalists else 0
    training = winner_options(options, resolved.space, configuration, seed=seed)
    if done is None:
        rows = rows_of(sweep)
        keep_tables(out, sweep, rows, resolved.space.parameters)
        out.replace(BEST, option_file(training, f"trial {best} of a sweep of {resolved.space.model}"))
        out.replace(HTML, sweep_page(rows, resolved.space.parameters, summary))
        sweep.book.drop_states(job for job in sweep.book.outcomes)
    if options.train_winner:
        summary = replace(summary, checkpoint=train_winner(training, out, best, console))
    if options.final:
        summary = replace(summary, test=measure_on_test(options, out, str(summary.checkpoint), best))
    keep_summary(out, sweep, replace(summary, nothing_to_do=False), options.to_dict())
    return summary


def resolve(options: TuneOptions) -> Resolved:
    """Bring options together with what is there. Raises what :func:`tune` raises before any work; writes nothing."""
    given = {"address": options.address, "concurrent": options.concurrent, "winner-workers": options.winner_workers}
    named = " and ".join(f"--{name}" for name, value in given.items() if value is not None)
    if named and not options.use_ray:
        raise UsageError(f"--no-ray tunes alone in this process: leave out {named}, or --no-ray")
    if options.final and not options.train_winner:
        raise UsageError("--final measures the trained winner: leave out --no-winner")
    check_trackers(options.mlflow, options.wandb)
    space = find_space(options.space, options.store)
    kind = MODELS[space.model].config
    space = space.with_defaults(parse_overrides(options.overrides, kind), options.training)
    space.check()
    trials = number_of_trials(options.search, space, options.trials, options.grid_points, hours=options.hours)
    features = FeatureSet.open(options.features, options.store)
    features.shape_of(kind.inputs)
    records = read_records(options.manifest, options.store)
    config = training_of(space, Configuration({}, {}), seed=0, save_every=options.save_every)
    data = training_data(
        records,
        features,
        val_fraction=config.val_fraction,
        seed=config.val_seed,
        allow_missing=options.allow_missing,
    )
    if not data.can_select:
        have = "of one class" if data.val_ids else "none"
        raise UsageError(
            f"a sweep is judged on validation videos of both classes, and there are {have}: give videos the split val "
            "in the manifest, or leave --val-fraction above 0"
        )
    by_id = {record.video_id: record for record in records}
    judged = tuple(replace(by_id[video_id], split="val") for video_id in data.val_ids)
    metric = options.metric or default_metric(judged)
    if metric not in MAXIMISED:
        meant = did_you_mean(metric, MAXIMISED) or f"; known: {', '.join(MAXIMISED)}"
        raise UsageError(f"no figure that can be maximised is called {metric!r:.80}{meant}")
    validation = Validation(features, judged, metric, options.resamples)
    validation.check(kind.inputs)
    return Resolved(space, options.plan(trials), features, records, data, validation)


def run_jobs(options: TuneOptions, resolved: Resolved, sweep: Sweep, out: Store, console: Console) -> None:
    """Run everything that is left, here or on Ray Tune. Raises as :func:`tune`."""
    setting = _setting(options, resolved, out)
    with TuneView(sweep, resolved.validation.metric, console) as view:
        if sweep.finished:
            return
        if not options.use_ray:
            while not sweep.finished:
                task = sweep.next_task()
                if task is None:
                    break
                sweep.take(task.job, run_task(setting, task))
                view.update()
            return
        from wsvad.tuning.on_ray import run_on_tune  # brings Ray with it
        from wsvad.work.cluster import connected, nodes
        from wsvad.work.pool import PoolOptions, fit_pool

        with connected(options.address, verbose=options.verbose):
            pool = fit_pool(PoolOptions(options.concurrent, options.cpus, options.gpus), nodes())
            placed = replace(setting, device=pool.device, threads=pool.threads)
            log.info("%d jobs at once (each %g CPU, %g GPU)", pool.workers, pool.cpus_per_worker, pool.gpus_per_worker)
            name = out.uri.rstrip("/").rpartition("/")[2]
            run_on_tune(placed, sweep, pool, view.update, name=name, verbose=options.verbose)


def _setting(options: TuneOptions, resolved: Resolved, out: Store) -> Setting:
    return Setting(
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


def _begin(out: Store, resolved: Resolved) -> TuneSummary:
    weights = str(resolved.features.config.get("weights", ""))
    return TuneSummary(
        out=out.uri,
        model=resolved.space.model,
        metric=resolved.validation.metric,
        features_made_by=in_words(resolved.features.config),
        banner=(
            f"TUNED ON FEATURES OF AN UNTRAINED NETWORK ({weights}): the figures mean nothing for detection."
            if is_untrained(weights)
            else ""
        ),
        trials=resolved.plan.trials,
        jobs=resolved.plan.jobs,
    )


def _steps_of(space: Space) -> Callable[[Configuration], int]:
    return lambda configuration: training_of(space, configuration, seed=0, save_every=1).steps


def _nothing(sweep: Sweep) -> str:
    errors = [o.error for o in (*sweep.book.outcomes.values(), *sweep.lost.values()) if o.error]
    first = f"; the first: {errors[0]}" if errors else ""
    return f"not one of {len(sweep.results)} trainings gave a value{first}"
