"""An earlier sweep's configurations and results, taken over where they mean the same."""

from __future__ import annotations

import logging
from dataclasses import replace

from wsvad.dataset.config import differences
from wsvad.dataset.sealed import seal
from wsvad.errors import ObjectNotFound, UsageError
from wsvad.storage import Store, StoreOptions, open_store
from wsvad.tuning.book import Book, read_claim, result_key, scores_key
from wsvad.tuning.schedule import Job, Result, ranking
from wsvad.tuning.space import Configuration, Space

log = logging.getLogger(__name__)
_FROM = "from "
_ALIKE = ("metric", "training", "features", "videos")


def warm_start(uri: str, store: StoreOptions, space: Space, book: Book, out: Store, claim: dict[str, object]) -> int:
    """Copy configurations of another sweep, best first, with their results of screening; return how many.

    They take the first numbers of this one. Nothing is done once this sweep has configurations of its own; a copy that
    was killed is taken up again.

    Args:
        uri: root of the other sweep.
        store: how to reach it.
        space: of this sweep; what lies outside of it is left out.
        book: of this sweep.
        out: of this sweep.
        claim: of this sweep.

    Raises:
        UsageError: the other sweep was judged on other videos, features or figures, or is of another model.
    """
    if any(not source.startswith(_FROM) for source in book.sources.values()):
        return 0
    other = open_store(uri, store)
    theirs = read_claim(other)
    if theirs is None:
        raise UsageError(f"--from {uri}: there is no sweep")
    different = [d for name in _ALIKE for d in differences({name: claim[name]}, {name: theirs[name]})]
    different += [
        f"{name}: there {theirs['space'].get(name)!r}, here {mine!r}"
        for name, mine in space.to_dict().items()
        if name != "parameters" and theirs["space"].get(name) != mine
    ]
    if different:
        raise UsageError(f"--from {uri}: its results do not carry over ({'; '.join(different)[:2000]})")
    there = Book(other, replace(book.plan, trials=1), book.steps_of)
    results = {job: Result(outcome.value) for job, outcome in there.outcomes.items() if job.stage == "screening"}
    taken = 0
    for number in ranking(there.plan, results):
        configuration = there.configurations[number]
        if taken >= book.plan.trials or not space.contains(configuration):
            continue
        if book.configurations.get(taken, configuration) != configuration:
            break  # the other sweep has grown since a copy of it was begun
        _copy(there, other, number, book, out, taken, configuration, uri)
        taken += 1
    log.info("%d trials and their results taken over from %s", taken, uri)
    return taken


def _copy(
    there: Book, other: Store, number: int, book: Book, out: Store, new: int, configuration: Configuration, uri: str
) -> None:
    """Copy what a configuration gave; first the results, so that a configuration that is there has them all."""
    for job, outcome in there.outcomes.items():
        if job.number != number or job.stage != "screening":
            continue
        mine, steps = Job(new, job.seed, job.rung), there.steps(job)
        try:
            out.create(scores_key(mine, steps), other.read(scores_key(job, steps)))
        except ObjectNotFound:
            log.debug("trial %d of %s has no scores at step %d", number, uri, steps)
        out.create(result_key(mine, steps), seal(outcome.to_dict()))
        book.outcomes[mine] = outcome
    book.configure(new, configuration, f"{_FROM}{uri}, trial {number}")
