"""Reuse of an earlier sweep's configurations and results, if they are comparable."""

from __future__ import annotations

import logging
from dataclasses import replace

from wsvad.dataset.config import differences
from wsvad.dataset.sealed import seal
from wsvad.errors import ObjectNotFound, UsageError
from wsvad.storage import Store, StoreOptions, open_store
from wsvad.tuning.history import History, read_claim, result_key, scores_key
from wsvad.tuning.schedule import Job, Result, ranking
from wsvad.tuning.space import Configuration, Space

log = logging.getLogger(__name__)
_FROM = "from "
_COMPARED = ("metric", "training", "features", "videos")


def warm_start(
    uri: str, store: StoreOptions, space: Space, history: History, out: Store, claim: dict[str, object]
) -> int:
    """Copy configurations of another sweep, best first, with their screening results; return their number.

    They become the first trials of this sweep. Nothing is copied if this sweep has configurations of its own; an
    interrupted copy is resumed.

    Args:
        uri: root of the other sweep.
        store: options for opening it.
        space: search space of this sweep; configurations outside of it are skipped.
        history: configurations and outcomes of this sweep.
        out: store of this sweep.
        claim: claim of this sweep.

    Raises:
        UsageError: the other sweep used other videos, features, metrics or another model.
    """
    if any(not source.startswith(_FROM) for source in history.sources.values()):
        return 0
    other = open_store(uri, store)
    other_claim = read_claim(other)
    if other_claim is None:
        raise UsageError(f"--from {uri}: there is no sweep at this URI")
    different = [d for name in _COMPARED for d in differences({name: claim[name]}, {name: other_claim[name]})]
    different += [
        f"{name}: {other_claim['space'].get(name)!r} there, {mine!r} here"
        for name, mine in space.to_dict().items()
        if name != "parameters" and other_claim["space"].get(name) != mine
    ]
    if different:
        raise UsageError(f"--from {uri}: its results are not comparable ({'; '.join(different)[:2000]})")
    there = History(other, replace(history.plan, trials=1), history.steps_of)
    results = {job: Result(outcome.value) for job, outcome in there.outcomes.items() if job.stage == "screening"}
    taken = 0
    for number in ranking(there.plan, results):
        configuration = there.configurations[number]
        if taken >= history.plan.trials or not space.contains(configuration):
            continue
        if history.configurations.get(taken, configuration) != configuration:
            break  # the other sweep has grown since the interrupted copy
        _copy(there, other, number, history, out, taken, configuration, uri)
        taken += 1
    log.info("%d trials and their results copied from %s", taken, uri)
    return taken


def _copy(
    there: History,
    other: Store,
    number: int,
    history: History,
    out: Store,
    new: int,
    configuration: Configuration,
    uri: str,
) -> None:
    """Copy a configuration; its results come first, so that a stored configuration has all of them."""
    for job, outcome in there.outcomes.items():
        if job.number != number or job.stage != "screening":
            continue
        mine, steps = Job(new, job.seed, job.rung), there.steps(job)
        try:
            out.create(scores_key(mine, steps), other.read(scores_key(job, steps)))
        except ObjectNotFound:
            log.debug("trial %d of %s has no scores at step %d", number, uri, steps)
        out.create(result_key(mine, steps), seal(outcome.to_dict()))
        history.outcomes[mine] = outcome
    history.configure(new, configuration, f"{_FROM}{uri}, trial {number}")
