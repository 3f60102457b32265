"""Results of a sweep: one row per training, the clip scores, the summary, and the best configuration."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wsvad.dataset.sealed import seal, unseal
from wsvad.errors import DamagedError, ObjectNotFound
from wsvad.metrics.selection import Selection, correct_selection
from wsvad.provenance import versions
from wsvad.storage import Store
from wsvad.tuning.history import History, Outcome, scores_key
from wsvad.tuning.schedule import Job, finalists, winner
from wsvad.tuning.space import Parameter
from wsvad.tuning.summary import BEST, HTML, JSON, SCORES, TRIALS, Finalist, TuneSummary
from wsvad.tuning.sweep import Sweep
from wsvad.tuning.trial_row import TrialRow

log = logging.getLogger(__name__)

_READERS = 16


def trial_rows(sweep: Sweep) -> list[TrialRow]:
    """Return one row for every configuration and seed with a finished job, of its last job."""
    furthest: dict[tuple[int, int], tuple[Job, Outcome]] = {}
    for job, outcome in sorted([*sweep.history.outcomes.items(), *sweep.lost.items()], key=lambda pair: pair[0]):
        furthest[job.number, job.seed] = job, outcome
    found = []
    for job, outcome in furthest.values():
        stopped = outcome.status == "done" and job.rung < sweep.plan.last_rung
        seconds = sum(
            one.seconds
            for rung in range(job.rung + 1)
            if (one := sweep.history.outcomes.get(Job(job.number, job.seed, rung)))
        )
        found.append(
            TrialRow(
                job.number, job.seed, job.stage, sweep.history.configurations[job.number].values,
                "stopped" if stopped else outcome.status, outcome.steps, outcome.value, seconds, outcome.node,
                outcome.error,
            )
        )  # fmt: skip
    return found


def screening_selection(sweep: Sweep) -> Selection | None:
    """Return the corrected value of the best screening result, from resamples of the videos; None: no trainings."""
    jobs = [job for job in sweep.history.outcomes if job.stage == "screening" and job.rung == sweep.plan.last_rung]
    numbers = sorted({job.number for job in jobs})
    if not numbers:
        return None
    seeds = max(job.seed for job in jobs) + 1
    resamples = max((len(o.resampled.get("in_bag", ())) for o in sweep.history.outcomes.values()), default=0)
    point = np.full((len(numbers), seeds), np.nan)
    bags = {name: np.full((len(numbers), seeds, resamples), np.nan) for name in ("in_bag", "out_of_bag")}
    for job in jobs:
        outcome, row = sweep.history.outcomes[job], numbers.index(job.number)
        if outcome.value is None:
            continue
        point[row, job.seed] = outcome.value
        for name, bag in bags.items():
            if values := outcome.resampled.get(name):
                bag[row, job.seed] = [np.nan if x is None else x for x in values]
    found = correct_selection(point, bags["in_bag"], bags["out_of_bag"])
    return replace(found, best=None if found.best is None else numbers[found.best])


def finalists_of(sweep: Sweep) -> tuple[Finalist, ...]:
    """Return the finalists with their figures on fresh seeds, best first."""
    found = []
    outcomes = sweep.history.outcomes
    for number in finalists(sweep.plan, sweep.results):
        jobs = [job for job in sorted(outcomes) if job.number == number and job.rung == sweep.plan.last_rung]
        fresh = tuple(outcomes[job].value for job in jobs if job.stage == "finals")
        tuned = [v for job in jobs if job.stage == "screening" and (v := outcomes[job].value) is not None]
        known = [value for value in fresh if value is not None]
        whole = bool(known) and len(known) == len(fresh)
        found.append(
            Finalist(
                number, sweep.history.configurations[number].values, fmean(tuned) if tuned else None,
                fmean(known) if whole else None, stdev(known) if whole and len(known) > 1 else None, fresh,
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda f: (f.mean is None, -(f.mean or 0.0), f.trial)))


def finished_summary(out: Store, sweep: Sweep) -> TuneSummary | None:
    """Return the stored summary if it belongs to exactly these results and all other result files exist."""
    if not all(any(info.key == name for info in out.list(name)) for name in (TRIALS, SCORES, BEST, HTML)):
        return None
    try:
        record = unseal(out.read(JSON), f"{out.uri}/{JSON}", ("summary", "outcomes"))
    except ObjectNotFound:
        return None
    except DamagedError as error:
        log.warning("%s. It is rewritten.", error)
        return None
    if record["outcomes"] != digest_of(sweep):
        return None
    plain = record["summary"]
    plain["finalists"] = tuple(Finalist(**{**one, "fresh": tuple(one["fresh"])}) for one in plain["finalists"])
    names = TuneSummary.__dataclass_fields__
    return replace(TuneSummary(**{k: v for k, v in plain.items() if k in names}), nothing_to_do=True)


def digest_of(sweep: Sweep) -> str:
    """Return a digest of the finished and lost trainings, their values, and the numbers of the plan."""
    ended = [[*_key(job), outcome.status, outcome.value] for job, outcome in sorted(sweep.history.outcomes.items())]
    lost = [_key(job) for job in sorted(sweep.lost)]
    plan = [sweep.plan.trials, sweep.plan.seeds, sweep.plan.finalists, sweep.plan.fresh_seeds]
    return hashlib.sha256(json.dumps([ended, lost, plan]).encode()).hexdigest()


def summarize(sweep: Sweep, summary: TuneSummary, selection: Selection | None, hours: float) -> TuneSummary:
    """Return the summary of a sweep whose trainings have ended."""
    statuses = [outcome.status for outcome in (*sweep.history.outcomes.values(), *sweep.lost.values())]
    best = winner(sweep.plan, sweep.results)
    return replace(
        summary,
        done=len(sweep.history.outcomes),
        diverged=statuses.count("diverged"),
        failed=statuses.count("failed"),
        lost=statuses.count("lost"),
        begun=len(sweep.history.configurations),
        best=best,
        values={} if best is None else sweep.history.configurations[best].values,
        naive=selection.naive if selection else None,
        corrected=selection.corrected if selection else None,
        low=selection.low if selection else None,
        high=selection.high if selection else None,
        note=selection.note if selection else "",
        finalists=finalists_of(sweep),
        hours=round(hours, 4),
    )


def write_summary(out: Store, sweep: Sweep, summary: TuneSummary, options: Mapping[str, Any]) -> None:
    """Write ``sweep.json``: options, summary, digest of the results, and digests of the other files."""
    record = {"options": dict(options), "versions": versions(), "summary": summary.to_dict()}
    files = {name: hashlib.sha256(out.read(name)).hexdigest() for name in (TRIALS, SCORES, BEST, HTML)}
    out.replace(JSON, seal({**json.loads(json.dumps(record)), "outcomes": digest_of(sweep), "files": files}))


def write_tables(out: Store, sweep: Sweep, rows: Sequence[TrialRow], parameters: Sequence[Parameter]) -> None:
    """Write ``trials.parquet`` and ``val_scores.parquet``."""
    out.replace(TRIALS, _trials_table(sweep.history, rows, parameters))
    out.replace(SCORES, _scores_table(out, sweep.history))


def _trials_table(history: History, rows: Sequence[TrialRow], parameters: Sequence[Parameter]) -> bytes:
    last: dict[tuple[int, int], Outcome] = {}
    for job, outcome in sorted(history.outcomes.items()):
        last[job.number, job.seed] = outcome
    outcomes = [last.get((row.number, row.seed), Outcome("lost")) for row in rows]
    columns: dict[str, pa.Array] = {
        "trial": pa.array([row.number for row in rows], pa.int32()),
        "seed": pa.array([row.seed for row in rows], pa.int32()),
        "stage": pa.array([row.stage for row in rows], pa.string()),
        **{f"config.{p.name}": _column(p, [row.values.get(p.name) for row in rows]) for p in parameters},
        "steps": pa.array([row.steps for row in rows], pa.int64()),
        "status": pa.array([row.status for row in rows], pa.string()),
        "value": pa.array([row.value for row in rows], pa.float64()),
    }
    for name in dict.fromkeys(name for outcome in outcomes for name in outcome.figures):
        columns[name] = pa.array([outcome.figures.get(name) for outcome in outcomes], pa.float64())
    columns["seconds"] = pa.array([row.seconds for row in rows], pa.float64())
    columns["node"] = pa.array([row.node for row in rows], pa.string())
    columns["error"] = pa.array([row.error or None for row in rows], pa.string())
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def _column(parameter: Parameter, values: Sequence[Any]) -> pa.Array:
    """Return the values of a parameter as a column of one type: text if its choices have several types."""
    kinds = {type(choice) for choice in parameter.choices} or {int if parameter.whole else float}
    if kinds == {int}:
        return pa.array(values, pa.int64())
    if kinds <= {int, float}:
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    return pa.array([None if v is None else str(v) for v in values], pa.string())


def _scores_table(out: Store, history: History) -> bytes:
    """Return the clip scores of the validation videos of all trainings, ordered by trial, seed and steps."""
    jobs = [job for job, outcome in sorted(history.outcomes.items()) if outcome.status == "done"]
    fields = [("trial", pa.int32()), ("seed", pa.int32()), ("steps", pa.int64()), ("video_id", pa.string())]
    schema = pa.schema(
        [*fields, ("start_frame", pa.int64()), ("end_frame", pa.int64()), ("score", pa.float32())]
    )  # fmt: skip
    sink = io.BytesIO()
    with pq.ParquetWriter(
        sink, schema, compression="zstd", use_dictionary=["video_id"], write_page_checksum=True
    ) as writer:
        for job, table in _read_scores(out, history, jobs):
            many = len(table)
            own = {"trial": job.number, "seed": job.seed, "steps": history.steps(job)}
            table = table.append_column("trial", pa.array([own["trial"]] * many, pa.int32()))
            table = table.append_column("seed", pa.array([own["seed"]] * many, pa.int32()))
            table = table.append_column("steps", pa.array([own["steps"]] * many, pa.int64()))
            writer.write_table(table.select(schema.names).cast(schema))
    return sink.getvalue()


def _read_scores(out: Store, history: History, jobs: Sequence[Job]) -> Iterator[tuple[Job, pa.Table]]:
    def read(job: Job) -> pa.Table | None:
        try:
            return pq.read_table(pa.BufferReader(out.read(scores_key(job, history.steps(job)))))
        except ObjectNotFound:
            log.warning(
                "the clip scores of trial %d, seed %d are missing; %s does not contain them",
                job.number,
                job.seed,
                SCORES,
            )
            return None

    with ThreadPoolExecutor(_READERS) as pool:
        for start in range(0, len(jobs), 4 * _READERS):  # in batches, to limit memory
            some = jobs[start : start + 4 * _READERS]
            for job, table in zip(some, pool.map(read, some), strict=True):
                if table is not None:
                    yield job, table


def _key(job: Job) -> list[int]:
    return [job.number, job.seed, job.rung]
